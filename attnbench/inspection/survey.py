"""A whole test set looked at: scores of the weights, anatomy of the errors, and whether the looks matter.

Batches are cut into portions whose weights fit, and nothing grows with the number of examples but counts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from attnbench.batch import Batch
from attnbench.inspection.alignment_scores import AlignmentCounts
from attnbench.inspection.causal import PERMUTATIONS, CausalCounts, count_causes
from attnbench.inspection.distributions import shuffled
from attnbench.inspection.error_anatomy import ErrorCounts
from attnbench.inspection.held_out import HeldOut
from attnbench.inspection.loading import TrainedRun
from attnbench.inspection.looking import answer_freely, head_maps, maps_of, portions
from attnbench.models.memory import equal_shares
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange

WeightKind = Literal["model", "uniform", "shuffled"]
Progress = Callable[[int, int], None]
"""Told of examples done and examples in all."""


def _say_nothing(done: int, of: int) -> None:
    pass


@dataclass
class AttentionScores:
    """Scores of weights, teacher-forced as in metrics.csv, of the same examples.

    Attributes:
        lengths: of the sources.
        examples: how many.
        by_kind: the model's own weights, the mean over layers and heads, absent for an arm without any; equal
            weights; the model's, each word's dealt anew among the source words.
        by_head: the same of the model by (layer, head), counted from 0; empty where there is but one.
    """

    lengths: LengthRange
    examples: int = 0
    by_kind: dict[WeightKind, AlignmentCounts] = field(default_factory=dict)
    by_head: dict[tuple[int, int], AlignmentCounts] = field(default_factory=dict)


@torch.no_grad()
def survey_attention(
    run: TrainedRun, examples: HeldOut, with_heads: bool = False, on_progress: Progress = _say_nothing
) -> AttentionScores:
    """Score the weights of a run.

    Args:
        run: opened.
        examples: to score on.
        with_heads: whether every layer and head is scored by itself too.
        on_progress: told after every portion.
    """
    scores = AttentionScores(examples.lengths)
    generator = generator_for("inspection", "shuffled weights", examples.seed)
    for _, batch in examples.batches():
        for portion in portions(batch, maps_of(run.model)):
            _score(scores, run.model(portion).attention, portion, generator)
            if with_heads:
                _score_heads(scores, run, portion)
            scores.examples += len(portion)
            on_progress(scores.examples, examples.examples)
    return scores


def _score(scores: AttentionScores, weights: Tensor | None, batch: Batch, generator: Generator) -> None:
    positions = torch.arange(batch.source.shape[1], device=batch.source.device)
    mask = positions < batch.source_lengths.unsqueeze(1)
    equal = equal_shares(mask, torch.zeros(0)).unsqueeze(1).expand(-1, batch.target.shape[1], -1)
    kinds: dict[WeightKind, Tensor] = {"uniform": equal}
    if weights is not None:
        kinds |= {"model": weights, "shuffled": shuffled(weights, mask, generator)}
    for kind in get_args(WeightKind):
        if kind in kinds:
            scores.by_kind.setdefault(kind, AlignmentCounts()).add(kinds[kind], batch)


def _score_heads(scores: AttentionScores, run: TrainedRun, batch: Batch) -> None:
    maps = head_maps(run.model, batch)
    if maps is None or maps.source is None:
        return
    for layer, of_layer in enumerate(maps.source.unbind(1)):
        for head, weights in enumerate(of_layer.unbind(1)):
            scores.by_head.setdefault((layer, head), AlignmentCounts()).add(weights, batch)


def survey_errors(
    run: TrainedRun,
    examples: HeldOut,
    gold: Literal["sure", "possible"] = "sure",
    on_progress: Progress = _say_nothing,
) -> ErrorCounts:
    """Count the errors of a run, running freely."""
    counts = ErrorCounts(gold)
    for start, batch in examples.batches():
        for portion in portions(batch):
            counts.add(answer_freely(run.model, run.spec.task, portion), start)
            start += len(portion)
            on_progress(start, examples.examples)
    return counts


def survey_causes(
    run: TrainedRun,
    examples: HeldOut,
    permutations: int = PERMUTATIONS,
    on_progress: Progress = _say_nothing,
) -> CausalCounts | None:
    """Change the weights of a run as it answers, running freely; None where that is not defined.

    It takes a read per answer for each erasure and permutation, so a hundred examples or two (`HeldOut.fewer`) are
    the measure.
    """
    counts, done = CausalCounts(), 0
    generator = generator_for("inspection", "changed weights", examples.seed)
    held_per_pair = max(
        maps_of(run.model), run.spec.model.hidden_size
    )  # additive scores keep as much for gradients
    for _, batch in examples.batches():
        for portion in portions(batch, held_per_pair):
            answers = answer_freely(run.model, run.spec.task, portion)
            if not count_causes(counts, run.model, answers, generator, permutations):
                return None
            done += len(portion)
            on_progress(done, examples.examples)
    return counts

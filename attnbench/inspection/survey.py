"""A whole test set looked at: scores of the weights, anatomy of the errors, and whether the looks matter.

Batches are cut into portions whose weights fit, and nothing grows with the number of examples but counts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from attnbench.batch import Batch
from attnbench.inspection.alignment_scores import AlignmentCounts
from attnbench.inspection.causal import PERMUTATIONS, CausalCounts, count_causes
from attnbench.inspection.distributions import shuffled
from attnbench.inspection.error_anatomy import WORST, ErrorCounts
from attnbench.inspection.held_out import HeldOut
from attnbench.inspection.loading import TrainedRun
from attnbench.inspection.looking import Answers, answer_freely, head_maps, maps_of, portions
from attnbench.models.encoder import equal_shares
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange

MOST_POSITIONS = 32
SCORING = 12  # numbers per pair of words, while weights are scored and dealt anew
COPIES = 8  # of the distributions over the vocabulary, while two are compared
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
        for portion in portions(batch, maps_of(run.model) + SCORING, _vocabulary_size(run)):
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
    run: TrainedRun, examples: HeldOut, on_progress: Progress = _say_nothing, kept: int = WORST
) -> ErrorCounts:
    """Count the errors of a run, running freely, and keep so many of the worst examples."""
    counts = ErrorCounts(kept=kept)
    for start, batch in examples.batches():
        for portion in portions(batch, maps_of(run.model) + SCORING):
            counts.add(answer_freely(run.model, run.spec.task, portion), start)
            start += len(portion)
            on_progress(start, examples.examples)
    return counts


def survey_causes(
    run: TrainedRun,
    examples: HeldOut,
    permutations: int = PERMUTATIONS,
    most_positions: int = MOST_POSITIONS,
    on_progress: Progress = _say_nothing,
) -> CausalCounts | None:
    """Change the weights of a run as it answers, running freely; None where that is not defined.

    Args:
        run: opened.
        examples: to answer. Each answer takes a read for each erasure and permutation and a backward pass, so a
            hundred examples or two (`HeldOut.fewer`) are the measure.
        permutations: how often the weights of an answer are dealt anew.
        most_positions: at how many target positions, drawn for each portion, answers are looked at.
        on_progress: told after every portion.
    """
    counts, done = CausalCounts(), 0
    generator = generator_for("inspection", "changed weights", examples.seed)
    # Additive scores: the gradient of each pair.
    held_per_pair = max(maps_of(run.model), run.spec.model.hidden_size)
    for _, batch in examples.batches():
        for portion in portions(batch, held_per_pair, COPIES * _vocabulary_size(run)):
            answers = _thinned(answer_freely(run.model, run.spec.task, portion), most_positions, generator)
            if not count_causes(counts, run.model, answers, generator, permutations):
                return None
            done += len(portion)
            on_progress(done, examples.examples)
    return counts


def _thinned(answers: Answers, most_positions: int, generator: Generator) -> Answers:
    """Return the answers of which those at no more than so many target positions count as chosen."""
    places = answers.chosen.any(dim=0).nonzero().flatten()
    kept = places[torch.randperm(len(places), generator=generator)[:most_positions].to(places.device)]
    is_kept = torch.zeros_like(answers.chosen[0]).index_fill(0, kept, True)
    return replace(answers, chosen=answers.chosen & is_kept)


def _vocabulary_size(run: TrainedRun) -> int:
    return len(run.spec.task.target_vocabulary.tokens)

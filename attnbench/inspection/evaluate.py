"""A trained model over many test examples: attention, interventions and errors, as rows of tables."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from attnbench.batch import Batch
from attnbench.inspection.attention_scores import AlignmentCounts, permute_weights
from attnbench.inspection.decode import Decoded, greedy_decode, head_maps, maps_of, portions
from attnbench.inspection.errors import WORST, ErrorCounts, ErrorKind, RightKind
from attnbench.inspection.examples import HeldOut
from attnbench.inspection.interventions import PERMUTATIONS, CausalCounts, Erased, count_causes
from attnbench.inspection.load import TrainedRun
from attnbench.models.encoder import equal_shares
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange

MOST_POSITIONS = 32
SCORING = 12  # numbers per pair of words, while weights are scored and permuted
COPIES = 8  # of the distributions over the vocabulary, while two are compared
WeightKind = Literal["model", "uniform", "permuted"]
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
            weights; the model's, each word's permuted among the source words.
        by_head: the same of the model by (layer, head), counted from 0; empty where there is but one.
    """

    lengths: LengthRange
    examples: int = 0
    by_kind: dict[WeightKind, AlignmentCounts] = field(default_factory=dict)
    by_head: dict[tuple[int, int], AlignmentCounts] = field(default_factory=dict)


@torch.no_grad()
def evaluate_attention(
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
        kinds |= {"model": weights, "permuted": permute_weights(weights, mask, generator)}
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


def evaluate_errors(
    run: TrainedRun, examples: HeldOut, on_progress: Progress = _say_nothing, kept: int = WORST
) -> ErrorCounts:
    """Count the errors of a run, running freely, and keep so many of the worst examples."""
    counts = ErrorCounts(kept=kept)
    for start, batch in examples.batches():
        for portion in portions(batch, maps_of(run.model) + SCORING):
            counts.add(greedy_decode(run.model, run.spec.task, portion), start)
            start += len(portion)
            on_progress(start, examples.examples)
    return counts


def evaluate_causes(
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
        permutations: how often the weights of an answer are permuted.
        most_positions: at how many target positions, drawn for each portion, answers are looked at.
        on_progress: told after every portion.
    """
    counts, done = CausalCounts(), 0
    generator = generator_for("inspection", "changed weights", examples.seed)
    # Additive scores: the gradient of each pair.
    held_per_pair = max(maps_of(run.model), run.spec.model.hidden_size)
    for _, batch in examples.batches():
        for portion in portions(batch, held_per_pair, COPIES * _vocabulary_size(run)):
            answers = _thinned(greedy_decode(run.model, run.spec.task, portion), most_positions, generator)
            if not count_causes(counts, run.model, answers, generator, permutations):
                return None
            done += len(portion)
            on_progress(done, examples.examples)
    return counts


def _thinned(answers: Decoded, most_positions: int, generator: Generator) -> Decoded:
    """Return the answers of which those at no more than so many target positions count as chosen."""
    places = answers.chosen.any(dim=0).nonzero().flatten()
    kept = places[torch.randperm(len(places), generator=generator)[:most_positions].to(places.device)]
    is_kept = torch.zeros_like(answers.chosen[0]).index_fill(0, kept, True)
    return replace(answers, chosen=answers.chosen & is_kept)


def _vocabulary_size(run: TrainedRun) -> int:
    return len(run.spec.task.target_vocabulary.tokens)


Cell = str | int | float | None
Row = dict[str, Cell]

_RUN_COLUMNS = ("run_id", "task", "model", "seed", "length", "length_min", "length_unit")
ATTENTION_COLUMNS = (
    *_RUN_COLUMNS,
    "weights",
    "layer",
    "head",
    "examples",
    "words",
    "alignment_accuracy",
    "sure_accuracy",
    "gold_mass",
    "sure_mass",
    "alignment_error_rate",
    "alignment_error_rate_sure",
    "entropy_bits",
    "change_bits",
)
"""One row for each kind of weights (model, uniform, permuted), and for each layer and head, counted from 1."""
CAUSAL_COLUMNS = (*_RUN_COLUMNS, "change", "words", "flip_rate", "divergence_bits", "median_variation")
"""One row for each change: erased most_attended, random and largest_gradient; permuted."""
_ERRORS: tuple[ErrorKind | RightKind, ...] = (*get_args(ErrorKind), *get_args(RightKind))
ERROR_COLUMNS = (
    *_RUN_COLUMNS,
    "position",
    "words",
    "right",
    "accuracy",
    *_ERRORS,
)
"""One row over all, whose position is empty, then one for each output position, counted from 1.

`right` and `accuracy` compare place by place, as token_accuracy does; the columns behind them count edits,
and the last two the looks of words that are right after alignment.
"""


def attention_rows(run: TrainedRun, scores: AttentionScores) -> list[Row]:
    """Return the rows of attention.csv for one length."""
    rows = []
    for kind in get_args(WeightKind):
        if kind == "model" or kind in scores.by_kind:
            counts = scores.by_kind.get(kind)
            rows.append(_attention_row(run, scores, {"weights": kind, "layer": None, "head": None}, counts))
    for (layer, head), counts in scores.by_head.items():
        which: Row = {"weights": "model", "layer": layer + 1, "head": head + 1}
        rows.append(_attention_row(run, scores, which, counts))
    return rows


def _attention_row(
    run: TrainedRun, scores: AttentionScores, which: Row, counts: AlignmentCounts | None
) -> Row:
    names = ATTENTION_COLUMNS[ATTENTION_COLUMNS.index("words") :]
    values: Row = {name: None if counts is None else getattr(counts, name) for name in names}
    return {**_run_cells(run, scores.lengths), **which, "examples": scores.examples, **values}


def causal_rows(run: TrainedRun, lengths: LengthRange, counts: CausalCounts | None) -> list[Row]:
    """Return the rows of causal.csv for one length; without numbers where nothing is defined."""
    rows = []
    counts = counts or CausalCounts()
    for kind in get_args(Erased):
        erased = counts.erased[kind]
        values: Row = {
            "change": f"erased_{kind}",
            "words": erased.words,
            "flip_rate": erased.flip_rate,
            "divergence_bits": erased.divergence_bits,
            "median_variation": None,
        }
        rows.append({**_run_cells(run, lengths), **values})
    permuted: Row = {
        "change": "permuted",
        "words": counts.words,
        "flip_rate": None,
        "divergence_bits": None,
        "median_variation": counts.median_variation,
    }
    return [*rows, {**_run_cells(run, lengths), **permuted}]


def error_rows(run: TrainedRun, lengths: LengthRange, counts: ErrorCounts) -> list[Row]:
    """Return the rows of errors.csv for one length."""
    return [
        {**_run_cells(run, lengths), **_error_cells(counts, position)}
        for position in (None, *range(counts.positions))
    ]


def _error_cells(counts: ErrorCounts, position: int | None) -> Row:
    return {
        "position": None if position is None else position + 1,
        "words": counts.count("words", position),
        "right": counts.count("right", position),
        "accuracy": counts.accuracy(position),
        **{kind: counts.count(kind, position) for kind in _ERRORS},
    }


def _run_cells(run: TrainedRun, lengths: LengthRange) -> Row:
    spec = run.spec
    return {
        "run_id": spec.run_id,
        "task": spec.task.name,
        "model": spec.model.name,
        "seed": spec.seed,
        "length": lengths.maximum,
        "length_min": lengths.minimum,
        "length_unit": spec.task.length_unit,
    }

"""The rows of attention.csv, causal.csv and errors.csv. What is not defined is None: an empty cell."""

from typing import get_args

from attnbench.inspection.alignment_scores import AlignmentCounts
from attnbench.inspection.causal import CausalCounts, Erased
from attnbench.inspection.error_anatomy import ErrorCounts, Kind
from attnbench.inspection.loading import TrainedRun
from attnbench.inspection.survey import AttentionScores, WeightKind
from attnbench.tasks.base import LengthRange

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
"""One row for each kind of weights (model, uniform, shuffled), and for each layer and head, counted from 1."""
CAUSAL_COLUMNS = (*_RUN_COLUMNS, "change", "words", "flip_rate", "divergence_bits", "median_variation")
"""One row for each change: erased most_attended, random and largest_gradient; permuted."""
_EDITS: tuple[Kind, ...] = (
    "inserted",
    "left_out",
    "exchanged",
    "swapped",
    "cut_off",
    "repeated",
    "looked_wrong",
    "looked_right",
)
ERROR_COLUMNS = (
    *_RUN_COLUMNS,
    "position",
    "words",
    "right",
    "accuracy",
    *_EDITS,
)
"""One row over all, whose position is empty, then one for each output position, counted from 1.

`right` and `accuracy` compare place by place, as token_accuracy does; the columns behind them count edits.
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
        **{kind: counts.count(kind, position) for kind in _EDITS},
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

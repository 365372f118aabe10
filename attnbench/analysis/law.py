"""The law of the breakdown: how L50 grows with the steps of training and the hidden size (law.csv, law_cells.csv).

log2 L50 = a + b · log2 steps + c · log2 hidden, fitted to every seed's own L50 in every cell, which is one budget and
one hidden size. A seed whose curve never fell, or fell ahead of the shortest length, enters as a bound. The largest
budget and the largest size are left out of the fit and predicted.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from attnbench.analysis.arms import Metrics, sort_arms
from attnbench.analysis.breakdown import Breakdown, Crossing, l50_by_arm, seed_crossings
from attnbench.analysis.larger_budget import budgets_of, family_of
from attnbench.analysis.rates import TuningRows
from attnbench.analysis.tobit import Estimate, Line, Values, fit_line
from attnbench.analysis.training_cost import PriceLaw
from attnbench.arm import Arm

Axis = Literal["steps", "hidden_size"]

AXES: tuple[Axis, ...] = ("steps", "hidden_size")
# With fewer that are not censored there is no exponent.
LEAST_CELLS = 3
LEAST_PLACES = 3
L50_SCORE, PRICE_SCORE = "token_accuracy", "steps_to_90"
_FAMILY = ("task", "model", "variant", "protocol", "train_min_length", "train_max_length")
LAW_COLUMNS = (
    *_FAMILY,
    "score",
    "exponent_of",
    "exponent",
    "low",
    "high",
    "cells",
    "censored",
    "held_out",
    "held_out_within",
    "seeds",
    "low_over_seeds",
    "high_over_seeds",
    "above",
    "below",
    "not_learnt",
    "curvature",
    "curvature_low",
    "curvature_high",
    "hidden_size",
    "training_steps",
    "note",
)
LAW_CELL_COLUMNS = (
    *_FAMILY,
    "score",
    "training_steps",
    "hidden_size",
    "length",
    "low",
    "high",
    "censored",
    "seeds",
    "fitted",
    "predicted_low",
    "predicted_high",
    "is_held_out",
    "is_within",
)


@dataclass(frozen=True, eq=False)
class LawCell:
    """One arm of a family: a budget and a hidden size, with L50 of its mean curve and of each seed."""

    arm: Arm
    training_steps: int
    found: Breakdown
    seeds: Mapping[int, Crossing]

    @property
    def is_fallen(self) -> bool:
        """Whether L50 of the mean curve is a length, and no bound."""
        return self.found.censored == ""

    def place(self, axis: Axis) -> int:
        """Return where the cell stands on an axis."""
        return self.training_steps if axis == "steps" else self.arm.hidden_size

    @property
    def bounds(self) -> tuple[float, float]:
        """The lengths between which L50 is known to lie: one where it was measured, else 0 or infinity at one end."""
        length = self.found.length
        return {"above": (length, math.inf), "below": (0.0, length)}.get(
            self.found.censored, (length, length)
        )


@dataclass(frozen=True)
class Law:
    """What the cells of one family of arms, which differ in budget and hidden size alone, say of its breakdown.

    Attributes:
        family: the arms' identity, with hidden size 0 and without budget.
        length_unit: what a length counts, empty where that is not known.
        cells: those that learnt, by size and budget.
        not_learnt: those that did not, of which no length is known.
        axes: what the law has an exponent of.
        line: log2 L50 against log2 of the axes, None where there is no exponent.
        reason: why there is none, or why one is lacking; else empty.
        fitted: the cells behind the line.
        held_out: the cells left out of it, that it is tested on.
        curvature: of each axis with three values the coefficient of the square of its log2, from all cells.
    """

    family: Arm
    length_unit: str
    cells: Sequence[LawCell]
    not_learnt: Sequence[LawCell]
    axes: Sequence[Axis] = ()
    line: Line | None = None
    reason: str = ""
    fitted: Sequence[LawCell] = ()
    held_out: Sequence[LawCell] = ()
    curvature: Mapping[Axis, Estimate] = field(default_factory=dict)

    @property
    def is_told(self) -> bool:
        """Whether it is worth a sentence: an axis has three values, and what was fitted was tested on other cells.

        Two points lie on a line whichever they are, and three hardly tell how far off the line they lie.
        """
        spans_three = any(len({cell.place(axis) for cell in self.cells}) >= LEAST_PLACES for axis in AXES)
        return spans_three and (self.line is None or bool(self.held_out))

    def exponent(self, axis: Axis) -> Estimate | None:
        """Return the exponent of an axis; None where the law has none of it."""
        if self.line is None or axis not in self.axes:
            return None
        return self.line.estimate(np.eye(len(self.axes) + 1)[1 + list(self.axes).index(axis)])

    @property
    def constant(self) -> Estimate | None:
        """The constant of the law: log2 L50 at one step and one unit."""
        return None if self.line is None else self.line.estimate(np.eye(len(self.axes) + 1)[0])

    def length_at(self, steps: float, hidden_size: float) -> float:
        """Return the length that the law says."""
        assert self.line is not None
        at = {"steps": steps, "hidden_size": hidden_size}
        return 2 ** self.line.at(np.array([1.0, *(math.log2(at[axis]) for axis in self.axes)]))

    def prediction(self, cell: LawCell) -> Estimate | None:
        """Return the length that the law says of a cell, with the interval in which its L50 is expected.

        None of a cell that lies at a hidden size or budget of which the law has no exponent.
        """
        if self.line is None or cell not in (*self.fitted, *self.held_out):
            return None
        row = _design([cell], self.axes)[0]
        middle, margin = self.line.at(row), self.line.prediction_margin(row)
        return Estimate(2**middle, 2 ** (middle - margin), 2 ** (middle + margin))

    def is_within(self, cell: LawCell) -> bool | None:
        """Say whether the L50 of a cell, or what its bound leaves open, meets its interval; None without one."""
        expected = self.prediction(cell)
        if expected is None or math.isnan(expected.low):
            return None
        low, high = cell.bounds
        return low <= expected.high and high >= expected.low

    def count(self, censored: str) -> int:
        """Return how many cells are censored in one way."""
        return sum(cell.found.censored == censored for cell in self.cells)


def find_laws(metrics: Metrics, breakdowns: pd.DataFrame, tuning: TuningRows = ()) -> list[Law]:
    """Return the law of each family of arms that has several budgets or hidden sizes, in the order of arms.

    Args:
        metrics: rows of a sweep.
        breakdowns: the same as `breakdown_table` gives them.
        tuning: as for `breakdown_table`.
    """
    budgets, own, found = budgets_of(metrics), seed_crossings(metrics, tuning), l50_by_arm(breakdowns)
    families: dict[Arm, list[LawCell]] = {}
    for arm in budgets:
        if arm in found and arm in own:
            families.setdefault(family_of(arm), []).append(LawCell(arm, budgets[arm], found[arm], own[arm]))
    units = {family_of(arm): _unit(rows) for arm, rows in metrics.by_arm().items()}
    several = [family for family in sort_arms(families) if len(families[family]) > 1]
    return [law_of(family, units[family], families[family]) for family in several]


def law_table(laws: Iterable[Law], prices: Iterable[PriceLaw]) -> pd.DataFrame:
    """Return one row for each exponent and constant, and for each law without any one that says why (law.csv).

    The `score` is that whose L50 it is, or "steps_to_90" of the price of length, whose rows name size and budget.
    """
    rows = [row for law in laws for row in _law_rows(law)] + [
        row for law in prices for row in _price_rows(law)
    ]
    whole = ["cells", "censored", "held_out", "held_out_within", "seeds", "above", "below", "not_learnt"]
    whole += ["hidden_size", "training_steps", "train_min_length", "train_max_length"]
    return pd.DataFrame(rows, columns=list(LAW_COLUMNS)).astype(dict.fromkeys(whole, "Int64"))


def law_cell_table(laws: Iterable[Law]) -> pd.DataFrame:
    """Return one row for each cell of each law, with what the law says of it (law_cells.csv)."""
    rows = [_cell_row(law, cell) for law in laws for cell in (*law.cells, *law.not_learnt)]
    whole = ["train_min_length", "train_max_length"]
    types = dict.fromkeys(whole, "Int64") | {"is_held_out": "boolean", "is_within": "boolean"}
    return pd.DataFrame(rows, columns=list(LAW_CELL_COLUMNS)).astype(types)


def _unit(rows: pd.DataFrame) -> str:
    return next(iter(rows["length_unit"].dropna()), "")


def law_of(family: Arm, unit: str, cells: Sequence[LawCell]) -> Law:
    """Return the law of the cells of one family, or why there is none.

    Args:
        family: what its arms have in common.
        unit: of their lengths.
        cells: at least one, in any order.
    """
    ordered = sorted(cells, key=lambda cell: (cell.arm.hidden_size, cell.training_steps))
    learnt = [cell for cell in ordered if cell.found.censored != "not_learnt"]
    law = Law(family, unit, learnt, [cell for cell in ordered if cell not in learnt])
    fallen = [cell for cell in learnt if cell.is_fallen]
    if len(fallen) < LEAST_CELLS:
        told = f"{len(fallen)} of {len(ordered)} cells broke down within the tested lengths"
        return replace(law, reason=f"{told}, and {LEAST_CELLS} are the least")
    axes = [axis for axis in AXES if len(_places(fallen, axis)) > 1]
    missing = [axis for axis in AXES if axis not in axes]
    # Cells of another value on such an axis are all bounds, which hold no exponent from above.
    used = [cell for cell in learnt if all(cell.place(axis) in _places(fallen, axis) for axis in missing)]
    if not _can_fit(used, axes):
        return replace(
            law, reason="the cells that broke down leave the two exponents open: budget and size go together"
        )
    held_out = _held_out(used, axes)
    fitted = [cell for cell in used if cell not in held_out]
    return replace(
        law,
        axes=axes,
        line=fit_line(_values(fitted, _design(fitted, axes))),
        reason=_missing(missing, ordered),
        fitted=fitted,
        held_out=held_out,
        curvature=_curvature(used, axes),
    )


def _missing(axes: Sequence[Axis], cells: Sequence[LawCell]) -> str:
    """Say which exponents a law lacks, and why."""
    words: dict[Axis, str] = {"steps": "budget", "hidden_size": "hidden size"}
    parts = []
    for axis in axes:
        what = "there is" if len(_places(cells, axis)) == 1 else "breakdowns are known of"
        parts.append(f"no exponent of the {words[axis]}, of which {what} one alone")
    return "; ".join(parts)


def _places(cells: Iterable[LawCell], axis: Axis) -> list[int]:
    return sorted({cell.place(axis) for cell in cells})


def _can_fit(cells: Iterable[LawCell], axes: Sequence[Axis]) -> bool:
    """Whether the cells that broke down are enough, and tell the axes apart."""
    fallen = [cell for cell in cells if cell.is_fallen]
    return len(fallen) >= LEAST_CELLS and _is_full(_design(fallen, axes))


def _is_full(design: np.ndarray) -> bool:
    return bool(np.linalg.matrix_rank(design) == design.shape[1])


def _held_out(cells: Sequence[LawCell], axes: Sequence[Axis]) -> list[LawCell]:
    """Return the cells of the largest budget and of the largest size; of one of them, or none, where it must be so.

    What remains must have every exponent: two values on each axis, and three cells that broke down.
    """
    choices: list[Sequence[Axis]] = [axes, *([axis] for axis in axes)]
    for choice in choices:
        largest = {axis: _places(cells, axis)[-1] for axis in choice}
        held = [cell for cell in cells if any(cell.place(axis) == top for axis, top in largest.items())]
        if _can_fit([cell for cell in cells if cell not in held], axes):
            return held
    return []


def _design(cells: Sequence[LawCell], axes: Sequence[Axis], squares: Sequence[Axis] = ()) -> np.ndarray:
    """Return the regressors of each cell: 1, log2 of each axis, and squares about their mean."""
    logs = {axis: np.log2([cell.place(axis) for cell in cells]) for axis in axes}
    bent = [(logs[axis] - logs[axis].mean()) ** 2 for axis in squares]
    return np.column_stack([np.ones(len(cells)), *(logs[axis] for axis in axes), *bent])


def _values(cells: Sequence[LawCell], design: np.ndarray) -> Values:
    """Return log2 of every seed's own L50, or its bound; seeds that did not learn have none."""
    sides = {"": 0, "above": 1, "below": -1}
    found = [
        (number, seed, math.log2(crossing.length), sides[crossing.censored])
        for number, cell in enumerate(cells)
        for seed, crossing in cell.seeds.items()
        if crossing.censored in sides
    ]
    numbers, seeds, values, known = (np.array(column) for column in zip(*found, strict=True))
    return Values(design[numbers], values, known, seeds, numbers)


def _curvature(cells: Sequence[LawCell], axes: Sequence[Axis]) -> dict[Axis, Estimate]:
    """Return the coefficient of the square of each axis on which three values broke down."""
    fallen = [cell for cell in cells if cell.is_fallen]
    squares = [axis for axis in axes if len(_places(fallen, axis)) > 2]
    if not squares or not _is_full(_design(fallen, axes, squares)):
        return {}
    line = fit_line(_values(cells, _design(cells, axes, squares)))
    size = 1 + len(axes) + len(squares)
    return {axis: line.estimate(np.eye(size)[1 + len(axes) + number]) for number, axis in enumerate(squares)}


def _identity(arm: Arm) -> dict[str, object]:
    return {name: getattr(arm, name) for name in _FAMILY} | {"variant": str(arm.variant)}


def _law_rows(law: Law) -> Iterator[dict[str, object]]:
    within = [law.is_within(cell) for cell in law.held_out]
    shared = _identity(law.family) | {
        "score": L50_SCORE,
        "cells": len(law.cells),
        "censored": law.count("above") + law.count("below"),
        "held_out": len(law.held_out),
        "held_out_within": None if not within or None in within else sum(map(bool, within)),
        "seeds": max(cell.found.seeds for cell in (*law.cells, *law.not_learnt)),
        "above": law.count("above"),
        "below": law.count("below"),
        "not_learnt": len(law.not_learnt),
        "note": law.reason,
    }
    if law.line is None:
        yield shared
    for axis in law.axes:
        bend = law.curvature.get(axis, Estimate(math.nan, math.nan, math.nan))
        bent = {"curvature": bend.value, "curvature_low": bend.low, "curvature_high": bend.high}
        yield shared | _exponent(axis, law.exponent(axis)) | bent
    if law.line is not None:
        yield shared | _exponent("constant", law.constant)


def _price_rows(law: PriceLaw) -> Iterator[dict[str, object]]:
    yield (
        _identity(family_of(law.arm))
        | _exponent("length", law.exponent)
        | {
            "score": PRICE_SCORE,
            "cells": len(law.lengths),
            "censored": len(law.lengths) - len(law.arrived),
            "seeds": law.seeds,
            "hidden_size": law.arm.hidden_size,
            "training_steps": law.training_steps,
            "note": law.reason,
        }
    )


def _exponent(name: str, found: Estimate | None) -> dict[str, object]:
    if found is None:
        return {"exponent_of": name}
    low, high = found.over_seeds
    own = {"low": found.low, "high": found.high, "low_over_seeds": low, "high_over_seeds": high}
    return {"exponent_of": name, "exponent": found.value} | own


def _cell_row(law: Law, cell: LawCell) -> dict[str, object]:
    found, expected = cell.found, law.prediction(cell) if cell in law.cells else None
    return _identity(law.family) | {
        "score": L50_SCORE,
        "training_steps": cell.training_steps,
        "hidden_size": cell.arm.hidden_size,
        "length": found.length,
        "low": found.low,
        "high": found.high,
        "censored": found.censored,
        "seeds": found.seeds,
        "fitted": math.nan if expected is None else expected.value,
        "predicted_low": math.nan if expected is None else expected.low,
        "predicted_high": math.nan if expected is None else expected.high,
        "is_held_out": cell in law.held_out,
        "is_within": law.is_within(cell) if cell in law.held_out else None,
    }

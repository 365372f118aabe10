"""The law of the breakdown: how L50 grows with the steps of training and the hidden size.

log2 L50 = a + b · log2 steps + c · log2 hidden, fitted to every seed's own L50 in every cell, which is one budget and
one hidden size. A seed whose curve never fell, or was below half already at the shortest length, enters as a bound. The
largest budget and the largest size are left out of the fit, and the mean of their seeds is predicted.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from attnbench.analysis.arms import Metrics, sort_arms
from attnbench.analysis.breakdown import (
    THRESHOLDS,
    Breakdown,
    Crossing,
    l50_by_arm,
    on_scale,
    seed_crossings,
)
from attnbench.analysis.larger_budget import budgets_of, family_of
from attnbench.analysis.rates import TuningRows
from attnbench.analysis.tobit import Estimate, Line, Values, fit_line, fit_weighted
from attnbench.arm import Arm

Axis = Literal["steps", "hidden_size"]

AXES: tuple[Axis, ...] = ("steps", "hidden_size")
# With fewer that are not censored there is no exponent.
LEAST_CELLS = 3
LEAST_PLACES = 3


@dataclass(frozen=True, eq=False)
class LawCell:
    """One arm of a family: a budget and a hidden size, with L50 of its mean curve and of each seed.

    `shortest` is the shortest length tested, NaN where that is not known.
    """

    arm: Arm
    training_steps: int
    found: Breakdown
    seeds: Mapping[int, Crossing]
    shortest: float = math.nan

    @property
    def is_fallen(self) -> bool:
        """Whether L50 of the mean curve is a length, and no bound."""
        return self.found.censored == ""

    def place(self, axis: Axis) -> int:
        """Return where the cell stands on an axis."""
        return self.training_steps if axis == "steps" else self.arm.hidden_size

    def count(self, censored: str) -> int:
        """Return how many seeds have curves of their own that are censored in one way."""
        return sum(crossing.censored == censored for crossing in self.seeds.values())

    @property
    def mean_of_seeds(self) -> float:
        """Two to the mean of log2 L50 over the seeds that learnt, bounds among them; NaN where none did."""
        known = [math.log2(each.length) for each in self.seeds.values() if each.censored != "not_learnt"]
        return 2 ** statistics.fmean(known) if known else math.nan

    @property
    def bounds(self) -> tuple[float, float]:
        """The lengths between which that mean is known to lie: one where it was measured, else open at an end."""
        mean = self.mean_of_seeds
        is_known = not math.isnan(mean)
        low = mean if is_known and not self.count("below") else 0.0
        return low, mean if is_known and not self.count("above") else math.inf

    @property
    def is_measured(self) -> bool:
        """Whether that mean is known: no seed is a bound."""
        low, high = self.bounds
        return low == high


@dataclass(frozen=True)
class Trial:
    """How a law did on cells that it was not fitted to.

    Attributes:
        cells: how many.
        measured: of these, those of which the mean over seeds is known and no bound.
        measured_within: of these, those that lie in their intervals.
        bounds_within: of the others, those whose bound does not contradict its interval.
        width: the median, over all of them, of the upper end of the interval over the lower.
    """

    cells: int
    measured: int
    measured_within: int
    bounds_within: int
    width: float

    @property
    def bounds(self) -> int:
        """How many are bounds."""
        return self.cells - self.measured

    @property
    def contradicting(self) -> int:
        """How many of the bounds contradict their intervals."""
        return self.bounds - self.bounds_within

    @property
    def tested(self) -> int:
        """How many say something of the law: those measured, and bounds that contradict it."""
        return self.measured + self.contradicting


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
        curvature: of each axis with three values the coefficient of the square of its log2, from all cells, fitted and
            held out.
        curvature_of_fitted: the same from the fitted cells alone; empty where none is held out.
        with_unlearnt: the exponents of the same fit with the seeds and the cells that did not learn taken as below the
            shortest tested length; empty where there is none of them in its range.
        ceiling: the shortest tested length at which no code of the bits that cross is half way from chance to perfect,
            infinite where there is none.
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
    curvature_of_fitted: Mapping[Axis, Estimate] = field(default_factory=dict)
    with_unlearnt: Mapping[Axis, float] = field(default_factory=dict)
    ceiling: float = math.inf

    @property
    def is_told(self) -> bool:
        """Whether it is worth a sentence: an axis has three values, and more cells than just make a line were fitted.

        Two points lie on a line whichever they are, and three hardly tell how far off the line they lie.
        """
        spans_three = any(len({cell.place(axis) for cell in self.cells}) >= LEAST_PLACES for axis in AXES)
        is_more = bool(self.held_out) or len(self.fitted) > len(self.axes) + 2
        return spans_three and (self.line is None or is_more)

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

    def trial(self, cells: Sequence[LawCell]) -> Trial | None:
        """Return how the law did on some of the cells held out; None where there are none, or no intervals."""
        within, expected = [self.is_within(cell) for cell in cells], [self.prediction(cell) for cell in cells]
        if not cells or None in within:
            return None
        measured = [bool(is_in) for cell, is_in in zip(cells, within, strict=True) if cell.is_measured]
        width = statistics.median(each.high / each.low for each in expected if each is not None)
        return Trial(len(cells), len(measured), sum(measured), sum(map(bool, within)) - sum(measured), width)

    def beyond(self, axis: Axis) -> list[LawCell]:
        """Return the cells held out whose value on an axis no fitted cell has."""
        fitted = _places(self.fitted, axis)
        return [cell for cell in self.held_out if cell.place(axis) not in fitted]

    def is_tested(self, axis: Axis) -> bool:
        """Whether, beyond the fitted cells on an axis, one has tested the law."""
        found = self.trial(self.beyond(axis))
        return found is not None and found.tested > 0

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
    budgets, crossings, found = budgets_of(metrics), seed_crossings(metrics, tuning), l50_by_arm(breakdowns)
    rows = metrics.by_arm()
    families: dict[Arm, list[LawCell]] = {}
    for arm in budgets:
        if arm in found and arm in crossings:
            cell = LawCell(arm, budgets[arm], found[arm], crossings[arm], float(rows[arm]["length"].min()))
            families.setdefault(family_of(arm), []).append(cell)
    units = {family_of(arm): next(iter(own["length_unit"].dropna()), "") for arm, own in rows.items()}
    several = [(family, cells) for family in sort_arms(families) if len(cells := families[family]) > 1]
    return [
        replace(law_of(family, units[family], cells), ceiling=min(_ceiling(rows[cell.arm]) for cell in cells))
        for family, cells in several
    ]


def _ceiling(rows: pd.DataFrame) -> float:
    """Return the shortest length at which the ceiling of an arm lies below L50's accuracy, infinite without one."""
    halves = rows["chance_accuracy"].astype(float).map(lambda chance: on_scale(chance, THRESHOLDS["L50"]))
    below = rows["length"][rows["accuracy_ceiling"] < halves]
    return float(below.min()) if len(below) else math.inf


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
            law,
            reason="the cells that broke down cannot separate the two exponents: budget and size go together",
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
        curvature_of_fitted=_curvature(fitted, axes) if held_out else {},
        with_unlearnt=_with_unlearnt(
            fitted, axes, [cell for cell in law.not_learnt if _is_inside(cell, fitted, axes)]
        ),
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

    What remains must have every exponent: two values on each axis, and three cells that broke down. A choice that
    leaves intervals goes first: without them nothing is tested.
    """
    choices: list[Sequence[Axis]] = [axes, *([axis] for axis in axes)]
    found = []
    for choice in choices:
        largest = {axis: _places(cells, axis)[-1] for axis in choice}
        rest = [cell for cell in cells if all(cell.place(axis) != top for axis, top in largest.items())]
        if _can_fit(rest, axes):
            found.append(rest)
    left = next((rest for rest in found if _has_freedom(rest, axes)), found[0] if found else cells)
    return [cell for cell in cells if cell not in left]


def _has_freedom(cells: Iterable[LawCell], axes: Sequence[Axis]) -> bool:
    """Whether more cells were measured than a law of these axes has coefficients."""
    return sum(cell.is_measured for cell in cells) > len(axes) + 1


def _design(cells: Sequence[LawCell], axes: Sequence[Axis], squares: Sequence[Axis] = ()) -> np.ndarray:
    """Return the regressors of each cell: 1, log2 of each axis, and squares about their mean."""
    logs = {axis: np.log2([cell.place(axis) for cell in cells]) for axis in axes}
    bent = [(logs[axis] - logs[axis].mean()) ** 2 for axis in squares]
    return np.column_stack([np.ones(len(cells)), *(logs[axis] for axis in axes), *bent])


def _values(cells: Sequence[LawCell], design: np.ndarray, with_unlearnt: bool = False) -> Values:
    """Return log2 of every seed's own L50, or its bound.

    Seeds that did not learn have none, or are taken as below the shortest length where that is asked and known.
    """
    sides = {"": 0, "above": 1, "below": -1} | ({"not_learnt": -1} if with_unlearnt else {})
    lengths = [
        (number, seed, cell.shortest if each.censored == "not_learnt" else each.length, sides[each.censored])
        for number, cell in enumerate(cells)
        for seed, each in cell.seeds.items()
        if each.censored in sides
    ]
    known = [each for each in lengths if not math.isnan(each[2])]
    numbers, seeds, values, sides_of = (np.array(column) for column in zip(*known, strict=True))
    return Values(design[numbers], np.log2(values), sides_of, seeds, numbers)


def _is_inside(cell: LawCell, fitted: Sequence[LawCell], axes: Sequence[Axis]) -> bool:
    """Whether a cell lies nowhere beyond the fitted ones, and at the one value of an axis without exponent."""
    return all(
        cell.place(axis) <= _places(fitted, axis)[-1]
        if axis in axes
        else cell.place(axis) in _places(fitted, axis)
        for axis in AXES
    )


def _with_unlearnt(
    fitted: Sequence[LawCell], axes: Sequence[Axis], not_learnt: Sequence[LawCell]
) -> dict[Axis, float]:
    """Return the exponents with what did not learn as below the shortest tested length; none where all learnt."""
    cells = [*fitted, *not_learnt]
    if not any(cell.count("not_learnt") for cell in cells):
        return {}
    values = _values(cells, _design(cells, axes), with_unlearnt=True)
    coefficients, _ = fit_weighted(values, np.ones((1, len(values.values))))
    return dict(zip(axes, coefficients[0, 1:].tolist(), strict=True))


def _curvature(cells: Sequence[LawCell], axes: Sequence[Axis]) -> dict[Axis, Estimate]:
    """Return the coefficient of the square of each axis on which three values broke down."""
    fallen = [cell for cell in cells if cell.is_fallen]
    squares = [axis for axis in axes if len(_places(fallen, axis)) > 2]
    if not squares or not _is_full(_design(fallen, axes, squares)):
        return {}
    line = fit_line(_values(cells, _design(cells, axes, squares)))
    size = 1 + len(axes) + len(squares)
    return {axis: line.estimate(np.eye(size)[1 + len(axes) + number]) for number, axis in enumerate(squares)}

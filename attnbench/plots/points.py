"""What figures, summary and verdict say of the tables: the arms of a panel, their points, and these in words."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from attnbench.analysis.arms import Metrics, arm_rows, arms_of
from attnbench.analysis.breakdown import HALF, Breakdown, l50, lengths_around
from attnbench.analysis.larger_budget import without_budget
from attnbench.analysis.tobit import Estimate
from attnbench.arm import Arm, Variant, shared_changes
from attnbench.formatting import joined
from attnbench.plots.style import ArmLook, arm_looks, order_arms, train_range

NOTHING = "–"
"""The cell of a table that has no number."""
DATA_KEY = "task.data"
NO_NAMES: Mapping[str, str] = {}
_PROTOCOLS = {"per_length": "one model per length", "mixed": "mixed lengths"}


@dataclass(frozen=True)
class ArmRows:
    """The rows of one arm in the three tables, and how it is named and drawn."""

    arm: Arm
    look: ArmLook
    metrics: pd.DataFrame
    curve: pd.DataFrame
    breakdowns: pd.DataFrame

    def points(self, score: str) -> pd.DataFrame:
        """Return the arm's points of curve.csv for one score, by length."""
        return self.curve[self.curve["score"] == score].sort_values("length")

    def tested(self, score: str) -> list[int]:
        """Return the lengths at which the arm has a score, increasing."""
        return self.points(score)["length"].tolist()

    def seed_lines(self, score: str) -> list[pd.DataFrame]:
        """Return for each seed that has the score its rows, by length."""
        rows = self.metrics.dropna(subset=[score]).sort_values("length")
        return [own for _, own in rows.groupby("seed")]

    def budget_lengths(self, score: str) -> set[int]:
        """Return the lengths at which some run with the score ended because its budget did."""
        rows = self.metrics.dropna(subset=[score])
        return set(rows.loc[rows["stop_reason"] == "budget", "length"])

    @property
    def seeds(self) -> list[int]:
        """How many seeds lengths have, ascending: one number where all have as many."""
        return sorted({int(number) for number in self.metrics.groupby("length")["seed"].nunique()})

    def breakdown(self, score: str) -> Breakdown | None:
        """Return L50 of the arm, of BLEU and chrF where half is left; None where it has neither."""
        return l50(self.breakdowns, score)


@dataclass(frozen=True)
class Panel:
    """The arms of one task under one protocol, their lengths in one unit: what may share a panel."""

    task: str
    protocol: str
    length_unit: str
    arms: Sequence[ArmRows]
    data_names: Mapping[str, str] = field(default_factory=dict)
    unfinished: str = ""  # how many of the planned runs are done; empty where all are
    is_thinned: bool = False  # smaller budgets of its arms were left out

    @property
    def title(self) -> str:
        """Say what task and protocol the panel shows."""
        return panel_title([rows.arm for rows in self.arms])

    @property
    def heading(self) -> str:
        """Return the title with the train range that the arms share: for text, which has no caption to say it."""
        ranges = {train_range(rows.arm) for rows in self.arms} - {""}
        return f"{self.title}, trained on {ranges.pop()}" if len(ranges) == 1 else self.title

    @property
    def train_ends(self) -> list[int]:
        """Return where train ranges end that the panel tests beyond, so for `extrapolation` alone."""
        ends = {rows.arm.train_max_length for rows in self.arms}
        return sorted(end for end in ends if end is not None) if self.protocol == "extrapolation" else []

    def thinned(self, largest: Mapping[Arm, Arm]) -> "Panel":
        """Return the panel without the arms that have rows of their largest budget at every length."""
        lengths = {rows.arm: set(rows.metrics["length"]) for rows in self.arms}
        target = {arm: largest.get(arm, arm) for arm in lengths}
        kept = {arm for arm in lengths if target[arm] == arm or not lengths[arm] <= lengths[target[arm]]}
        looks = arm_looks(kept)
        arms = [replace(rows, look=looks[rows.arm]) for rows in self.arms if rows.arm in kept]
        return replace(self, arms=arms, is_thinned=len(arms) < len(self.arms))

    def arms_with(self, score: str) -> list[ArmRows]:
        """Return the arms that have points for a score."""
        return [rows for rows in self.arms if not rows.points(score).empty]

    def length_labels(self, score: str) -> dict[int, str]:
        """Return how to write each length at which some arm has the score; buckets as "11–20"."""
        rows = pd.concat([arm.metrics.dropna(subset=[score]) for arm in self.arms])
        least = rows.groupby("length", as_index=False)["length_min"].min()
        return {
            int(length): f"{low}–{length}" if pd.notna(low) and low < length else str(length)
            for length, low in zip(least["length"], least["length_min"], strict=True)
        }


def panel_title(arms: Sequence[Arm]) -> str:
    """Say what task and protocol the arms of a panel share; on which lengths they were trained is a shared fact."""
    return f"{arms[0].task}: {_PROTOCOLS.get(arms[0].protocol, arms[0].protocol)}"


def split_panels(
    metrics: Metrics,
    curve: pd.DataFrame,
    breakdowns: pd.DataFrame,
    data_names: Mapping[str, str] = NO_NAMES,
    unfinished: str = "",
) -> list[Panel]:
    """Split the tables of a sweep into panels: different tasks, protocols and units of length never share one."""
    tables = [_rows_by_arm(table) for table in (metrics.frame, curve, breakdowns)]
    arms = order_arms(tables[0])
    panels = []
    place = {arm: (arm.task, arm.protocol, _unit(tables[0][arm])) for arm in arms}
    for task, protocol, unit in sorted(set(place.values())):
        members = [arm for arm in arms if place[arm] == (task, protocol, unit)]
        looks = arm_looks(members)
        rows = [ArmRows(arm, looks[arm], *(own[arm] for own in tables)) for arm in members]
        panels.append(Panel(task, protocol, unit, rows, data_names, unfinished))
    return panels


def split_rows(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Split the rows of a table with a row for each arm as panels are split: by task, protocol and unit of length."""
    unit = table["length_unit"].fillna("")
    return [rows for _, rows in table.groupby([table["task"], table["protocol"], unit])]


@dataclass(frozen=True)
class Capacity:
    """What an arm was seen to hold.

    `bits` is the level of the plateau where `is_plateau`, with `low` and `high` as its interval and `lengths` as
    its ends; else the largest mean at any length, which is a lower bound. `context_size` is NaN where it is not
    known or not one number.
    """

    arm: Arm
    status: str
    bits: float
    low: float
    high: float
    lengths: tuple[int, int] | None
    context_size: float

    @property
    def is_plateau(self) -> bool:
        """Whether the bits level off within the tested lengths."""
        return self.status == "found"


def capacities(capacity: pd.DataFrame) -> dict[Arm, Capacity]:
    """Return what each arm of capacity.csv was seen to hold, in the order of legends."""
    plateaus = dict(arm_rows(capacity[capacity["kind"] == "plateau"]))
    lengths: dict[Arm, list[Any]] = {}
    for arm, row in arm_rows(capacity[capacity["kind"] == "length"]):
        lengths.setdefault(arm, []).append(row)
    found = {arm: _capacity(arm, row, lengths) for arm, row in plateaus.items()}
    return {arm: found[arm] for arm in order_arms(found)}


_NO_LEVEL = {
    "all_recovered": "holds at least 95 % at the longest",
    "too_few": "too few lengths or seeds to level off",
    "budget": "runs at its level ended by budget",
    "grows": "its context is not of one size",
    "extrapolation": "beyond its training: no capacity",
    "none": "does not level off",
}


def capacity_note(capacity: Capacity) -> str:
    """Return one line for the legend of a figure."""
    if capacity.is_plateau:
        return f"levels off: {level_words(capacity)}"
    return _NO_LEVEL[capacity.status]


def level_words(capacity: Capacity) -> str:
    """Return what a plateau shows at least, with the interval of its level, if any, and per number of the context."""
    interval = "" if pd.isna(capacity.low) else f" [{bits_text(capacity.low)}, {bits_text(capacity.high)}]"
    per = capacity.bits / capacity.context_size if capacity.context_size > 0 else math.nan
    return f"at least {bits_text(capacity.bits)} bits{interval}" + (
        "" if math.isnan(per) else f", {per:.2f} per number"
    )


def bits_text(number: float) -> str:
    """Return bits with one digit behind the point."""
    return f"{round(number, 1) + 0.0:.1f}"  # never "-0.0"


def breakdown_cell(breakdown: Breakdown, tested: Iterable[int], unit: str = "") -> str:
    """Return `14.2 [12.9, 15.6], between tested 12 and 16`, `> 32`, `< 4` or `not learnt`.

    An interval may end beyond the longest tested: `14.2 [12.9, > 32]`, `> 32 [28.4, > 32]`.

    Args:
        breakdown: what was found.
        tested: the lengths at which the arm was tested.
        unit: of lengths, to stand behind the first number; none by default.
    """
    if breakdown.censored == "not_learnt":
        return "not learnt"
    length = f"{length_text(breakdown.length)} {unit}".rstrip()
    tested = list(tested)
    interval = interval_text(breakdown, tested)
    if breakdown.censored:
        return f"{'>' if breakdown.censored == 'above' else '<'} {length}{interval}"
    return f"{length}{interval}, {_bracket(breakdown, tested)}"


def interval_text(breakdown: Breakdown, tested: Iterable[int]) -> str:
    """Return ` [12.9, 15.6]` or ` [12.9, > 32]`, nothing where there is no interval."""
    if math.isnan(breakdown.low):
        return ""
    high = f"> {max(tested)}" if math.isnan(breakdown.high) else length_text(breakdown.high)
    return f" [{length_text(breakdown.low)}, {high}]"


def breakdown_note(breakdown: Breakdown, tested: Sequence[int]) -> str:
    """Return what the legend of a figure says below an arm's name; where there is no interval it says why."""
    if breakdown.censored == "not_learnt":
        return "not learnt"
    if breakdown.censored == "below":
        at = f"already at {length_text(breakdown.length)}"
        return f"below {breakdown.accuracy_threshold:.2f} {at}"
    if breakdown.censored == "above":
        fallen = breakdown.seeds - breakdown.seeds_above
        seeds = f", {fallen} of {breakdown.seeds} seeds fell" if fallen else ""
        if breakdown.threshold == HALF:
            interval = interval_text(breakdown, tested)
            return f"above half of its best up to {length_text(breakdown.length)}{interval}{seeds}"
        return f"no breakdown up to {length_text(breakdown.length)}{seeds}"
    # On a line of its own: one line of both would widen the legend by half.
    where = breakdown_cell(breakdown, tested).replace(", between", ",\nbetween")
    name = "half of its best at" if breakdown.threshold == HALF else breakdown.threshold
    return f"{name} {where}{breakdown_remark(breakdown, tested)}"


def breakdown_remark(breakdown: Breakdown, tested: Sequence[int]) -> str:
    """Return in brackets why a breakdown has no interval, or that its point lies outside; else nothing."""
    if breakdown.is_outside_interval:
        return " (point outside)"
    if not math.isnan(breakdown.low):
        return ""
    if breakdown.seeds == 1:
        return " (one seed)"
    censored = [
        f"{count} of {breakdown.seeds} seeds {what}"
        for count, what in (
            (breakdown.seeds_above, f"beyond {max(tested)}"),
            (breakdown.seeds_below, f"before {min(tested)}"),
            (breakdown.seeds_not_learnt, "did not learn"),
        )
        if count
    ]
    return f" ({', '.join(censored)})" if censored else " (all seeds equal)"


def length_text(length: float) -> str:
    """Return a length with three digits or more, and without a fraction where it has none."""
    if float(length).is_integer() or length >= 100:
        return f"{length:.0f}"
    return f"{length:.1f}" if length >= 10 else f"{length:.2f}"


def context_cell(numbers: Collection[int], bits: Collection[int]) -> str:
    """Return how many numbers, or bits where they are squeezed, cross from encoder to decoder over the lengths."""
    return f"{range_cell(bits)} bits" if len(bits) else range_cell(numbers)


def range_cell(numbers: Collection[int]) -> str:
    """Return the least and the most of some numbers as `384–1984`, or the one number that they are."""
    if len(numbers) == 0:
        return NOTHING
    return "–".join(f"{number:.0f}" for number in sorted({min(numbers), max(numbers)}))


def without_size(arm: Arm) -> Arm:
    """Return what arms that differ in hidden size alone have in common."""
    return arm._replace(hidden_size=0)


def shared_facts(
    arms: Iterable[Arm],
    steps: Sequence[int] | None = None,
    data_names: Mapping[str, str] = NO_NAMES,
) -> list[str]:
    """Say what all arms share, then what those of each panel share besides: parts of a sentence, if any.

    Legends name only what differs within a panel.

    Args:
        arms: of all panels.
        steps: of each of their budgets, where the caption is to say how long they were trained.
        data_names: the files of texts, by the fingerprint that a variant holds.
    """
    panels: dict[tuple[str, str], list[Arm]] = {}
    for arm in arms:
        told = arm if steps is None else without_budget(arm)
        panels.setdefault((arm.task, arm.protocol), []).append(told)
    common = _shared([arm for panel in panels.values() for arm in panel], data_names)
    facts = [*common, *(budget_facts(steps) if steps is not None else [])]
    parts = [f"all arms: {', '.join(facts)}"] if facts else []
    for panel in panels.values():
        own = [fact for fact in _shared(panel, data_names) if fact not in common]
        parts += [f"in “{panel_title(panel)}”: {', '.join(own)}"] if own else []
    return parts


def budget_facts(steps: Sequence[int]) -> list[str]:
    """Say how long runs were trained at most, at each budget where there are several; see `steps_of_budgets`."""
    told = joined([f"{each:,}" for each in steps] or [""], "or")
    return [f"at most {told} training steps"] if steps else []


def _rows_by_arm(table: pd.DataFrame) -> defaultdict[Arm, pd.DataFrame]:
    places: dict[Arm, list[int]] = {}
    for place, arm in enumerate(arms_of(table)):
        places.setdefault(arm, []).append(place)
    return defaultdict(lambda: table.iloc[:0], {arm: table.iloc[own] for arm, own in places.items()})


def _unit(metrics: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(metrics["length_unit"].dropna()))


def _capacity(arm: Arm, plateau: Any, lengths: Mapping[Arm, list[Any]]) -> Capacity:
    is_found = plateau.plateau == "found"
    row = plateau if is_found else max(lengths[arm], key=lambda each: each.bits_recovered)
    return Capacity(
        arm,
        plateau.plateau,
        bits=float(row.bits_recovered),
        low=float(row.low),
        high=float(row.high),
        lengths=(int(plateau.length), int(plateau.length_last)) if is_found else None,
        context_size=math.nan if pd.isna(row.context_size) else float(row.context_size),
    )


def _bracket(breakdown: Breakdown, tested: Iterable[int]) -> str:
    """Name the tested lengths between which a curve fell, or the one at which it stood on the threshold."""
    first, *rest = lengths_around(list(tested), breakdown.length)
    return f"between tested {first} and {rest[0]}" if rest else f"at tested {first}"


def told_changes(variant: Variant, data_names: Mapping[str, str]) -> list[str]:
    """Return changes as captions have them: a text by the names of its files, or not at all where unknown."""
    fingerprint = variant.get(DATA_KEY)
    name = data_names.get(fingerprint or "")
    return [*variant.without([DATA_KEY]).parts, *([f"text {name}"] if name else [])]


def _shared(arms: Sequence[Arm], data_names: Mapping[str, str]) -> list[str]:
    sizes, ranges = {arm.hidden_size for arm in arms}, {train_range(arm) for arm in arms}
    facts = [f"hidden size {size}" for size in sizes if len(sizes) == 1]
    facts += [f"trained on lengths {lengths}" for lengths in ranges if lengths and len(ranges) == 1]
    return [*facts, *told_changes(shared_changes(arm.variant for arm in arms), data_names)]


def exponent_text(found: Estimate) -> str:
    """Return `0.21 [0.18, 0.24]`, or the number alone where it has no interval."""
    interval = "" if math.isnan(found.low) else f" [{_rounded(found.low)}, {_rounded(found.high)}]"
    return f"{_rounded(found.value)}{interval}"


def _rounded(number: float) -> str:
    return f"{round(number, 2) + 0.0:.2f}"  # never "-0.00"

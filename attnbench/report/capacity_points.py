"""What the capacity figure draws of capacity.csv: each arm's plateau, or the most bits that it recovered."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from attnbench.arm import Arm
from attnbench.plots.style import order_arms
from attnbench.report.memory_points import arm_rows


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


def capacity_note(capacity: Capacity) -> str:
    """Return one line for the legend of a figure."""
    if capacity.is_plateau:
        return f"levels off at {level_words(capacity)}"
    if capacity.status == "all_recovered":
        return "holds at least 95 % at the longest"
    if capacity.status == "too_few":
        return "too few lengths or seeds to level off"
    return "does not level off"


def level_words(capacity: Capacity) -> str:
    """Return the level of a plateau with its interval, if any, and per number of the context."""
    interval = "" if pd.isna(capacity.low) else f" [{bits_text(capacity.low)}, {bits_text(capacity.high)}]"
    per = capacity.bits / capacity.context_size if capacity.context_size > 0 else math.nan
    return f"{bits_text(capacity.bits)} bits{interval}" + (
        "" if math.isnan(per) else f", {per:.2f} per number"
    )


def bits_text(number: float) -> str:
    """Return bits with one digit behind the point."""
    return f"{round(number, 1) + 0.0:.1f}"  # never "-0.0"


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

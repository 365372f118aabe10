"""What the memory figure draws of memory.csv: the arms that have an L50 and a context."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from attnbench.analysis.arms import arms_of
from attnbench.arm import Arm
from attnbench.plots.style import order_arms


@dataclass(frozen=True, eq=False)
class MemoryPoint:
    """One arm that log axes can show; `low` and `high` are NaN where there is no interval."""

    arm: Arm
    context_size: float
    length: float
    low: float
    high: float
    censored: str
    is_ended_by_budget: bool

    @property
    def has_interval(self) -> bool:
        """Whether the seeds' own L50 give an interval."""
        return not math.isnan(self.low)


def memory_points(memory: pd.DataFrame) -> list[MemoryPoint]:
    """Return the points of the arms that learnt and have a context, in the order of legends."""
    drawn = memory[(memory["context_size"] > 0) & memory["length"].notna()]
    points = {
        arm: MemoryPoint(
            arm, row.context_size, row.length, row.low, row.high, row.censored, row.budget_runs > 0
        )
        for arm, row in arm_rows(drawn)
    }
    return [points[arm] for arm in order_arms(points)]


def arm_rows(memory: pd.DataFrame) -> Iterator[tuple[Arm, Any]]:
    """Return each arm of the table with its row, whose columns are attributes."""
    return zip(arms_of(memory), memory.itertuples(index=False), strict=True)


def without_size(arm: Arm) -> Arm:
    """Return what arms that differ in hidden size alone have in common."""
    return arm._replace(hidden_size=0)

"""What the price figure draws of price.csv: the arms whose runs each learnt one length."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from attnbench.analysis.arms import arms_of
from attnbench.arm import Arm
from attnbench.plots.style import order_arms
from attnbench.report.memory_points import arm_rows


@dataclass(frozen=True)
class PricePoint:
    """One arm at one length; `steps` is NaN where fewer than half of its seeds arrived."""

    arm: Arm
    length: int
    steps: float
    trained_steps: int
    seeds: int
    seeds_censored: int
    is_ended_by_budget: bool
    seed_steps: tuple[int, ...]

    @property
    def is_censored(self) -> bool:
        """Whether training ended before half of the seeds had arrived."""
        return math.isnan(self.steps)


def price_points(price: pd.DataFrame, seeds: pd.DataFrame) -> list[PricePoint]:
    """Return the points of price.csv that have a length, in the order of legends, then of lengths.

    Args:
        price: rows of `price_table`.
        seeds: rows of `seed_prices`.
    """
    own: dict[tuple[Arm, int], list[int]] = {}
    for arm, length, steps in zip(arms_of(seeds), seeds["length"], seeds["steps"], strict=True):
        if pd.notna(length):
            own.setdefault((arm, int(length)), []).append(int(steps))
    drawn = price.dropna(subset=["length"])
    points = [
        PricePoint(
            arm,
            int(row.length),
            math.nan if pd.isna(row.steps) else float(row.steps),
            int(row.trained_steps),
            int(row.seeds),
            int(row.seeds_censored),
            row.ended_budget > 0,
            tuple(own.get((arm, int(row.length)), ())),
        )
        for arm, row in arm_rows(drawn)
    ]
    return [point for arm in order_arms(arms_of(drawn)) for point in _of_arm(points, arm)]


def _of_arm(points: Sequence[PricePoint], arm: Arm) -> list[PricePoint]:
    return sorted((point for point in points if point.arm == arm), key=lambda point: point.length)

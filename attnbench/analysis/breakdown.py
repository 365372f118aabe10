"""The length at which an arm breaks down: L50 and L90 with intervals over seeds, as in breakdown.csv."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attnbench.analysis.arms import arm_table, narrowest_buckets, number_arms
from attnbench.analysis.crossing import Censored, Crossing, LengthCurve, find_crossing
from attnbench.analysis.curves import TOKEN_SCORES, seed_scores
from attnbench.analysis.statistics import mean_interval
from attnbench.runs.columns import ARM_COLUMNS

# How far from chance to perfect each threshold lies.
THRESHOLDS = {"L50": 0.5, "L90": 0.9}
BREAKDOWN_COLUMNS = (
    *ARM_COLUMNS,
    "score",
    "threshold",
    "accuracy_threshold",
    "length",
    "low",
    "high",
    "censored",
    "seeds",
    "seeds_above",
    "seeds_below",
    "seeds_not_learnt",
)


@dataclass(frozen=True)
class Breakdown:
    """Where the mean curve falls through a threshold, and what the seeds' own curves say about it.

    `low` and `high` are NaN where there is no interval. Its target is the mean of the seeds' own log2
    breakdown lengths; the point comes from the mean curve and may lie outside.
    """

    length: float
    low: float
    high: float
    threshold: str
    accuracy_threshold: float
    censored: Censored
    seeds: int
    seeds_above: int
    seeds_below: int
    seeds_not_learnt: int

    @property
    def is_outside_interval(self) -> bool:
        """Whether there is an interval and the point is not in it."""
        return self.length < self.low or self.length > self.high


def find_breakdown(
    lengths: Sequence[int],
    seeds: Sequence[int],
    accuracies: Sequence[float],
    chances: Sequence[float],
    threshold: str = "L50",
) -> Breakdown:
    """Return the breakdown length of one arm from its rows, given as four sequences of equal length.

    Each length's mean takes the seeds that have it, and each seed the lengths that it has; rows without an
    accuracy or a chance accuracy are left out. At least one row must remain.

    Args:
        lengths: tested lengths, in any order.
        seeds: which seed each row belongs to.
        accuracies: fractions, NaN where missing.
        chances: chance accuracies, NaN where missing.
        threshold: "L50" or "L90".
    """
    rows = pd.DataFrame({"length": lengths, "seed": seeds, "value": accuracies, "chance": chances})
    rows = rows.dropna().groupby(["length", "seed"], as_index=False).mean()
    return _breakdown(rows.to_numpy(dtype=float), threshold)


def breakdown_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each arm, score of single tokens and threshold, without arms that lack the score.

    `length`, `low` and `high` are missing where they are not defined. `seeds_above`, `seeds_below` and
    `seeds_not_learnt` count the seeds whose own curve is censored.
    """
    metrics = narrowest_buckets(metrics)
    arms, arm_numbers = number_arms(metrics)
    found = [
        (number, score, _breakdown(rows, threshold))
        for score in TOKEN_SCORES
        for number, rows in _rows_by_arm(seed_scores(metrics, arm_numbers, score))
        for threshold in THRESHOLDS
    ]
    found.sort(key=lambda entry: entry[0])
    identity = arm_table(arms[number] for number, _, _ in found)
    values = pd.DataFrame(
        [{"score": score, **vars(breakdown)} for _, score, breakdown in found],
        columns=[name for name in BREAKDOWN_COLUMNS if name not in ARM_COLUMNS],
    )
    return pd.concat([identity, values], axis="columns")


def _rows_by_arm(rows: pd.DataFrame) -> Iterator[tuple[int, np.ndarray]]:
    rows = rows.dropna(subset=["chance"]).sort_values(["arm", "length", "seed"], kind="stable")
    values = rows[["length", "seed", "value", "chance"]].to_numpy(dtype=float)
    arms, starts = np.unique(rows["arm"].to_numpy(), return_index=True)
    return zip(arms.tolist(), np.split(values, starts[1:]), strict=False)


def _breakdown(rows: np.ndarray, threshold: str) -> Breakdown:
    """Rows are sorted by length, with one row for each length and seed: length, seed, accuracy, chance."""
    level = THRESHOLDS[threshold]
    point = find_crossing(_mean_curve(rows), level)
    own = [find_crossing(_curve(rows[rows[:, 1] == seed]), level) for seed in np.unique(rows[:, 1])]
    low, high = _interval(point, own)
    censored = Counter(crossing.censored for crossing in own)
    return Breakdown(
        length=point.length,
        low=low,
        high=high,
        threshold=threshold,
        accuracy_threshold=point.accuracy,
        censored=point.censored,
        seeds=len(own),
        seeds_above=censored["above"],
        seeds_below=censored["below"],
        seeds_not_learnt=censored["not_learnt"],
    )


def _interval(point: Crossing, own: Sequence[Crossing]) -> tuple[float, float]:
    if point.censored or any(crossing.censored for crossing in own):
        return math.nan, math.nan
    interval = mean_interval([math.log2(crossing.length) for crossing in own])
    return 2**interval.low, 2**interval.high


def _mean_curve(rows: np.ndarray) -> LengthCurve:
    lengths, starts, counts = np.unique(rows[:, 0], return_index=True, return_counts=True)
    sums = np.add.reduceat(rows[:, 2:], starts)
    return _curve(np.column_stack([lengths, np.zeros_like(lengths), sums / counts[:, None]]))


def _curve(rows: np.ndarray) -> LengthCurve:
    return LengthCurve(rows[:, 0].tolist(), rows[:, 2].tolist(), rows[:, 3].tolist())

"""Intervals of simulated sweeps by the functions that reports use, counted against what they should hold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from coverage_seeds import CHANCE

from attnbench.analysis.breakdown import LengthCurve, _breakdown, find_crossing
from attnbench.analysis.statistics import grouped_intervals


@dataclass(frozen=True)
class Intervals:
    """One interval for each sweep, (sweeps,); NaN where a sweep has none."""

    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Coverage:
    """How many sweeps have an interval, and on which side of the target the intervals lie that miss it."""

    sweeps: int
    without: int
    too_low: int
    too_high: int

    @property
    def intervals(self) -> int:
        """The number of sweeps with an interval."""
        return self.sweeps - self.without

    @property
    def share(self) -> float:
        """The share of the intervals that hold the target; NaN where there is none."""
        return 1 - (self.too_low + self.too_high) / self.intervals if self.intervals else math.nan

    @property
    def standard_error(self) -> float:
        """The Monte Carlo standard error of the share; NaN where there is no interval.

        Taken at the share with two more hits and two more misses, so that 100 % of ten is not without error
        (Agresti & Coull 1998).
        """
        if not self.intervals:
            return math.nan
        count = self.intervals + 4
        share = (self.intervals * self.share + 2) / count
        return math.sqrt(share * (1 - share) / count)


def count_coverage(intervals: Intervals, target: float) -> Coverage:
    """Count the intervals that hold a target; the ends belong to an interval."""
    return Coverage(
        sweeps=len(intervals.low),
        without=int(np.isnan(intervals.low).sum()),
        too_low=int((intervals.high < target).sum()),
        too_high=int((intervals.low > target).sum()),
    )


def mean_intervals(values: np.ndarray, bounds: tuple[float, float]) -> Intervals:
    """Return the interval of the mean over seeds of each sweep, as in curve.csv and comparison.csv.

    Args:
        values: (sweeps, seeds).
        bounds: where the intervals are cut off.
    """
    sweeps, seeds = values.shape
    found = grouped_intervals(pd.Series(values.ravel()).groupby(np.repeat(np.arange(sweeps), seeds)))
    return Intervals(found["low"].clip(*bounds).to_numpy(), found["high"].clip(*bounds).to_numpy())


def breakdown_intervals(scores: np.ndarray, lengths: Sequence[int]) -> Intervals:
    """Return the interval of log2 L50 of each sweep, as in breakdown.csv.

    Args:
        scores: (sweeps, seeds, lengths).
        lengths: tested lengths, increasing.
    """
    ends = np.array([_breakdown_ends(sweep, lengths) for sweep in scores])
    return Intervals(*np.log2(ends).T)


def _breakdown_ends(sweep: np.ndarray, lengths: Sequence[int]) -> tuple[float, float]:
    seeds = len(sweep)
    accuracies = sweep.T.ravel()
    rows = np.column_stack(
        [
            np.repeat(lengths, seeds),
            np.tile(np.arange(seeds), len(lengths)),
            accuracies,
            np.full(len(accuracies), CHANCE),
        ]
    )
    # What find_breakdown does once its rows are in order, which takes it most of its time.
    found = _breakdown(rows, "L50")
    return found.low, found.high


def own_breakdowns(accuracies: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
    """Return log2 L50 of each curve that has one; accuracies are (curves, lengths)."""
    chances = [CHANCE] * len(lengths)
    found = [find_crossing(LengthCurve(lengths, curve, chances), 0.5) for curve in accuracies.tolist()]
    return np.log2([crossing.length for crossing in found if not crossing.censored])

"""Confidence intervals of means over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

CONFIDENCE = 0.95


@dataclass(frozen=True)
class MeanInterval:
    """A mean with its interval; low and high are NaN where there is none."""

    mean: float
    low: float
    high: float
    count: int


def mean_interval(values: Sequence[float], bounds: tuple[float, float] | None = None) -> MeanInterval:
    """Return mean and Student t interval of at least one value, the interval cut off at the bounds.

    One value has no interval, and neither have values that are all equal: seeds that agree to the last
    digit, such as three of 1.0, tell nothing about how far a fourth would lie off.
    """
    spread = float(np.std(values, ddof=1)) if min(values) < max(values) else 0.0
    # The mean of equal values is that value; adding and dividing would round it.
    mean = float(np.mean(values)) if spread else float(values[0])
    margin = float(student_margins(spread, len(values)))
    low, high = mean - margin, mean + margin
    if bounds is not None:
        low, high = (float(np.clip(end, *bounds)) for end in (low, high))
    return MeanInterval(mean, low, high, len(values))


def student_margins(spreads: ArrayLike, counts: ArrayLike) -> np.ndarray:
    """Return half the widths of Student t intervals of means, NaN where there is none.

    Args:
        spreads: sample standard deviations (n - 1 in the denominator); 0 or NaN where there is no spread.
        counts: numbers of values behind them.
    """
    spread, count = np.asarray(spreads, dtype=float), np.asarray(counts, dtype=float)
    has_interval = (count > 1) & (spread > 0)
    freedom = np.where(has_interval, count - 1, 1)
    # What scipy.stats.t.ppf computes; that module alone takes half a second to import.
    quantile = special.stdtrit(freedom, (1 + CONFIDENCE) / 2)
    return np.where(has_interval, quantile * spread / np.sqrt(np.maximum(count, 1)), np.nan)

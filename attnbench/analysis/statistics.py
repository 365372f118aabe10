"""What is said of a sample of seeds: intervals of means, an exact test of paired gaps, and when to doubt them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

CONFIDENCE = 0.95
# Of a test; we only say where so few pairs cannot reach it.
USUAL_LEVEL = 0.05
# Two to the half of it sums are held at once.
MOST_PAIRS = 40
# Fewer seeds do not show whether they spread normally, or whether one in ten fails.
FEW_SEEDS = 5
# Accuracies this near to perfect have a skewed spread over seeds.
_NEAR_PERFECT = 0.02
# Sums that differ by rounding alone are a tie, and ties count as at least as large.
_ROUNDING = 1e-12


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


def grouped_intervals(groups: Any) -> pd.DataFrame:
    """Return columns mean, low, high and count, one row for each group of a grouped column.

    `low` and `high` are the Student t interval of the mean, missing for one value and where all are equal.

    Args:
        groups: what `frame.groupby(names)["column"]` gives.
    """
    found = groups.agg(["mean", "std", "count", "min", "max"])
    all_equal = found["min"] == found["max"]
    # The mean of equal values is that value; adding and dividing would round it and make up a spread.
    mean = found["mean"].where(~all_equal, found["min"])
    margin = student_margins(found["std"].where(~all_equal, 0.0), found["count"])
    return pd.DataFrame({"mean": mean, "low": mean - margin, "high": mean + margin, "count": found["count"]})


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


def may_cover_less(seeds: int, mean_accuracy: float = math.nan, has_spread: bool = True) -> bool:
    """Whether simulation found, or so few seeds cannot exclude, a coverage below 95 %.

    So it is below five seeds, and for a mean accuracy within 0.02 of perfect whose seeds differ. The simulated
    numbers are those of `scripts/coverage`.
    """
    return seeds < FEW_SEEDS or (has_spread and mean_accuracy >= 1 - _NEAR_PERFECT)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Return the share of all 2ⁿ ways to flip signs whose sum is at least the one observed.

    Under the hypothesis that the two members of a pair could be exchanged, each difference is as likely with
    either sign. A small value speaks for differences above 0; it is never below 1/2ⁿ, and NaN beyond
    `MOST_PAIRS` pairs, where the ways are not counted any more.

    Source: Fisher 1935, The Design of Experiments, section 21.
    """
    if not 0 < len(differences) <= MOST_PAIRS:
        return math.nan
    half = len(differences) // 2
    some, others = _signed_sums(differences[:half]), np.sort(_signed_sums(differences[half:]))
    least = sum(differences) - _ROUNDING * sum(map(abs, differences))
    # Every way is a way of the first half with one of the second: count the second that make up the rest.
    reached = len(others) - np.searchsorted(others, least - some, side="left")
    return float(reached.sum()) / 2 ** len(differences)


def sign_flip_floor(pairs: int) -> float:
    """Return the smallest value that the test of so many pairs can give."""
    return 0.5**pairs


def _signed_sums(values: Sequence[float]) -> np.ndarray:
    """Return the 2ⁿ sums of the values with every combination of signs."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums

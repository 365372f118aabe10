"""The exact one-sided sign-flip test of paired differences."""

import math
from collections.abc import Sequence

import numpy as np

# Of a test; we only say where so few pairs cannot reach it.
USUAL_LEVEL = 0.05
# Two to the half of it sums are held at once.
MOST_PAIRS = 40
# Sums that differ by rounding alone are a tie, and ties count as at least as large.
_ROUNDING = 1e-12


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

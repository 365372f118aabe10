"""Whether bits against length level off, and at how many: the learned capacity at one size and budget."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from attnbench.analysis.statistics import mean_interval

PlateauStatus = Literal["found", "none", "all_recovered", "too_few"]

# Share of the ceiling from which on an arm counts as holding all there is.
ALL = 0.95
# Two seeds have an interval that includes nearly everything.
_LEAST_SEEDS = 3
# A plateau's slope lies surely below this share of the ceiling's.
_STEEP = 0.5


@dataclass(frozen=True)
class Plateau:
    """Where the bits level off: all numbers are NaN unless `status` is "found".

    `status` is "all_recovered" where at least 95 % of the ceiling is reached at the longest tested length, so
    that nothing can have levelled off; "too_few" where fewer than two lengths lie beyond the last such length,
    or fewer than three seeds have them; "none" where the bits rise, fall, or leave it open.
    """

    status: PlateauStatus
    shortest: float = math.nan
    longest: float = math.nan
    level: float = math.nan
    low: float = math.nan
    high: float = math.nan
    seeds: int = 0


def find_plateau(lengths: Sequence[float], bits: np.ndarray, available: Sequence[float]) -> Plateau:
    """Look for a plateau among the lengths beyond the last at which an arm holds 95 % of what there is.

    It is the longest run of at least two lengths, up to the longest tested, over which the bits do not rise any
    more: the slope over log2 length, fitted for each seed, has a Student t interval that includes 0 and ends
    below half the slope of the ceiling over the same lengths. Its level is the mean over the seeds' own means,
    with a t interval, which must not end below the most bits held at a shorter length: that is a collapse of
    training, not a capacity. Nothing is clipped: an arm that knows nothing levels off at 0, or a little below.

    Args:
        lengths: tested lengths, increasing.
        bits: recovered, (seeds, lengths), NaN where a seed lacks a length; each length has some.
        available: the ceiling at each length.
    """
    means = np.nanmean(bits, axis=0)
    is_all = np.flatnonzero(means >= ALL * np.asarray(available))
    first = int(is_all[-1]) + 1 if len(is_all) else 0
    if first == len(lengths):
        return Plateau("all_recovered")
    if len(lengths) - first < 2:
        return Plateau("too_few")
    tried = [_look_at(lengths, bits, available, start) for start in range(first, len(lengths) - 1)]
    if all(plateau.status == "too_few" for plateau in tried):
        return Plateau("too_few")
    return next((plateau for plateau in tried if plateau.status == "found"), Plateau("none"))


def _look_at(lengths: Sequence[float], bits: np.ndarray, available: Sequence[float], start: int) -> Plateau:
    """Say whether the bits level off from the length at a place on."""
    whole = bits[~np.isnan(bits[:, start:]).any(axis=1), start:]
    if len(whole) < _LEAST_SEEDS:
        return Plateau("too_few")
    places = np.log2(lengths[start:])
    ceiling = _slopes(places, np.asarray(available[start:])[None])[0]
    slope = mean_interval(_slopes(places, whole).tolist())
    level = mean_interval(whole.mean(axis=1).tolist())
    held_before = np.nanmean(bits[:, :start], axis=0).max() if start else -math.inf
    if not (slope.low <= 0 <= slope.high < _STEEP * ceiling) or level.high < held_before:
        return Plateau("none")
    return Plateau("found", lengths[start], lengths[-1], level.mean, level.low, level.high, level.count)


def _slopes(places: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Return the least-squares slope of each row of values over the places."""
    centred = places - places.mean()
    return curves @ centred / (centred @ centred)

"""Where a curve of accuracy against length falls through a threshold between chance and perfect."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Censored = Literal["", "above", "below", "not_learnt"]

# How far from chance to perfect an arm must come at some length: what was not learnt cannot break down.
LEARNT = 0.05
# An accuracy on the threshold has not fallen below it, whatever the last bit of a mean over seeds says.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class LengthCurve:
    """Accuracies at increasing lengths, with the chance accuracy at each."""

    lengths: Sequence[float]
    accuracies: Sequence[float]
    chances: Sequence[float]

    def gaps(self, level: float) -> list[float]:
        """Return accuracy minus chance + level × (1 − chance), at each length."""
        gaps = [a - on_scale(c, level) for a, c in zip(self.accuracies, self.chances, strict=True)]
        return [0.0 if abs(gap) < _ROUNDING else gap for gap in gaps]


@dataclass(frozen=True)
class Crossing:
    """Where a curve falls through a threshold, or why that cannot be said.

    `length` is the longest tested where `censored` is "above", the shortest where it is "below", and NaN
    where it is "not_learnt". `accuracy` is the threshold at that length (at the shortest for "not_learnt").
    """

    length: float
    accuracy: float
    censored: Censored = ""


def on_scale(chance: float, level: float) -> float:
    """Return the accuracy that lies at level (0 to 1) between chance and perfect."""
    return chance + level * (1 - chance)


def find_crossing(curve: LengthCurve, level: float) -> Crossing:
    """Return the first place where a curve of at least one length falls below the level between chance and 1.

    Between tested lengths the distance of the accuracy from the threshold is linear in log2 of the length.
    A curve that rises again later has broken down all the same: the first fall counts.
    """
    first, last = curve.lengths[0], curve.lengths[-1]
    thresholds = [on_scale(chance, level) for chance in curve.chances]
    gaps = curve.gaps(level)
    if all(gap < 0 for gap in curve.gaps(LEARNT)):
        return Crossing(math.nan, thresholds[0], "not_learnt")
    if gaps[0] < 0:
        return Crossing(first, thresholds[0], "below")
    for i in range(len(gaps) - 1):
        if gaps[i + 1] < 0:
            way = gaps[i] / (gaps[i] - gaps[i + 1])
            length = 2 ** _between(math.log2(curve.lengths[i]), math.log2(curve.lengths[i + 1]), way)
            return Crossing(length, _between(thresholds[i], thresholds[i + 1], way))
    return Crossing(last, thresholds[-1], "above")


def _between(start: float, end: float, way: float) -> float:
    return start + way * (end - start)

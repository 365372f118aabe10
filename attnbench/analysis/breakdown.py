"""Where an arm breaks down: L50 and L90 over seeds (breakdown.csv)."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from attnbench.analysis.arms import Metrics, arms_of
from attnbench.analysis.bootstrap import NO_DRAWS, SEEDS, TextDraws, interval_of
from attnbench.analysis.curves import TOKEN_SCORES
from attnbench.analysis.rates import LEARNT, TuningRows, runs_at_chance
from attnbench.analysis.retention import RETAINED_SCORES, RetainedArm, real_text, retained, unlearnt
from attnbench.analysis.statistics import mean_interval
from attnbench.arm import Arm
from attnbench.runs.metrics_csv import ARM_COLUMNS

Censored = Literal["", "above", "below", "not_learnt"]

# An accuracy on the threshold has not fallen below it, whatever the last bit of a mean over seeds says.
_ROUNDING = 1e-12
# How far from chance to perfect each threshold lies.
THRESHOLDS = {"L50": 0.5, "L90": 0.9}
# Of real text: under this share of the score in the arm's own best bucket.
HALF = "half"
_LEVELS = THRESHOLDS | {HALF: 0.5}
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
    "interval_over",
)


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


@dataclass(frozen=True)
class Breakdown:
    """Where the mean curve falls through a threshold, and what the seeds' own curves say about it.

    `low` and `high` are NaN where there is no interval. Its target is the mean of the seeds' own log2
    breakdown lengths; the point comes from the mean curve and may lie outside. Over sentences and seeds the target is
    the length of the mean curve, and a high end that lies beyond the longest tested is NaN.
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
    interval_over: str = ""

    @property
    def is_outside_interval(self) -> bool:
        """Whether there is an interval and the point is not in it."""
        return self.length < self.low or self.length > self.high


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


def first_falls(lengths: Sequence[int], curves: np.ndarray, level: float) -> np.ndarray:
    """Return the length of `find_crossing` for many curves at once, infinite where one never falls; (curves,).

    Args:
        lengths: increasing.
        curves: on a scale from 0 to 1 without chance, at or above the level at the first length; (curves, lengths).
        level: to fall below.
    """
    if len(lengths) == 1:
        return np.full(len(curves), math.inf)
    gaps = curves - level
    is_below = gaps < -_ROUNDING
    after = np.maximum(is_below.argmax(axis=1), 1)
    each = np.arange(len(curves))
    start, end = gaps[each, after - 1], gaps[each, after]
    falls = is_below.any(axis=1)
    way = start / np.where(falls, start - end, 1.0)
    places = np.log2(np.asarray(lengths, dtype=float))
    return np.where(falls, 2 ** _between(places[after - 1], places[after], way), math.inf)


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
    return _breakdown(rows.assign(is_stuck=0).to_numpy(dtype=float), threshold)


def breakdown_table(metrics: Metrics, tuning: TuningRows = (), draws: TextDraws = NO_DRAWS) -> pd.DataFrame:
    """Return one row for each arm, score of single tokens and threshold, without arms that lack the score.

    Arms of real text have no such rows. They have one for BLEU and one for chrF with the threshold "half", and one for
    the bits gained over `blind` where there is that arm: the first length beyond their best bucket at which less than
    half of its score is left; `accuracy_threshold` is then that share, and "not_learnt" an arm whose best bucket has
    next to nothing (`LEAST_SCORE`). `length`, `low` and `high` are missing where they are not defined. `seeds_above`,
    `seeds_below` and `seeds_not_learnt` count the seeds whose own curve is censored. `interval_over` says what the
    interval speaks of: "seeds", or for "half" where sentences are at hand "sentences and seeds", of one seed
    "sentences". Where such an interval has no `high`, it ends beyond the longest tested.

    Runs that are "not learnt at this rate" (`runs_at_chance`) are left out of the mean, and where none is left at a
    length that decides, the arm or the seed is "not_learnt".

    Args:
        metrics: rows of a sweep.
        tuning: rows of tuning.csv, which tell what other rates came to.
        draws: of the sentences of real text, where they are at hand.
    """
    text, stuck = real_text(metrics), runs_at_chance(metrics, tuning)
    found = [
        {"arm": number, "score": score, **vars(_breakdown(rows, threshold))}
        for score in TOKEN_SCORES
        for number, rows in _rows_by_arm(metrics.seed_scores(score), stuck)
        for threshold in THRESHOLDS
        if number not in text
    ]
    found += [
        {"arm": number, "score": score, **vars(half)}
        for score in RETAINED_SCORES
        for number, half in _half_lengths(metrics, score, draws)
    ]
    found.sort(key=lambda row: row["arm"])
    columns = ["arm", *(name for name in BREAKDOWN_COLUMNS if name not in ARM_COLUMNS)]
    return metrics.named(pd.DataFrame(found, columns=columns), BREAKDOWN_COLUMNS)


def threshold_of(score: str) -> str:
    """Return the threshold that a score's breakdown is told by: "half" for those of real text, else "L50"."""
    return HALF if score in RETAINED_SCORES else "L50"


def l50_rows(breakdowns: pd.DataFrame, score: str = "token_accuracy") -> pd.DataFrame:
    """Return the rows of breakdown.csv that are L50 of a score, of real text those of half: one for each arm."""
    is_l50 = (breakdowns["score"] == score) & (breakdowns["threshold"] == threshold_of(score))
    return breakdowns[is_l50].reset_index(drop=True)


def l50_by_arm(breakdowns: pd.DataFrame, score: str = "token_accuracy") -> dict[Arm, Breakdown]:
    """Return L50 of a score, by default the free-running accuracy, for each arm of breakdown.csv that has it."""
    rows = l50_rows(breakdowns, score)
    return dict(zip(arms_of(rows), _breakdowns_in(rows), strict=True))


def l50(of_arm: pd.DataFrame, score: str) -> Breakdown | None:
    """Return L50 of a score from an arm's own rows of breakdown.csv; None where it has none."""
    return breakdown_at(of_arm, score, threshold_of(score))


def breakdown_at(of_arm: pd.DataFrame, score: str, threshold: str) -> Breakdown | None:
    """Return where a score falls through a threshold, such as "L90", from an arm's own rows; None where it has none."""
    is_asked = (of_arm["score"] == score) & (of_arm["threshold"] == threshold)
    return next(_breakdowns_in(of_arm[is_asked]), None)


def _breakdowns_in(rows: pd.DataFrame) -> Iterator[Breakdown]:
    return itertools.starmap(Breakdown, zip(*(rows[field.name] for field in fields(Breakdown)), strict=True))


def seed_crossings(metrics: Metrics, tuning: TuningRows = ()) -> dict[Arm, dict[int, Crossing]]:
    """Return where each seed's own free-running curve falls through L50, for each arm that has one."""
    stuck = runs_at_chance(metrics, tuning)
    return {
        metrics.arms[number]: {
            int(seed): _crossing(rows[rows[:, 1] == seed], THRESHOLDS["L50"])
            for seed in np.unique(rows[:, 1])
        }
        for number, rows in _rows_by_arm(metrics.seed_scores("token_accuracy"), stuck)
    }


def lengths_around(tested: Sequence[int] | np.ndarray, length: float) -> list[int]:
    """Return the tested lengths on both sides of a breakdown, or that one; all of them where there is none."""
    lengths = np.unique(np.asarray(tested, dtype=int))
    if math.isnan(length):
        return lengths.tolist()
    same = np.isclose(lengths, length)
    after = int(np.searchsorted(lengths, length))
    return lengths[same].tolist() if same.any() else lengths[after - 1 : after + 1].tolist()


def _half_lengths(metrics: Metrics, score: str, draws: TextDraws) -> Iterator[tuple[int, Breakdown]]:
    """Yield for each arm of real text where less than half of its best bucket's score is left."""
    for arm in retained(metrics, score, draws):
        # What lies ahead of the best bucket is another matter: the shortest sentences are often names and titles.
        ((_, rows),) = _rows_by_arm(arm.rows[arm.rows["length"] >= arm.best])
        yield arm.arm, _with_drawn_interval(_breakdown(rows, HALF), arm)
    seeds = metrics.frame["seed"].groupby(metrics.numbers).nunique()
    for number in unlearnt(metrics, score):
        count = int(seeds[number])
        yield (
            number,
            Breakdown(math.nan, math.nan, math.nan, HALF, _LEVELS[HALF], "not_learnt", count, 0, 0, count),
        )


def _with_drawn_interval(half: Breakdown, arm: RetainedArm) -> Breakdown:
    """Return the breakdown with the interval over sentences, too, where they are at hand."""
    if arm.draws is None:
        return half
    place = arm.lengths.index(arm.best)
    curves = arm.draws[:, place:]
    is_known = ~np.isnan(curves).any(axis=1)
    falls = np.full(len(curves), math.nan)
    falls[is_known] = first_falls(arm.lengths[place:], curves[is_known], _LEVELS[HALF])
    low, high = (float(end[0]) for end in interval_of(falls[:, None]))
    low, high = (math.nan if math.isinf(end) else end for end in (low, high))
    return replace(half, low=low, high=high, interval_over="" if math.isnan(low) else arm.interval_over)


def _rows_by_arm(rows: pd.DataFrame, stuck: pd.DataFrame | None = None) -> Iterator[tuple[int, np.ndarray]]:
    rows = rows.dropna(subset=["chance"]).sort_values(["arm", "length", "seed"], kind="stable")
    places = pd.MultiIndex.from_frame(rows[["arm", "length", "seed"]])
    is_stuck = False if stuck is None else places.isin(pd.MultiIndex.from_frame(stuck))
    columns = ["length", "seed", "value", "chance", "is_stuck"]
    values = rows.assign(is_stuck=is_stuck)[columns].to_numpy(dtype=float)
    arms, starts = np.unique(rows["arm"].to_numpy(), return_index=True)
    return zip(arms.tolist(), np.split(values, starts[1:]), strict=False)


def _breakdown(rows: np.ndarray, threshold: str) -> Breakdown:
    """Find the breakdown of an arm.

    Args:
        rows: sorted by length, one for each length and seed: length, seed, accuracy, chance, whether the run is not
            learnt at this rate.
        threshold: one of `_LEVELS`.
    """
    level = _LEVELS[threshold]
    point = _crossing(rows, level)
    own = [_crossing(rows[rows[:, 1] == seed], level) for seed in np.unique(rows[:, 1])]
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
        interval_over="" if math.isnan(low) else SEEDS,
    )


def _crossing(rows: np.ndarray, level: float) -> Crossing:
    """Return where the mean of the runs that learnt at their rate falls; "not_learnt" where the others decide that."""
    kept = rows[rows[:, 4] == 0]
    lost = np.setdiff1d(rows[:, 0], kept[:, 0])
    if not len(kept):
        return Crossing(math.nan, on_scale(float(rows[0, 3]), level), "not_learnt")
    found = find_crossing(_mean_curve(kept), level)
    if not len(lost) or found.censored == "not_learnt":
        return found
    first, last = {"above": (kept[-1, 0], math.inf), "below": (0.0, kept[0, 0])}.get(
        found.censored, (0.0, 0.0)
    )
    if not found.censored:
        around = lengths_around(kept[:, 0], found.length)
        first, last = around[0], around[-1]
    is_hidden = bool(((lost > first) & (lost < last)).any())
    return Crossing(math.nan, found.accuracy, "not_learnt") if is_hidden else found


def _interval(point: Crossing, own: Sequence[Crossing]) -> tuple[float, float]:
    if point.censored or any(crossing.censored for crossing in own):
        return math.nan, math.nan
    interval = mean_interval([math.log2(crossing.length) for crossing in own])
    return 2**interval.low, 2**interval.high


def _mean_curve(rows: np.ndarray) -> LengthCurve:
    lengths, starts, counts = np.unique(rows[:, 0], return_index=True, return_counts=True)
    sums = np.add.reduceat(rows[:, 2:4], starts)
    return _curve(np.column_stack([lengths, np.zeros_like(lengths), sums / counts[:, None]]))


def _curve(rows: np.ndarray) -> LengthCurve:
    return LengthCurve(rows[:, 0].tolist(), rows[:, 2].tolist(), rows[:, 3].tolist())


def _between(start: Any, end: Any, way: Any) -> Any:
    return start + way * (end - start)

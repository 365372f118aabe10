"""Sweeps simulated for `scripts/coverage`: seeds drawn from known curves, and intervals counted against the truth.

The intervals are those of the functions that reports use. A case says which arms, at which lengths, with how many
seeds, against which target.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from attnbench.analysis.breakdown import LengthCurve, _breakdown, find_crossing
from attnbench.analysis.comparison import average_over_log_length
from attnbench.analysis.larger_budget import change_interval, decide
from attnbench.analysis.statistics import grouped_intervals
from attnbench.randomness import derive_seed

# As for 256 symbols: low enough that a curve can fall near 0.
CHANCE = 1 / 256
TEST_EXAMPLES = 1000
LENGTHS = (4, 8, 16, 32, 64)
# How fast the logit of the accuracy falls per doubling of the length; the `fixed` arm of the preset falls by 2 to 3.
STEEPNESS = 2.5


@dataclass(frozen=True)
class Spread:
    """How the seeds of one arm differ from each other.

    Half the variance of log2 breakdown length belongs to the seed, half to each of its lengths. A failing seed
    stays at chance at every length, a failing run at one.
    """

    name: str
    octaves: float
    is_skewed: bool = False
    failing_seeds: float = 0.0
    failing_runs: float = 0.0

    @property
    def description(self) -> str:
        """What a seed of this spread does, in one line."""
        shape = "exponential with its tail towards shorter lengths" if self.is_skewed else "normal"
        line = f"b is {shape}, standard deviation {self.octaves:g}"
        for share, whose in ((self.failing_seeds, "seeds"), (self.failing_runs, "single runs")):
            line += f"; {100 * share:g} % of the {whose} stay at chance" if share else ""
        return line

    def draw_octaves(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        """Return half of the spread: mean 0, standard deviation octaves/√2; two such parts make the whole."""
        if not self.is_skewed:
            return generator.normal(0, self.octaves / np.sqrt(2), shape)
        # A gamma variable of shape ½ has mean and variance ½, and the sum of two is exponential.
        return self.octaves * (0.5 - generator.standard_gamma(0.5, shape))


# The seeds of the `fixed` arm of the preset differ by .02 octaves.
NORMAL = Spread("near-normal", 0.05)
SKEWED = Spread("skewed", 0.3, is_skewed=True)
FAILING_SEEDS = Spread("seeds that fail", 0.05, failing_seeds=0.1)
FAILING_RUNS = Spread("single runs that fail", 0.05, failing_runs=0.05)
# Far below its breakdown an arm errs a few times in all its test examples: a rare count, whatever its seeds are.
SOLVED = Spread("hardly an error", 0.05)
SPREADS = (NORMAL, SKEWED, FAILING_SEEDS, FAILING_RUNS)


@dataclass(frozen=True)
class Arm:
    """A known curve: halfway between chance and perfect at `breakdown` tokens, logistic in log2 of the length."""

    breakdown: float
    spread: Spread

    def draw_accuracies(
        self, lengths: tuple[int, ...], sweeps: int, seeds: int, generator: np.random.Generator
    ) -> np.ndarray:
        """Return what each seed would score on endless test data, (sweeps, seeds, lengths)."""
        shape = (sweeps, seeds, len(lengths))
        octaves = self.spread.draw_octaves(shape, generator)
        octaves += self.spread.draw_octaves((sweeps, seeds, 1), generator)
        logits = STEEPNESS * (np.log2(self.breakdown) + octaves - np.log2(lengths))
        fails = generator.random(shape) < self.spread.failing_runs
        fails |= generator.random((sweeps, seeds, 1)) < self.spread.failing_seeds
        return CHANCE + (1 - CHANCE) * np.where(fails, 0.0, special.expit(logits))

    def draw_scores(
        self, lengths: tuple[int, ...], sweeps: int, seeds: int, generator: np.random.Generator
    ) -> np.ndarray:
        """Return what each seed scores on test examples of its own, (sweeps, seeds, lengths)."""
        accuracies = self.draw_accuracies(lengths, sweeps, seeds, generator)
        tokens = TEST_EXAMPLES * np.array(lengths)
        return np.asarray(generator.binomial(tokens, accuracies) / tokens)


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
            np.zeros(len(accuracies)),
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


SEEDS = (3, 5, 10, 20)
# Seeds behind every target that has no formula; its own error is below 1.5 % of an interval's standard error.
POPULATION = 100_000
# Where a seed breaks down that does so beyond the tested lengths: a target is not censored.
FURTHER_BELOW, FURTHER_ABOVE = (1, 2), (128, 256, 512)
# Tokens at which the two arms of means and gaps break down.
FIXED, ATTENTION = 16, 256
BREAKDOWNS = {"between tested lengths": 20, "at a tested length": 16, "at the edge": 62, "outside": 128}
OWN, MEAN_CURVE, SMOOTH = "the seeds' own L50", "the mean curve's L50", "the smooth curve's L50"
BREAKDOWN_CASES = [
    *(("between tested lengths", spread) for spread in SPREADS),
    ("at a tested length", NORMAL),
    *(("at the edge", spread) for spread in (NORMAL, SKEWED)),
    ("outside", NORMAL),
    ("outside", FAILING_SEEDS),
]


@dataclass(frozen=True)
class Row:
    """What one interval did in one case, for each number of seeds."""

    quantity: str
    case: str
    spread: Spread
    coverages: dict[int, Coverage]


def mean_rows(sweeps: int) -> Iterator[Row]:
    """Yield the mean accuracy of each spread near 1, ½ and 0, and where most seeds make no error at all."""
    yield from (row for spread in SPREADS for row in _mean_rows(Arm(FIXED, spread), (4, 16, 64), sweeps))
    yield from _mean_rows(Arm(ATTENTION, SOLVED), (16,), sweeps)


def _mean_rows(arm: Arm, lengths: tuple[int, ...], sweeps: int) -> Iterator[Row]:
    targets = _population(arm, LENGTHS).mean(axis=0)
    scores = {seeds: _scores(arm, sweeps, seeds) for seeds in SEEDS}
    for place in map(LENGTHS.index, lengths):
        target = float(targets[place])
        coverages = {seeds: _count_means(scores[seeds][..., place], target, (0, 1)) for seeds in SEEDS}
        yield Row(
            "mean accuracy", f"{target:.2f}" if target < 0.995 else f"{target:.5f}", arm.spread, coverages
        )


def gap_rows(sweeps: int) -> Iterator[Row]:
    """Yield the gap between two arms: averaged over log length, and at a short and a middle length."""
    for spread in SPREADS:
        attention, fixed = Arm(ATTENTION, spread), Arm(FIXED, spread)
        population = (_population(attention, LENGTHS) - _population(fixed, LENGTHS)).mean(axis=0)
        gaps = {seeds: _scores(attention, sweeps, seeds) - _scores(fixed, sweeps, seeds) for seeds in SEEDS}
        for name, weights in _gap_weights().items():
            target = float(population @ weights)
            coverages = {seeds: _count_means(gaps[seeds] @ weights, target, (-1, 1)) for seeds in SEEDS}
            yield Row("gap", name, spread, coverages)


def _gap_weights() -> dict[str, np.ndarray]:
    """Return how much the gap at each length counts in each gap that is reported; all are linear."""
    single = np.eye(len(LENGTHS))
    return {
        "over log length": np.array([average_over_log_length(np.array(LENGTHS), each) for each in single]),
        "at 4 tokens": single[LENGTHS.index(4)],
        "at 16 tokens": single[LENGTHS.index(16)],
    }


def breakdown_rows(sweeps: int) -> Iterator[Row]:
    """Yield L50 of each case against its targets; that of the smooth curve for near-normal spread alone."""
    for place, spread in BREAKDOWN_CASES:
        arm = Arm(BREAKDOWNS[place], spread)
        targets = breakdown_targets(arm)
        intervals = {n: breakdown_intervals(_scores(arm, sweeps, n), LENGTHS) for n in SEEDS}
        if spread is not NORMAL:
            del targets[SMOOTH]
        for quantity, target in targets.items():
            coverages = {seeds: count_coverage(intervals[seeds], target) for seeds in SEEDS}
            yield Row(quantity, place, spread, coverages)


# What a longer budget does to L50 in truth, and with how many seeds it is asked.
TRUE_CHANGES = (1.0, 1.1, 1.25, 1.5)
PAIRS = (3, 5, 10)
# As of channels that all seeds learn, and as of vectors whose training goes its own way with each seed.
WIDE = Spread("wide", 0.3)
STAY_SPREADS = (NORMAL, WIDE)


@dataclass(frozen=True)
class StayRow:
    """In which share of sweeps the rule says that a breakdown stays, for each number of pairs of seeds."""

    spread: Spread
    change: float
    shares: dict[int, float]


def stay_rows(sweeps: int) -> Iterator[StayRow]:
    """Yield for each spread and true change of L50 how often it is said to stay.

    Both budgets draw the seeds independently; all that the rule asks of the runs themselves is granted.
    """
    for spread in STAY_SPREADS:
        before = {pairs: _own_log_lengths(1.0, spread, sweeps, pairs, "before") for pairs in PAIRS}
        for change in TRUE_CHANGES:
            after = {pairs: _own_log_lengths(change, spread, sweeps, pairs, "after") for pairs in PAIRS}
            shares = {pairs: stay_share(after[pairs] - before[pairs]) for pairs in PAIRS}
            yield StayRow(spread, change, shares)


def stay_share(changes: np.ndarray) -> float:
    """Return in which share of the sweeps the paired changes of log2 L50, (sweeps, pairs), stay."""
    return float(np.mean([decide(change_interval(each), True) == "stays" for each in changes.tolist()]))


def _own_log_lengths(change: float, spread: Spread, sweeps: int, seeds: int, budget: str) -> np.ndarray:
    """Return log2 L50 of each seed, NaN where it is censored, (sweeps, seeds)."""
    arm = Arm(BREAKDOWNS["between tested lengths"] * change, spread)
    # The word is a part of the seed: another one would draw other sweeps.
    generator = _generator("memory", budget, spread.name, f"{change:g}", seeds)
    curves = arm.draw_scores(LENGTHS, sweeps, seeds, generator).reshape(-1, len(LENGTHS))
    chances = [CHANCE] * len(LENGTHS)
    found = [find_crossing(LengthCurve(LENGTHS, curve, chances), 0.5) for curve in curves.tolist()]
    lengths = [math.nan if crossing.censored else math.log2(crossing.length) for crossing in found]
    return np.array(lengths).reshape(sweeps, seeds)


def breakdown_targets(arm: Arm, tested: tuple[int, ...] = LENGTHS) -> dict[str, float]:
    """Return log2 of what an interval of L50 may be asked to hold.

    The seeds' own L50 is the mean over those that have one if the tested lengths went on to both sides.
    """
    lengths = (*FURTHER_BELOW, *tested, *FURTHER_ABOVE)
    population = _population(arm, lengths)
    return {
        OWN: float(own_breakdowns(population, lengths).mean()),
        MEAN_CURVE: float(own_breakdowns(population.mean(axis=0, keepdims=True), lengths)[0]),
        SMOOTH: float(np.log2(arm.breakdown)),
    }


def _population(arm: Arm, lengths: tuple[int, ...]) -> np.ndarray:
    generator = _generator("population", arm.spread.name, _plain(arm.breakdown))
    return arm.draw_accuracies(lengths, POPULATION, 1, generator)[:, 0]


def _scores(arm: Arm, sweeps: int, seeds: int) -> np.ndarray:
    generator = _generator("sweeps", arm.spread.name, _plain(arm.breakdown), seeds)
    return arm.draw_scores(LENGTHS, sweeps, seeds, generator)


def _plain(breakdown: float) -> str | int:
    """Return a length as it names its generator; whole ones as numbers, so that their tables stay what they were."""
    return int(breakdown) if float(breakdown).is_integer() else f"{breakdown:g}"


def _generator(*purpose: str | int) -> np.random.Generator:
    return np.random.default_rng(derive_seed("coverage", *purpose))


def _count_means(values: np.ndarray, target: float, bounds: tuple[float, float]) -> Coverage:
    return count_coverage(mean_intervals(values, bounds), target)

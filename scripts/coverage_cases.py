"""The cases of `scripts/coverage`: which arms, at which lengths, with how many seeds, against which target."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from coverage_counts import (
    Coverage,
    breakdown_intervals,
    count_coverage,
    mean_intervals,
    own_breakdowns,
)
from coverage_seeds import FAILING_SEEDS, LENGTHS, NORMAL, SKEWED, SOLVED, SPREADS, Arm, Spread

from attnbench.analysis.comparison import average_over_log_length
from attnbench.randomness import derive_seed

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
    generator = _generator("population", arm.spread.name, arm.breakdown)
    return arm.draw_accuracies(lengths, POPULATION, 1, generator)[:, 0]


def _scores(arm: Arm, sweeps: int, seeds: int) -> np.ndarray:
    generator = _generator("sweeps", arm.spread.name, arm.breakdown, seeds)
    return arm.draw_scores(LENGTHS, sweeps, seeds, generator)


def _generator(*purpose: str | int) -> np.random.Generator:
    return np.random.default_rng(derive_seed("coverage", *purpose))


def _count_means(values: np.ndarray, target: float, bounds: tuple[float, float]) -> Coverage:
    return count_coverage(mean_intervals(values, bounds), target)

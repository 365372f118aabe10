"""Laws of the breakdown planted for `scripts/coverage`: how often their exponents lie in the intervals given."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import special

from attnbench.analysis.breakdown import Crossing, LengthCurve, find_crossing
from attnbench.analysis.breakdown import _breakdown as breakdown_of
from attnbench.analysis.law import Axis, Law, LawCell, law_of
from attnbench.arm import NO_CHANGES, Arm
from attnbench.randomness import derive_seed
from tools.coverage.simulation import CHANCE, STEEPNESS, TEST_EXAMPLES, Coverage, Intervals, count_coverage

STEPS, SIZES = (500, 1000, 2000, 4000, 8000), (16, 32, 64, 128)
DENSE, DOUBLING = (4, 6, 8, 12, 16, 24, 32, 48, 64), (4, 8, 16, 32, 64)
LAW_SEEDS = (3, 5, 10)
SWEEPS_PER_LAW = 30
"""A law takes a tenth of a second, so there are fewer than simulated sweeps."""
LEAST_TRIALS = 10
STEPS_EXPONENT, SIZE_EXPONENT = "exponent of steps", "exponent of hidden size"
ALONE = ", over seeds alone"
HELD_OUT = "cells held out, measured"
HELD_OUT_BOUNDS = "cells held out, bounds"
BEND = "no bend in steps"
QUANTITIES = (
    STEPS_EXPONENT,
    STEPS_EXPONENT + ALONE,
    SIZE_EXPONENT,
    SIZE_EXPONENT + ALONE,
    HELD_OUT,
    HELD_OUT_BOUNDS,
    BEND,
)
_FAMILY = Arm("reverse", "fixed", NO_CHANGES, "per_length", 0, None, None)


@dataclass(frozen=True)
class PlantedLaw:
    """log2 L50 = constant + steps · log2 steps + size · log2 hidden, with seeds and cells of these spreads.

    A cell's deviation of `cells` octaves is shared by its seeds; that of `octaves` is each seed's and run's own.
    """

    name: str
    constant: float = -0.5
    steps: float = 0.2
    size: float = 0.5
    octaves: float = 0.05
    cells: float = 0.0
    lengths: tuple[int, ...] = DENSE

    def middle(self, steps: int, size: int) -> float:
        """Return log2 L50 of a cell."""
        return self.constant + self.steps * math.log2(steps) + self.size * math.log2(size)

    @property
    def shares_beyond(self) -> tuple[float, float]:
        """The shares of the cells whose L50 lies ahead of the shortest length and beyond the longest."""
        cells = np.array([2 ** self.middle(*place) for place in product(STEPS, SIZES)])
        return float((cells < self.lengths[0]).mean()), float((cells > self.lengths[-1]).mean())


PLANTED = (
    PlantedLaw("nothing censored"),
    PlantedLaw("lengths that double", lengths=DOUBLING),
    PlantedLaw("seeds that differ", octaves=0.2),
    PlantedLaw("beyond the longest", constant=1.2, octaves=0.1),
    PlantedLaw("before the shortest", constant=-2.5, octaves=0.1),
    PlantedLaw("steps do not matter", constant=1.5, steps=0.0),
    PlantedLaw("cells that deviate", cells=0.1),
    PlantedLaw("deviating, before the shortest", constant=-2.9, cells=0.1),
)


@dataclass(frozen=True)
class LawRow:
    """What the law made of one that was planted, by number of seeds."""

    planted: PlantedLaw
    quantity: str
    coverages: dict[int, Coverage]


def law_rows(sweeps: int) -> Iterator[LawRow]:
    """Yield a row for each planted law and quantity."""
    trials = max(sweeps // SWEEPS_PER_LAW, LEAST_TRIALS)
    for planted in PLANTED:
        found = {seeds: law_coverages(planted, trials, seeds) for seeds in LAW_SEEDS}
        for quantity in QUANTITIES:
            yield LawRow(planted, quantity, {seeds: found[seeds][quantity] for seeds in LAW_SEEDS})


def law_coverages(planted: PlantedLaw, trials: int, seeds: int) -> dict[str, Coverage]:
    """Return how often what is said of a planted law holds, by quantity."""
    laws = []
    for trial in range(trials):
        generator = np.random.default_rng(derive_seed("coverage", "law", planted.name, seeds, trial))
        laws.append(law_of(_FAMILY, "tokens", planted_cells(planted, seeds, generator)))
    truths: dict[str, tuple[Axis, float]] = {
        STEPS_EXPONENT: ("steps", planted.steps),
        SIZE_EXPONENT: ("hidden_size", planted.size),
    }
    found = {BEND: _bends(laws)}
    found |= {HELD_OUT: _held_out(laws, True), HELD_OUT_BOUNDS: _held_out(laws, False)}
    for name, (axis, truth) in truths.items():
        estimates = [law.exponent(axis) for law in laws]
        ends = [(math.nan, math.nan) if each is None else (each.low, each.high) for each in estimates]
        alone = [(math.nan, math.nan) if each is None else each.over_seeds for each in estimates]
        found[name] = count_coverage(Intervals(*np.array(ends).T), truth)
        found[name + ALONE] = count_coverage(Intervals(*np.array(alone).T), truth)
    return found


def planted_cells(planted: PlantedLaw, seeds: int, generator: np.random.Generator) -> list[LawCell]:
    """Return the cells of one sweep; half the variance of log2 L50 is a seed's own in all cells, half is each run's."""
    lengths = np.array(planted.lengths)
    part = planted.octaves / math.sqrt(2)
    own = generator.normal(0, part, (seeds, 1))
    cells = []
    for steps, size in product(STEPS, SIZES):
        octaves = own + generator.normal(0, part, (seeds, len(lengths)))
        if planted.cells:
            octaves += generator.normal(0, planted.cells)
        logits = STEEPNESS * (planted.middle(steps, size) + octaves - np.log2(lengths))
        tokens = TEST_EXAMPLES * lengths
        scores = generator.binomial(tokens, CHANCE + (1 - CHANCE) * special.expit(logits)) / tokens
        cells.append(_cell(steps, size, planted.lengths, scores))
    return cells


def _cell(steps: int, size: int, lengths: tuple[int, ...], scores: np.ndarray) -> LawCell:
    seeds, chances = len(scores), [CHANCE] * len(lengths)
    crossings: dict[int, Crossing] = {
        seed: find_crossing(LengthCurve(lengths, own, chances), 0.5)
        for seed, own in enumerate(scores.tolist())
    }
    places, numbers = np.repeat(lengths, seeds), np.tile(np.arange(seeds), len(lengths))
    accuracies = scores.T.ravel()
    rows = np.column_stack([places, numbers, accuracies, np.full(len(places), CHANCE), np.zeros(len(places))])
    found = breakdown_of(rows, "L50")
    return LawCell(_FAMILY._replace(hidden_size=size), steps, found, crossings, lengths[0])


def _held_out(laws: list[Law], is_measured: bool) -> Coverage:
    """Count the measured cells, or the bounds, held out that contradict their interval; the side is not counted."""
    found = [law.is_within(cell) for law in laws for cell in law.held_out if cell.is_measured == is_measured]
    return Coverage(len(found), found.count(None), found.count(False), 0)


def _bends(laws: list[Law]) -> Coverage:
    """Count the laws of which a bend is said, though none was planted."""
    bends = [law.curvature.get("steps") for law in laws]
    said = sum(each is not None and each.excludes_zero for each in bends)
    return Coverage(len(laws), bends.count(None), said, 0)

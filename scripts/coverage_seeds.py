"""Seeds drawn from known curves: what every simulated sweep of `scripts/coverage` is made of."""

from dataclasses import dataclass

import numpy as np
from scipy import special

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

    breakdown: int
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

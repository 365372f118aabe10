"""Real text simulated for `scripts/coverage`: an arm that retains half of its BLEU, sentences and seeds drawn anew."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from attnbench.analysis.bootstrap import DRAWS, corpus_bleu, interval_of, mean_draws, sentence_weights
from attnbench.analysis.statistics import mean_interval
from attnbench.randomness import derive_seed
from tools.coverage.simulation import Coverage, Intervals, count_coverage

RETAINED = 0.5
SENTENCES = 60
WORDS = 20
BEST_RATE = 0.6
"""At which n-grams match in the best bucket."""
SEED_SPREAD, EASE_SPREAD = 0.1, 0.5
"""Half of the range of the seeds' retention, and of how easy a sentence is; both uniform."""
TEXT_SEEDS = (1, 2, 3, 5, 10)
SWEEPS_PER_TRIAL = 10
"""A trial draws a thousand times, so there are fewer than simulated sweeps."""
OURS, SEEDS_DRAWN, SEEDS_ALONE = (
    "over sentences and seeds, as in retention.csv",
    "seeds drawn with replacement, too",
    "Student's t over seeds alone",
)


@dataclass(frozen=True)
class TextRow:
    """How often one way to make an interval holds the retention that was planted, for each number of seeds."""

    method: str
    coverages: dict[int, Coverage]


def text_rows(sweeps: int) -> Iterator[TextRow]:
    """Yield a row for each way to make an interval."""
    trials = max(sweeps // SWEEPS_PER_TRIAL, 10)
    found: dict[str, dict[int, Coverage]] = {OURS: {}, SEEDS_DRAWN: {}, SEEDS_ALONE: {}}
    for seeds in TEXT_SEEDS:
        for method, intervals in text_intervals(trials, seeds).items():
            found[method][seeds] = count_coverage(intervals, RETAINED)
    yield from (TextRow(method, coverages) for method, coverages in found.items())


def text_intervals(trials: int, seeds: int) -> dict[str, Intervals]:
    """Return the intervals of each way; NaN where there is none, as for one seed without sentences."""
    found: dict[str, list[tuple[float, float]]] = {OURS: [], SEEDS_DRAWN: [], SEEDS_ALONE: []}
    for trial in range(trials):
        generator = np.random.default_rng(derive_seed("coverage", "text", seeds, trial))
        points, draws = _retention(generator, seeds)
        again = generator.integers(seeds, size=(DRAWS, seeds))
        resampled = np.take_along_axis(draws, again[..., None], axis=1).mean(axis=1)
        alone = mean_interval(points[:, 1].tolist())
        found[OURS].append(_second(interval_of(mean_draws(points, draws, range(seeds)))))
        found[SEEDS_DRAWN].append(_second(interval_of(resampled)))
        found[SEEDS_ALONE].append((alone.low, alone.high))
    return {method: Intervals(*np.transpose(ends)) for method, ends in found.items()}


def _retention(generator: np.random.Generator, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the retention of two buckets by seed, (seeds, 2), and for each draw of sentences, (draws, seeds, 2).

    n-grams match at the rate of the seed times that of the sentence, whose mean is 1: corpus BLEU of all sentences
    there are is the rate of the seed. The first bucket is the best.
    """
    points, draws = np.zeros((seeds, 2)), np.zeros((DRAWS, seeds, 2))
    shares = RETAINED + (SEED_SPREAD if seeds > 1 else 0.0) * generator.uniform(-1, 1, seeds)
    for bucket in range(2):
        ease = 1 + EASE_SPREAD * generator.uniform(-1, 1, SENTENCES)
        (weights,) = sentence_weights(1 + 10 * bucket, 10 + 10 * bucket, SENTENCES)
        for seed, share in enumerate(shares):
            counts = _bleu_counts(BEST_RATE * ease * (share if bucket else 1.0), generator)
            points[seed, bucket] = corpus_bleu(counts.sum(axis=0))
            draws[:, seed, bucket] = corpus_bleu(weights @ counts)
    return points / points[:, :1], draws / draws[:, :, :1]


def _bleu_counts(rates: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return counts of sentences, as `counts_of` has them, of which n-grams of every order match at these rates."""
    counts = np.zeros((len(rates), 30))
    counts[:, :2] = WORDS
    for n in range(4):
        counts[:, 2 + n], counts[:, 6 + n] = generator.binomial(WORDS - n, rates), WORDS - n
    return counts


def _second(ends: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    low, high = ends
    return float(low[1]), float(high[1])

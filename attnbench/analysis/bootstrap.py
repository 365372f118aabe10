"""How far scores of real text would lie off with other sentences and other seeds: draws of both.

The sentences of a bucket are drawn anew, with replacement, the same ones for every arm and seed, and corpus BLEU and
chrF are worked out from the summed counts of each draw (Koehn 2004, "Statistical significance tests for machine
translation evaluation"). Seeds enter each draw by Student's t, as in every other interval here: to draw two to five
seeds with replacement makes them spread too little, by √((n − 1)/n), and with normal tails.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from attnbench.analysis.arms import Metrics
from attnbench.analysis.statistics import CONFIDENCE
from attnbench.runs.sentences import BLEU_ORDERS, BUCKET, CHARACTER_MATCHES, CHRF_ORDERS, WORD_MATCHES

DRAWS = 1000
# Of seeds for each draw of sentences: they cost nothing, and the tails of t with few seeds are long.
SEED_DRAWS = 10
SEEDS, SENTENCES, BOTH = "seeds", "sentences", "sentences and seeds"
"""What an interval speaks of, as in the column `interval_over`."""

BITS = "cross_entropy_bits"
"""Cross-entropy per scored token, teacher-forced, in bits."""

_STREAM = 20_261_129
_MOST_CELLS = 4_000_000  # of a matrix of weights: 32 MB
_BETA = 2  # chrF2 weighs recall so many times as much as precision
_ROUNDING = 1e-6  # of a score that was added up in another order
_FLAT = 1e-9  # draws that differ by less differ by rounding
_NATS_ROUNDING = 1e-4  # of a sentence's nats in the file


class TextDraws:
    """Scores of arms of real text for draws of their sentences.

    Args:
        drawn: by arm (its number), seed and length; only what all sentences are at hand of.
    """

    def __init__(self, drawn: "Mapping[tuple[int, int, int], _Drawn]") -> None:
        self._drawn = drawn

    @classmethod
    def of(cls, metrics: Metrics, sentences: pd.DataFrame) -> "TextDraws":
        """Draw the sentences of all runs of a sweep; runs whose sentences are not those of their row have none.

        Args:
            metrics: rows of a sweep.
            sentences: rows of sentences.csv.gz, with `run_id`.
        """
        places: dict[tuple[int, int, int], list[_Drawn]] = {}
        for bucket, runs in _runs_by_bucket(metrics, sentences).items():
            for run, drawn in zip(runs, _draw(bucket, runs), strict=True):
                places.setdefault((run.arm, run.seed, bucket.length), []).append(drawn)
        return cls({place: _mean(own) for place, own in places.items()})

    def of_arm(
        self, arm: int, seeds: Sequence[int], lengths: Sequence[int], score: str, minus: int | None = None
    ) -> np.ndarray | None:
        """Return an arm's scores for each draw, (draws, seeds, lengths); None where sentences of some are not at hand.

        Args:
            arm: its number.
            seeds: in the order wanted.
            lengths: upper bounds of buckets, in the order wanted.
            score: "bleu", "chrf" or `BITS`.
            minus: the number of another arm, whose scores on the same draws are taken off.
        """
        values = np.empty((DRAWS, len(seeds), len(lengths)))
        for column, length in enumerate(lengths):
            orders = set()
            for row, seed in enumerate(seeds):
                found = [self._drawn.get((each, seed, length)) for each in (arm, minus) if each is not None]
                own = [each for each in found if each is not None]
                if len(own) < len(found):
                    return None
                orders |= {each.order for each in own}
                values[:, row, column] = own[0].scores[score]
                if minus is not None:
                    values[:, row, column] -= own[1].scores[score]
            if len(orders) > 1:
                return None  # not the same sentences, or not in one order: draws of them are not paired
        return values


NO_DRAWS = TextDraws({})


def mean_draws(points: np.ndarray, draws: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
    """Return draws of the mean over seeds, of sentences and seeds; (draws, lengths).

    The seeds' own deviations are taken from all sentences, where they hold what sentences and seeds do together. That
    is in the draws of sentences too, so intervals are a little wide rather than narrow.

    Args:
        points: each seed's value of all sentences, (seeds, lengths).
        draws: its value of each draw of sentences, (draws, seeds, lengths).
        seeds: their numbers: all arms share the draws of a seed.
    """
    count = len(seeds)
    means = draws.mean(axis=1)
    if count == 1:
        return means
    size = len(draws) * SEED_DRAWS
    normal = np.stack([np.random.default_rng([_STREAM, 1, seed]).standard_normal(size) for seed in seeds])
    tails = np.random.default_rng([_STREAM, 2, count]).chisquare(count - 1, size) / (count - 1)
    deviations = points - points.mean(axis=0)
    # The sum has the covariance of the seeds' mean over lengths; the tails make it Student's t.
    moved = (normal / np.sqrt(tails)).T @ deviations / math.sqrt(count * (count - 1))
    return np.repeat(means, SEED_DRAWS, axis=0) + moved


def interval_of(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of the interval of each column, NaN where too many draws are not defined, or all are equal.

    Draws of one sentence are equal, and tell nothing of others. Infinite draws stay in their order: an end among
    them is infinite.
    """
    outside = (1 - CONFIDENCE) / 2
    undefined = np.isnan(draws).mean(axis=0)
    filled = np.where(np.isnan(draws), np.nanmedian(np.where(undefined < 1, draws, 0.0), axis=0), draws)
    low, high = np.quantile(filled, [outside, 1 - outside], axis=0, method="inverted_cdf")
    is_flat = np.isclose(filled.min(axis=0), filled.max(axis=0), rtol=_FLAT, atol=_FLAT)
    is_known = (undefined <= outside) & ~is_flat
    return np.where(is_known, low, np.nan), np.where(is_known, high, np.nan)


def counts_of(sentences: pd.DataFrame) -> np.ndarray:
    """Return what scores are made of, once summed over sentences; (sentences, 30).

    The columns: words of reference and hypothesis, matches and totals of n-grams of words; for each order of chrF
    totals of hypothesis and reference and matches; nats and tokens.
    """
    words, characters = sentences["hypothesis_words"], sentences["hypothesis_characters"]
    wanted = sentences["reference_characters"]
    columns = [sentences["reference_words"], words, *(sentences[name] for name in WORD_MATCHES)]
    columns += [(words - n + 1).clip(lower=0) for n in BLEU_ORDERS]
    for n, name in zip(CHRF_ORDERS, CHARACTER_MATCHES, strict=True):
        # sacrebleu leaves out the n-grams of a sentence whose reference has none so long.
        written = (characters - n + 1).clip(lower=0).where(wanted >= n, 0)
        columns += [written, (wanted - n + 1).clip(lower=0), sentences[name]]
    columns += [sentences["nats"], sentences["tokens"]]
    return np.column_stack([column.to_numpy(dtype=float) for column in columns])


def corpus_bleu(counts: np.ndarray) -> np.ndarray:
    """Return corpus BLEU, 0–100, of summed counts; their last axis is that of `counts_of`.

    Source: Papineni et al. 2002, with the smoothing "exp" of sacrebleu (Post 2018).
    """
    wanted, written = counts[..., 0], counts[..., 1]
    matches, totals = counts[..., 2:6], counts[..., 6:10]
    is_zero = matches == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        precisions = np.where(is_zero, 0.5 ** is_zero.cumsum(axis=-1), matches) / totals
        brevity = np.exp(np.minimum(0.0, 1 - wanted / written))
        score = 100 * brevity * np.exp(np.log(precisions).mean(axis=-1))
    is_known = matches.any(axis=-1) & (totals > 0).all(axis=-1) & (written > 0)
    return np.where(is_known, score, 0.0)


def corpus_chrf(counts: np.ndarray) -> np.ndarray:
    """Return corpus chrF2, 0–100, of summed counts; their last axis is that of `counts_of`.

    Source: Popović 2015, as in sacrebleu.
    """
    parts = counts[..., 10:28].reshape(*counts.shape[:-1], len(CHRF_ORDERS), 3)
    written, wanted, matches = (parts[..., k] for k in range(3))
    is_known = (written > 0) & (wanted > 0)
    orders = np.maximum(is_known.sum(axis=-1), 1)
    precision = (matches / np.where(is_known, written, np.inf)).sum(axis=-1) / orders
    recall = (matches / np.where(is_known, wanted, np.inf)).sum(axis=-1) / orders
    below = _BETA**2 * precision + recall
    return 100 * (1 + _BETA**2) * precision * recall / np.where(below > 0, below, 1.0)


@dataclass(frozen=True)
class _Drawn:
    """Scores by name, each (draws,), and what tells in which order the sentences stand."""

    scores: Mapping[str, np.ndarray]
    order: bytes


@dataclass(frozen=True)
class _Bucket:
    length_min: int
    length: int
    sentences: int


@dataclass(frozen=True)
class _Run:
    """The counts of a run's sentences in a bucket, (sentences, 30), and whose they are."""

    arm: int
    seed: int
    counts: np.ndarray

    @property
    def order(self) -> bytes:
        """The lengths of all references: sentences in another order have others."""
        return self.counts[:, [0, 11]].tobytes()


def _runs_by_bucket(metrics: Metrics, sentences: pd.DataFrame) -> dict[_Bucket, list[_Run]]:
    names = ["run_id", *BUCKET]
    ordered = sentences.sort_values([*names, "sentence"], kind="stable")
    places = ordered.groupby(names, sort=False).indices
    counts = counts_of(ordered)
    found: dict[_Bucket, list[_Run]] = {}
    rows = metrics.frame.assign(arm=metrics.numbers)
    row: Any
    for row in rows[rows["bleu"].notna() & rows["bits_available"].isna()].itertuples(index=False):
        place = places.get((row.run_id, row.length_min, row.length))
        if place is None or not _is_of(row, counts[place]):
            continue
        bucket = _Bucket(int(row.length_min), int(row.length), len(place))
        found.setdefault(bucket, []).append(_Run(int(row.arm), int(row.seed), counts[place]))
    return found


def _is_of(row: Any, counts: np.ndarray) -> bool:
    """Say whether sentences are those of a row of metrics.csv: as many, with its BLEU and its cross-entropy."""
    total = counts.sum(axis=0)
    nats = total[28] / max(total[29], 1.0)
    is_same = (
        abs(corpus_bleu(total) - row.bleu) < _ROUNDING and abs(nats - row.cross_entropy_nats) < _NATS_ROUNDING
    )
    return len(counts) == row.examples and bool(is_same)


def _draw(bucket: _Bucket, runs: Sequence[_Run]) -> list[_Drawn]:
    """Return the scores of each run for the same draws of the sentences."""
    parts: list[list[dict[str, np.ndarray]]] = [[] for _ in runs]
    for weights in sentence_weights(bucket.length_min, bucket.length, bucket.sentences):
        for run, own in zip(runs, parts, strict=True):
            own.append(_scores(weights @ run.counts))
    return [
        _Drawn({name: np.concatenate([part[name] for part in own]) for name in own[0]}, run.order)
        for run, own in zip(runs, parts, strict=True)
    ]


def _scores(counts: np.ndarray) -> dict[str, np.ndarray]:
    bits = counts[:, 28] / np.maximum(counts[:, 29], 1) / math.log(2)
    return {"bleu": corpus_bleu(counts), "chrf": corpus_chrf(counts), BITS: bits}


def sentence_weights(length_min: int, length: int, count: int) -> Iterator[np.ndarray]:
    """Yield how often each sentence of a bucket is in each draw, a part of the draws at a time; (draws, sentences).

    They depend on the bucket and on how many sentences it has, and on nothing else.
    """
    generator = np.random.default_rng([_STREAM, 0, length_min, length, count])
    left = DRAWS
    while left:
        size = min(left, max(1, _MOST_CELLS // count))
        drawn = generator.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(float)
        left -= size


def _mean(drawn: Sequence[_Drawn]) -> _Drawn:
    """Return the mean of several runs of one seed."""
    scores = {name: np.mean([each.scores[name] for each in drawn], axis=0) for name in drawn[0].scores}
    return _Drawn(scores, b"".join(dict.fromkeys(each.order for each in drawn)))

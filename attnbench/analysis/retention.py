"""What real text loses at longer inputs, relative to an arm's own best bucket (retention.csv).

BLEU and chrF are retained by so much of the best bucket. Cross-entropy is not: it is no share of anything, and a share
of it at the best bucket neither ends at 0 nor has a half. Of it there is the difference, in bits per target token;
and where the sweep has a `blind` arm, what an arm gains over it on the same sentences, which falls to 0 where the
source is of no use any more: of that gain a share is retained.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attnbench.analysis.arms import Metrics
from attnbench.analysis.bootstrap import (
    BITS,
    BOTH,
    NO_DRAWS,
    SEEDS,
    SENTENCES,
    TextDraws,
    interval_of,
    mean_draws,
)
from attnbench.analysis.comparison import pair_with_baseline
from attnbench.analysis.statistics import grouped_intervals
from attnbench.runs.metrics_csv import ARM_COLUMNS

TEXT_SCORES = ("bleu", "chrf")
GAIN = "bits_over_blind"
"""Cross-entropy of the `blind` arm less the arm's own, per target token, teacher-forced, in bits."""
RETAINED_SCORES = (*TEXT_SCORES, GAIN)
# Where an arm's best bucket has less, nothing was learnt that could be retained: of 100, and bits per target token.
LEAST_SCORE = {"bleu": 1.0, "chrf": 1.0, GAIN: 0.1}
# BLEU of fewer sentences moves with each of them.
FEW_SENTENCES = 100
BLIND = "blind"
RETENTION_COLUMNS = (
    *ARM_COLUMNS,
    "score",
    "length",
    "retention",
    "low",
    "high",
    "seeds",
    "examples",
    "is_best",
    "few_sentences",
    "mean",
    "difference",
    "interval_over",
)


@dataclass(frozen=True)
class RetainedArm:
    """How an arm's score compares with its best bucket, by seed.

    Attributes:
        arm: its number.
        best: upper bound of the best bucket of the mean over seeds, the shorter of equals.
        rows: columns arm, length, seed, score_value, value (the share of the best bucket, or for cross-entropy the
            difference from it), chance, which is 0.
        draws: of the mean of `value`, (draws, lengths), for the lengths in order; None where sentences are not at hand.
        interval_over: what `draws` speak of.
    """

    arm: int
    best: int
    rows: pd.DataFrame
    draws: np.ndarray | None
    interval_over: str

    @property
    def lengths(self) -> list[int]:
        """Upper bounds of the buckets, in order."""
        return sorted(set(self.rows["length"].astype(int)))


def real_text(metrics: Metrics) -> set[int]:
    """Return the numbers of the arms that write real text: with BLEU or chrF, and bits that nobody knows.

    Position by position their token accuracy says nothing: behind one word too many every word is wrong.
    """
    has_text = metrics.frame[list(TEXT_SCORES)].notna().any(axis="columns")
    has_bits = metrics.frame["bits_available"].notna()
    written = set(metrics.numbers[has_text.to_numpy()].tolist())
    return written - set(metrics.numbers[has_bits.to_numpy()].tolist())


def text_runs(metrics: Metrics) -> set[str]:
    """Return the run_ids of the rows of real text."""
    return set(metrics.frame["run_id"][np.isin(metrics.numbers, list(real_text(metrics)))])


def retained(metrics: Metrics, score: str, draws: TextDraws = NO_DRAWS) -> Iterator[RetainedArm]:
    """Yield for each arm of real text its score relative to its best bucket; none for `unlearnt` arms.

    The best bucket is that of the arm's mean over seeds, so that all seeds and draws share it.

    Args:
        metrics: rows of a sweep.
        score: one of `RETAINED_SCORES`, or `BITS`.
        draws: of the sentences, where they are at hand.
    """
    rows, blind = text_scores(metrics, score), _blind_arms(metrics) if score == GAIN else {}
    lost = set() if score == BITS else unlearnt(metrics, score)
    for arm in sorted(set(rows["arm"].tolist()) - lost):
        own = rows[rows["arm"] == arm]
        means = own.groupby("length")["value"].mean()
        best = int(means.index[means.argmin() if score == BITS else means.argmax()])
        table = own.pivot(index="seed", columns="length", values="value")
        seeds, lengths = [int(seed) for seed in table.index], [int(length) for length in table.columns]
        place = lengths.index(best)
        points = _relative(table.to_numpy(dtype=float), place, score)
        drawn = None
        if not np.isnan(points).any():
            drawn = _drawn(draws, score, arm, blind.get(arm), seeds, lengths)
        if drawn is not None:
            drawn = mean_draws(points, _relative(drawn, place, score), seeds)
        over = SEEDS if drawn is None else SENTENCES if len(seeds) == 1 else BOTH
        own = own.assign(score_value=own["value"], chance=0.0)
        own["value"] = points[own["seed"].map(seeds.index), own["length"].map(lengths.index)]
        yield RetainedArm(arm, best, own.dropna(subset=["value"]), drawn, over)


def _drawn(
    draws: TextDraws, score: str, arm: int, blind: int | None, seeds: Sequence[int], lengths: Sequence[int]
) -> np.ndarray | None:
    """Return the arm's scores for each draw, (draws, seeds, lengths), where all sentences are at hand."""
    if score != GAIN:
        return draws.of_arm(arm, seeds, lengths, score)
    found = draws.of_arm(arm, seeds, lengths, BITS, minus=blind)
    return None if found is None else -found


def unlearnt(metrics: Metrics, score: str) -> set[int]:
    """Return the numbers of the arms of real text whose best bucket has next to nothing: see `LEAST_SCORE`."""
    best = text_scores(metrics, score).groupby(["arm", "length"])["value"].mean().groupby("arm").max()
    return set(best.index[best < LEAST_SCORE[score]].tolist())


def text_scores(metrics: Metrics, score: str) -> pd.DataFrame:
    """Return columns arm, length, seed, value of the arms of real text: one row for each seed that has the score.

    Args:
        metrics: rows of a sweep.
        score: one of `RETAINED_SCORES`, or `BITS`.
    """
    rows = metrics.seed_scores(score if score in TEXT_SCORES else "cross_entropy_nats").drop(columns="chance")
    rows = rows[rows["arm"].isin(real_text(metrics))]
    if score in TEXT_SCORES:
        return rows
    rows["value"] /= math.log(2)
    if score == BITS:
        return rows
    blind = _blind_arms(metrics)
    with_blind = rows[rows["arm"].isin(blind)].assign(blind=lambda each: each["arm"].map(blind))
    pairs = with_blind.merge(
        rows, left_on=["blind", "length", "seed"], right_on=["arm", "length", "seed"], suffixes=("", "_blind")
    )
    return pairs.assign(value=pairs["value_blind"] - pairs["value"])[["arm", "length", "seed", "value"]]


def retention_table(metrics: Metrics, draws: TextDraws = NO_DRAWS) -> pd.DataFrame:
    """Return for each arm of real text, score and bucket the mean over the seeds' own retention.

    `mean` is that of the score itself. `low` and `high` are of `retention`, for `cross_entropy_bits` of `difference`;
    they have no retention. `interval_over` says what they speak of: "sentences and seeds", of one seed "sentences", and
    where the sentences are not at hand "seeds", by Student's t. The best bucket has none. `few_sentences` marks
    buckets of fewer than 100.
    """
    scores = (*RETAINED_SCORES, BITS)
    parts = [_retention_rows(each, score) for score in scores for each in retained(metrics, score, draws)]
    columns = ["arm", *(name for name in RETENTION_COLUMNS if name not in ARM_COLUMNS)]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    counts = metrics.frame["examples"].groupby([metrics.numbers, metrics.frame["length"].to_numpy()]).min()
    places = pd.MultiIndex.from_frame(table[["arm", "length"]].astype(int))
    table["examples"] = pd.Series(counts.reindex(places).to_numpy(), table.index).astype("Int64")
    table["few_sentences"] = table["examples"] < FEW_SENTENCES
    table["order"] = table["score"].map(scores.index)
    table = table.sort_values(["arm", "order", "length"], kind="stable")
    return metrics.named(table, RETENTION_COLUMNS)


def _retention_rows(arm: RetainedArm, score: str) -> pd.DataFrame:
    groups = arm.rows.groupby("length")
    table = grouped_intervals(groups["value"])
    if arm.draws is not None:
        table["low"], table["high"] = interval_of(arm.draws)
    table.loc[arm.best, ["low", "high"]] = math.nan
    name, other = ("difference", "retention") if score == BITS else ("retention", "difference")
    table = table.rename(columns={"mean": name, "count": "seeds"})
    table["low"] = table["low"].clip(lower=0) if score in TEXT_SCORES else table["low"]
    table["mean"] = groups["score_value"].mean()
    has_interval = table["low"].notna() | table["high"].notna()
    table["interval_over"] = np.where(has_interval, arm.interval_over, "")
    table["is_best"] = table.index == arm.best
    return table.reset_index().assign(arm=arm.arm, score=score, **{other: math.nan})


def _relative(values: np.ndarray, place: int, score: str) -> np.ndarray:
    """Return values relative to those at one place of the last axis: their share, of cross-entropy the difference.

    There is no share of a score that is not above 0.
    """
    best = values[..., place : place + 1]
    return values - best if score == BITS else values / np.where(best > 0, best, math.nan)


def _blind_arms(metrics: Metrics) -> dict[int, int]:
    """Return the number of the `blind` arm that each arm is compared with, where there is one."""
    means = metrics.frame["parameters"].astype(float).groupby(metrics.numbers).mean()
    parameters = {arm: float(means[number]) for number, arm in enumerate(metrics.arms)}
    pairs = pair_with_baseline(metrics.arms, parameters, BLIND)
    numbers = {arm: number for number, arm in enumerate(metrics.arms)}
    return {numbers[arm]: numbers[blind] for arm, blind in pairs.items()}

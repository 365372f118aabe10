"""What is left of BLEU and chrF at longer inputs, relative to an arm's own best bucket (retention.csv)."""

import math

import numpy as np
import pandas as pd

from attnbench.analysis.arms import Metrics
from attnbench.analysis.statistics import grouped_intervals
from attnbench.runs.metrics_csv import ARM_COLUMNS

TEXT_SCORES = ("bleu", "chrf")
# Where an arm's best bucket has less of 100, nothing was learnt that could be retained.
LEAST_SCORE = 1.0
# BLEU of fewer sentences moves with each of them.
FEW_SENTENCES = 100
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
)


def real_text(metrics: Metrics) -> set[int]:
    """Return the numbers of the arms that write real text: with BLEU or chrF, and bits that nobody knows.

    Position by position their token accuracy says nothing: behind one word too many every word is wrong.
    """
    has_text = metrics.frame[list(TEXT_SCORES)].notna().any(axis="columns")
    has_bits = metrics.frame["bits_available"].notna()
    written = set(metrics.numbers[has_text.to_numpy()].tolist())
    return written - set(metrics.numbers[has_bits.to_numpy()].tolist())


def retained(metrics: Metrics, score: str) -> pd.DataFrame:
    """Return columns arm, length, seed, value, chance, is_best: each seed's score relative to the best bucket.

    The best bucket is that of the arm's mean over seeds, the shorter of equals, so that all seeds share it. An arm
    whose best bucket has less than 1 of 100 has no rows: see `unlearnt`. `chance` is 0.

    Args:
        metrics: rows of a sweep.
        score: "bleu" or "chrf".
    """
    rows = metrics.seed_scores(score)
    rows = rows[rows["arm"].isin(real_text(metrics) - unlearnt(metrics, score))].copy()
    best = _best_lengths(rows)
    rows["is_best"] = rows["length"] == rows["arm"].map(best)
    at_best = rows[rows["is_best"]].set_index(["arm", "seed"])["value"]
    places = pd.MultiIndex.from_frame(rows[["arm", "seed"]])
    rows["value"] = rows["value"] / at_best.reindex(places).replace(0.0, math.nan).to_numpy()
    return rows.assign(chance=0.0).dropna(subset=["value"])


def unlearnt(metrics: Metrics, score: str) -> set[int]:
    """Return the numbers of the arms of real text whose best bucket has less than 1 of 100."""
    rows = metrics.seed_scores(score)
    rows = rows[rows["arm"].isin(real_text(metrics))]
    best = rows.groupby(["arm", "length"])["value"].mean().groupby("arm").max()
    return set(best.index[best < LEAST_SCORE].tolist())


def retention_table(metrics: Metrics) -> pd.DataFrame:
    """Return for each arm of real text, score and bucket the mean over the seeds' own retention.

    `low` and `high` are a Student t interval over seeds, missing for one seed: it speaks of other seeds, not of
    other sentences. `few_sentences` marks buckets of fewer than 100.
    """
    parts = []
    for score in TEXT_SCORES:
        rows = retained(metrics, score)
        groups = rows.groupby(["arm", "length"])
        table = grouped_intervals(groups["value"]).rename(columns={"mean": "retention", "count": "seeds"})
        table["is_best"] = groups["is_best"].any()
        parts.append(table.reset_index().assign(score=score))
    table = pd.concat(parts, ignore_index=True)
    table["low"] = table["low"].clip(lower=0)
    counts = metrics.frame["examples"].groupby([metrics.numbers, metrics.frame["length"].to_numpy()]).min()
    places = pd.MultiIndex.from_frame(table[["arm", "length"]].astype(int))
    table["examples"] = pd.Series(counts.reindex(places).to_numpy(), table.index).astype("Int64")
    table["few_sentences"] = table["examples"] < FEW_SENTENCES
    table["order"] = table["score"].map(TEXT_SCORES.index)
    table = table.sort_values(["arm", "order", "length"], kind="stable")
    return metrics.named(table, RETENTION_COLUMNS)


def _best_lengths(rows: pd.DataFrame) -> dict[int, int]:
    means = rows.groupby(["arm", "length"])["value"].mean()
    arms = np.unique(rows["arm"].to_numpy())
    return {int(arm): int(means.loc[arm].idxmax()) for arm in arms}

"""Scores against length: the mean over seeds of each arm with its interval, as in curve.csv."""

import numpy as np
import pandas as pd

from attnbench.analysis.arms import Metrics
from attnbench.analysis.bootstrap import BOTH, NO_DRAWS, SEEDS, SENTENCES, TextDraws, interval_of, mean_draws
from attnbench.analysis.statistics import grouped_intervals
from attnbench.runs.metrics_csv import ARM_COLUMNS

SCORES = (
    "token_accuracy",
    "teacher_forced_accuracy",
    "sequence_accuracy",
    "bits_recovered",
    "bleu",
    "chrf",
)
# Of single sentences enough is kept to draw others.
DRAWN = ("bleu", "chrf")
# A uniform guesser's rate belongs to single tokens; `chance_accuracy` says nothing about whole sequences.
TOKEN_SCORES = ("token_accuracy", "teacher_forced_accuracy")
CURVE_COLUMNS = (
    *ARM_COLUMNS,
    "score",
    "length",
    "mean",
    "low",
    "high",
    "seeds",
    "chance",
    "ceiling",
    "interval_over",
)

_ACCURACIES = (*TOKEN_SCORES, "sequence_accuracy")


def curve_table(metrics: Metrics, draws: TextDraws = NO_DRAWS) -> pd.DataFrame:
    """Return one row for each arm, score and length that some seed has a value for.

    `low` and `high` are the Student t interval over seeds, cut off at 0 and 1 for accuracies and missing for
    one seed and where all are equal; `seeds` counts the seeds with a value; `chance` is there for scores of
    single tokens only; `ceiling` is what no code of the context's known bits can exceed, see `ceilings`. BLEU and
    chrF of real text have an interval over sentences, too, where these are at hand: `interval_over` says so.

    Args:
        metrics: rows of a sweep.
        draws: of the sentences of real text, where they are at hand.
    """
    parts = []
    for score in SCORES:
        rows = metrics.seed_scores(score)
        points = _points(rows, score, ceilings(metrics, score))
        parts.append(_with_drawn_intervals(points, rows, score, draws) if score in DRAWN else points)
    points = pd.concat(parts, ignore_index=True)
    points = points.sort_values(["arm", "score_number", "length"], kind="stable")
    return metrics.named(points, CURVE_COLUMNS)


def missing_scores(rows: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Return of each score that rows lack how many lack it, and of how many that a run writes with it.

    A run writes every accuracy, its bits where those available are known, and BLEU and chrF for tasks whose
    answers are sentences: those of which another row has them.
    """
    missing = {}
    for score in SCORES:
        expected = rows
        if score == "bits_recovered":
            expected = rows[rows["bits_available"].notna()]
        elif score not in _ACCURACIES:
            expected = rows[rows[score].notna().groupby(rows["task"]).transform("any")]
        lacking = int(expected[score].isna().sum())
        if lacking:
            missing[score] = lacking, len(expected)
    return missing


def ceilings(metrics: Metrics, score: str) -> pd.Series:
    """Return the ceiling of a score by arm (its number) and length, NaN where none is known.

    Of k bits that cross and H bits there are to know, single tokens have the rate–distortion ceiling of metrics.csv,
    free-running and teacher-forced alike; whole sequences min(1, 2^(k − H)), where that one holds; the bits recovered
    min(k, H).
    """
    bits, available, of_tokens = (
        metrics.frame[name].astype(float) for name in ("channel_bits", "bits_available", "accuracy_ceiling")
    )
    if score in TOKEN_SCORES:
        found = of_tokens
    elif score == "sequence_accuracy":
        found = pd.Series(np.exp2((bits - available).clip(upper=0)), of_tokens.index).where(of_tokens.notna())
    elif score == "bits_recovered":
        found = bits.where(bits <= available, available).where(bits.notna())
    else:
        found = of_tokens.where(of_tokens.isna())
    by_length = found.groupby([metrics.numbers, metrics.frame["length"].to_numpy()]).mean()
    return by_length.rename_axis(["arm", "length"])


def _points(rows: pd.DataFrame, score: str, ceiling: pd.Series) -> pd.DataFrame:
    groups = rows.groupby(["arm", "length"])
    points = grouped_intervals(groups["value"]).rename(columns={"count": "seeds"})
    points["chance"] = groups["chance"].mean() if score in TOKEN_SCORES else np.nan
    points["ceiling"] = ceiling.reindex(points.index)
    points = points.reset_index()
    if score in _ACCURACIES:
        points[["low", "high"]] = points[["low", "high"]].clip(0, 1)
    points["interval_over"] = np.where(points["low"].notna(), SEEDS, "")
    return points.assign(score=score, score_number=SCORES.index(score))


def _with_drawn_intervals(
    points: pd.DataFrame, rows: pd.DataFrame, score: str, draws: TextDraws
) -> pd.DataFrame:
    """Return the points with intervals over sentences and seeds for the arms whose sentences are at hand."""
    for arm in np.unique(rows["arm"].to_numpy()).tolist():
        table = rows[rows["arm"] == arm].pivot(index="seed", columns="length", values="value")
        seeds, lengths = table.index.astype(int).tolist(), table.columns.astype(int).tolist()
        drawn = None if table.isna().any(axis=None) else draws.of_arm(arm, seeds, lengths, score)
        if drawn is not None:
            low, high = interval_of(mean_draws(table.to_numpy(dtype=float), drawn, seeds))
            own = points["arm"] == arm  # by length, as the columns of the table
            # BLEU of draws of a few sentences may lie to one side of that of all; a bar reaches its point.
            means = points.loc[own, "mean"].to_numpy(dtype=float)
            points.loc[own, ["low", "high"]] = np.column_stack(
                [np.minimum(low, means), np.maximum(high, means)]
            )
            points.loc[own, "interval_over"] = np.where(
                np.isnan(low), "", SENTENCES if len(seeds) == 1 else BOTH
            )
    return points

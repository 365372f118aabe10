"""Scores against length: the mean over seeds of each arm with its interval, as in curve.csv."""

import numpy as np
import pandas as pd

from attnbench.analysis.arms import Metrics
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
# A uniform guesser's rate belongs to single tokens; `chance_accuracy` says nothing about whole sequences.
TOKEN_SCORES = ("token_accuracy", "teacher_forced_accuracy")
CURVE_COLUMNS = (*ARM_COLUMNS, "score", "length", "mean", "low", "high", "seeds", "chance")

_ACCURACIES = (*TOKEN_SCORES, "sequence_accuracy")


def curve_table(metrics: Metrics) -> pd.DataFrame:
    """Return one row for each arm, score and length that some seed has a value for.

    `low` and `high` are the Student t interval over seeds, cut off at 0 and 1 for accuracies and missing for
    one seed and where all are equal; `seeds` counts the seeds with a value; `chance` is there for scores of
    single tokens only.
    """
    points = pd.concat([_points(metrics.seed_scores(score), score) for score in SCORES], ignore_index=True)
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


def _points(rows: pd.DataFrame, score: str) -> pd.DataFrame:
    groups = rows.groupby(["arm", "length"])
    points = grouped_intervals(groups["value"]).rename(columns={"count": "seeds"})
    points["chance"] = groups["chance"].mean() if score in TOKEN_SCORES else np.nan
    points = points.reset_index()
    if score in _ACCURACIES:
        points[["low", "high"]] = points[["low", "high"]].clip(0, 1)
    return points.assign(score=score, score_number=SCORES.index(score))

"""Scores against length: the mean over seeds of each arm with its interval, as in curve.csv."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from attnbench.analysis.arms import arm_table, narrowest_buckets, number_arms
from attnbench.analysis.grouped_intervals import grouped_intervals
from attnbench.arm import Arm
from attnbench.runs.columns import ARM_COLUMNS

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


def curve_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each arm, score and length that some seed has a value for.

    `low` and `high` are the Student t interval over seeds, cut off at 0 and 1 for accuracies and missing for
    one seed and where all are equal; `seeds` counts the seeds with a value; `chance` is there for scores of
    single tokens only.
    """
    metrics = narrowest_buckets(metrics)
    arms, arm_numbers = number_arms(metrics)
    points = pd.concat(
        [_points(seed_scores(metrics, arm_numbers, score), score) for score in SCORES], ignore_index=True
    )
    points = points.sort_values(["arm", "score_number", "length"], kind="stable", ignore_index=True)
    return _with_arm_columns(points, arms)


def missing_scores(metrics: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Return of each score that rows lack how many lack it, and of how many that a run writes with it.

    A run writes every accuracy, its bits where those available are known, and BLEU and chrF for tasks whose
    answers are sentences: those of which another row has them.
    """
    missing = {}
    for score in SCORES:
        expected = metrics
        if score == "bits_recovered":
            expected = metrics[metrics["bits_available"].notna()]
        elif score not in _ACCURACIES:
            expected = metrics[metrics[score].notna().groupby(metrics["task"]).transform("any")]
        lacking = int(expected[score].isna().sum())
        if lacking:
            missing[score] = lacking, len(expected)
    return missing


def seed_scores(metrics: pd.DataFrame, arm_numbers: np.ndarray, score: str) -> pd.DataFrame:
    """Return columns arm, length, seed, value, chance: one row for each seed that has the score.

    Several runs of one seed, such as an arm trained by two versions, count as one: the seeds are the sample.
    """
    rows = pd.DataFrame(
        {
            "arm": arm_numbers,
            "length": metrics["length"].to_numpy(),
            "seed": metrics["seed"].to_numpy(),
            "value": metrics[score].to_numpy(),
            "chance": metrics["chance_accuracy"].to_numpy(),
        }
    ).dropna(subset=["value"])
    return rows.groupby(["arm", "length", "seed"], as_index=False).mean()


def _points(rows: pd.DataFrame, score: str) -> pd.DataFrame:
    groups = rows.groupby(["arm", "length"])
    points = grouped_intervals(groups["value"]).rename(columns={"count": "seeds"})
    points["chance"] = groups["chance"].mean() if score in TOKEN_SCORES else np.nan
    points = points.reset_index()
    if score in _ACCURACIES:
        points[["low", "high"]] = points[["low", "high"]].clip(0, 1)
    return points.assign(score=score, score_number=SCORES.index(score))


def _with_arm_columns(points: pd.DataFrame, arms: Sequence[Arm]) -> pd.DataFrame:
    identity = arm_table(arms[number] for number in points["arm"])
    return pd.concat([identity, points], axis="columns")[list(CURVE_COLUMNS)]

"""How many numbers an arm's decoder could reach at the length at which it broke down, as in memory.csv."""

import math

import numpy as np
import pandas as pd

from attnbench.analysis.arms import arms_of, narrowest_buckets, number_arms
from attnbench.analysis.breakdown import breakdown_table
from attnbench.runs.columns import ARM_COLUMNS

SCORE, THRESHOLD = "token_accuracy", "L50"
MEMORY_COLUMNS = (
    *ARM_COLUMNS,
    "length_unit",
    "context_size",
    "length",
    "low",
    "high",
    "censored",
    "seeds",
    "steps",
    "budget_runs",
)


def memory_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each arm with free-running accuracy: its L50, and its context size at that length.

    `length`, `low`, `high`, `censored` and `seeds` are those of `breakdown_table`. `context_size` is linear in
    length between tested lengths; for an arm without a length it is there where all lengths share it. `steps`
    is the most that a run of the arm was trained, and `budget_runs` counts the runs at the tested lengths
    around L50 that were ended by their budget.
    """
    tested = narrowest_buckets(metrics).dropna(subset=[SCORE])
    arms, numbers = number_arms(tested)
    rows = {arm: tested[numbers == number] for number, arm in enumerate(arms)}
    table = breakdown_table(metrics)
    table = table[(table["score"] == SCORE) & (table["threshold"] == THRESHOLD)].reset_index(drop=True)
    facts = [_facts(rows[arm], length) for arm, length in zip(arms_of(table), table["length"], strict=True)]
    columns = ["length_unit", "context_size", "steps", "budget_runs"]
    known = pd.DataFrame(facts, columns=columns).astype({"steps": "Int64"})
    return pd.concat([table, known], axis="columns")[list(MEMORY_COLUMNS)]


def _facts(rows: pd.DataFrame, length: float) -> tuple[str, float, int | None, int]:
    steps = rows["steps"].max()
    around = rows[rows["length"].isin(_lengths_around(rows["length"].to_numpy(), length))]
    return (
        ", ".join(rows["length_unit"].dropna().unique()),
        _context_size(rows, length),
        None if pd.isna(steps) else int(steps),
        around.loc[around["stop_reason"] == "budget", "run_id"].nunique(),
    )


def _context_size(rows: pd.DataFrame, length: float) -> float:
    sizes = rows.dropna(subset=["context_size"]).groupby("length")["context_size"].mean().astype(float)
    if sizes.empty or (math.isnan(length) and sizes.nunique() > 1):
        return math.nan
    return float(np.interp(1.0 if math.isnan(length) else length, sizes.index, sizes))


def _lengths_around(lengths: np.ndarray, length: float) -> np.ndarray:
    """Return the tested lengths on both sides of one, or that one; all of them where there is none."""
    tested = np.unique(lengths)
    if math.isnan(length):
        return tested
    same = np.isclose(tested, length)
    after = np.searchsorted(tested, length)
    return tested[same] if same.any() else tested[after - 1 : after + 1]

"""Which arm a row belongs to: rows of one arm differ in seed and length, and are pooled only over seeds."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from attnbench.arm import Arm, Variant
from attnbench.runs.columns import ARM_COLUMNS

PER_LENGTH = "per_length"


def arms_of(table: pd.DataFrame) -> list[Arm]:
    """Return the arm of each row of a table that has the columns `ARM_COLUMNS`."""
    identity = table[list(ARM_COLUMNS)].assign(
        variant=table["variant"].fillna("").map(Variant.parse).astype(object)
    )
    ranges = ["train_min_length", "train_max_length"]
    identity[ranges] = identity[ranges].mask(table["protocol"] == PER_LENGTH)
    return list(map(Arm, *(_plain_values(identity[name]) for name in ARM_COLUMNS)))


def number_arms(table: pd.DataFrame) -> tuple[list[Arm], np.ndarray]:
    """Return the distinct arms in order, and for each row of the table the place of its arm among them."""
    row_arms = arms_of(table)
    arms = sort_arms(row_arms)
    places = {arm: place for place, arm in enumerate(arms)}
    return arms, np.array([places[arm] for arm in row_arms], dtype=int)


def narrowest_buckets(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without those of wide buckets, where an arm has narrower ones that end at the same length.

    A run that was evaluated on buckets 1–20 and 21–40, and later on 1–10, 11–20 and 21–40, has two scores at
    length 20; their mean would be the score of nothing.
    """
    _, arm_numbers = number_arms(metrics)
    least = metrics["length_min"].fillna(0)
    narrowest = least.groupby([arm_numbers, metrics["length"].to_numpy()]).transform("max")
    return metrics[least == narrowest]


def sort_arms(arms: Iterable[Arm]) -> list[Arm]:
    """Return the distinct arms in the order of their columns, missing values first."""
    return sorted(set(arms), key=lambda arm: [(value is not None, value) for value in arm])


def arm_table(arms: Iterable[Arm]) -> pd.DataFrame:
    """Return the columns `ARM_COLUMNS` with one row for each arm given."""
    table = pd.DataFrame(list(arms), columns=list(ARM_COLUMNS))
    table["variant"] = table["variant"].map(str).astype("str")
    nullable = ["train_min_length", "train_max_length"]
    return table.astype(dict.fromkeys(nullable, "Int64") | {"hidden_size": "int64"})


def _plain_values(column: pd.Series) -> list[Any]:
    is_missing = column.isna().to_numpy()
    if not is_missing.any():
        return column.tolist()
    return [None if missing else value for value, missing in zip(column.tolist(), is_missing, strict=True)]

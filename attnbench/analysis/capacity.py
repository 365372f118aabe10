"""Bits recovered at each length and where they level off, as in capacity.csv."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from attnbench.analysis.arms import arm_table, narrowest_buckets, number_arms
from attnbench.analysis.curves import seed_scores
from attnbench.analysis.grouped_intervals import grouped_intervals
from attnbench.analysis.plateau import Plateau, find_plateau
from attnbench.arm import Arm
from attnbench.runs.columns import ARM_COLUMNS

SCORE = "bits_recovered"
CAPACITY_COLUMNS = (
    *ARM_COLUMNS,
    "length_unit",
    "kind",
    "length",
    "length_last",
    "bits_recovered",
    "low",
    "high",
    "bits_available",
    "seeds",
    "context_size",
    "bits_per_number",
    "plateau",
)


def capacity_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return for each arm with bits a row for each length, and one that says whether they level off.

    A row of the kind "length" has the mean over seeds with its Student t interval, and `bits_per_number` of the
    context at that length. The row of the kind "plateau" has in `plateau` what `find_plateau` found; where it is
    "found", `length` to `length_last` are its lengths and `bits_recovered` its level. `bits_per_number` is
    missing where the context has no number, or for a plateau more than one size.
    """
    metrics = narrowest_buckets(metrics).dropna(subset=[SCORE, "bits_available"])
    arms, numbers = number_arms(metrics)
    rows = seed_scores(metrics, numbers, SCORE)
    by_length = _by_length(metrics, numbers, rows)
    plateaus = [_plateau_row(own, by_length.loc[[arm]]) for arm, own in rows.groupby("arm")]
    table = pd.concat(
        [by_length.reset_index(), pd.DataFrame(plateaus, columns=["arm", *_PLATEAU_COLUMNS])],
        ignore_index=True,
    )
    table = table.sort_values(["arm", "kind", "length"], kind="stable", ignore_index=True)
    table["bits_per_number"] = table["bits_recovered"] / table["context_size"].where(
        table["context_size"] > 0
    )
    table = table.astype({"length": "Int64", "length_last": "Int64", "seeds": "int64"})
    return _with_arms(table, arms, metrics, numbers)


_PLATEAU_COLUMNS = (
    "kind",
    "plateau",
    "length",
    "length_last",
    "bits_recovered",
    "low",
    "high",
    "seeds",
    "context_size",
)


def _by_length(metrics: pd.DataFrame, numbers: np.ndarray, rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each arm and length, with the arm as index."""
    table = grouped_intervals(rows.groupby(["arm", "length"])["value"])
    sizes = metrics[["bits_available", "context_size"]].astype(float)
    table[["bits_available", "context_size"]] = sizes.groupby([numbers, metrics["length"].to_numpy()]).mean()
    table = table.rename(columns={"mean": SCORE, "count": "seeds"}).assign(kind="length")
    return table.reset_index("length")


def _plateau_row(rows: pd.DataFrame, by_length: pd.DataFrame) -> Mapping[str, Any]:
    lengths, columns = np.unique(rows["length"], return_inverse=True)
    seeds, places = np.unique(rows["seed"], return_inverse=True)
    bits = np.full((len(seeds), len(lengths)), np.nan)
    bits[places, columns] = rows["value"]
    plateau = find_plateau(lengths.tolist(), bits, by_length["bits_available"].tolist())
    return {
        "arm": rows["arm"].iloc[0],
        "kind": "plateau",
        "plateau": plateau.status,
        "length": plateau.shortest,
        "length_last": plateau.longest,
        SCORE: plateau.level,
        "low": plateau.low,
        "high": plateau.high,
        "seeds": plateau.seeds,
        "context_size": _size_on(plateau, by_length),
    }


def _size_on(plateau: Plateau, by_length: pd.DataFrame) -> float:
    sizes = by_length.loc[by_length["length"] >= plateau.shortest, "context_size"]
    return float(sizes.iloc[0]) if sizes.nunique() == 1 else math.nan


def _with_arms(
    table: pd.DataFrame, arms: Sequence[Arm], metrics: pd.DataFrame, numbers: np.ndarray
) -> pd.DataFrame:
    units = metrics["length_unit"].groupby(numbers).first()
    table = table.assign(length_unit=table["arm"].map(units))
    identity = arm_table(arms[number] for number in table["arm"])
    return pd.concat([identity, table], axis="columns").reindex(columns=list(CAPACITY_COLUMNS))

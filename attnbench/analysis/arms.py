"""Which arm a row belongs to: rows of one arm differ in seed and length, and are pooled only over seeds."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from attnbench.arm import Arm, Variant
from attnbench.runs.metrics_csv import ARM_COLUMNS

PER_LENGTH = "per_length"
# What is known of a context of so many bits; tables from before there was one lack both.
CHANNEL_COLUMNS = ("channel_bits", "accuracy_ceiling")


@dataclass(frozen=True)
class Metrics:
    """The rows of metrics.csv as every table takes them, each with its arm.

    Attributes:
        frame: the rows, without those of wide buckets where an arm has narrower ones; with `CHANNEL_COLUMNS`, empty
            where the table lacks them.
        arms: the distinct arms of the rows, in order.
        numbers: the place of each row's arm among them, (rows,).
    """

    frame: pd.DataFrame
    arms: list[Arm]
    numbers: np.ndarray
    # Half of the tables ask for the scores of seeds; kept, since each takes pandas several milliseconds.
    _seed_scores: dict[str, pd.DataFrame] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Metrics":
        """Prepare rows as metrics.csv has them, once for all tables."""
        arms, numbers = number_arms(frame)
        kept = _is_narrowest(frame, numbers).to_numpy()
        channel = {
            name: pd.to_numeric(frame[name]).astype(float) if name in frame else math.nan
            for name in CHANNEL_COLUMNS
        }
        return cls(frame.assign(**channel)[kept], arms, numbers[kept])

    def where(self, is_kept: pd.Series | np.ndarray) -> "Metrics":
        """Return the rows at which a mask is true, with the arms that have any."""
        kept = np.asarray(is_kept, dtype=bool)
        places, numbers = np.unique(self.numbers[kept], return_inverse=True)
        return Metrics(self.frame[kept], [self.arms[place] for place in places], numbers)

    def having(self, *columns: str) -> "Metrics":
        """Return the rows in which none of these columns is empty."""
        return self.where(self.frame[list(columns)].notna().all(axis="columns"))

    def by_arm(self) -> dict[Arm, pd.DataFrame]:
        """Return the rows of each arm."""
        own = (rows for _, rows in self.frame.groupby(self.numbers))
        return dict(zip(self.arms, own, strict=True))

    def seed_scores(self, score: str) -> pd.DataFrame:
        """Return columns arm (its number), length, seed, value, chance: one row for each seed that has the score.

        Several runs of one seed, such as an arm trained by two versions, count as one: the seeds are the sample.
        """
        if score not in self._seed_scores:
            self._seed_scores[score] = self._mean_of_seeds(score)
        return self._seed_scores[score].copy()

    def _mean_of_seeds(self, score: str) -> pd.DataFrame:
        rows = pd.DataFrame(
            {
                "arm": self.numbers,
                "length": self.frame["length"].to_numpy(),
                "seed": self.frame["seed"].to_numpy(),
                "value": self.frame[score].to_numpy(),
                "chance": self.frame["chance_accuracy"].to_numpy(),
            }
        ).dropna(subset=["value"])
        return rows.groupby(["arm", "length", "seed"], as_index=False).mean()

    def named(self, table: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
        """Return a table whose column `arm` has numbers with the columns of their arms instead, in this order."""
        identity = arm_table(self.arms[number] for number in table["arm"])
        whole = pd.concat([identity, table.drop(columns="arm").reset_index(drop=True)], axis="columns")
        return whole.reindex(columns=list(columns))


def arms_of(table: pd.DataFrame) -> list[Arm]:
    """Return the arm of each row of a table that has the columns `ARM_COLUMNS`."""
    # By hand: pandas takes milliseconds for each operation on a table of a few rows, and there are many tables.
    cells = {name: _plain_values(table[name]) for name in ARM_COLUMNS}
    cells["variant"] = [Variant.parse(text or "") for text in cells["variant"]]
    for name in ("train_min_length", "train_max_length"):
        pairs = zip(cells[name], cells["protocol"], strict=True)
        cells[name] = [None if protocol == PER_LENGTH else length for length, protocol in pairs]
    return list(map(Arm, *cells.values()))


def number_arms(table: pd.DataFrame) -> tuple[list[Arm], np.ndarray]:
    """Return the distinct arms in order, and for each row of the table the place of its arm among them."""
    row_arms = arms_of(table)
    arms = sort_arms(row_arms)
    places = {arm: place for place, arm in enumerate(arms)}
    return arms, np.array([places[arm] for arm in row_arms], dtype=int)


def _is_narrowest(rows: pd.DataFrame, numbers: np.ndarray) -> pd.Series:
    """Say which rows are not of wide buckets, where their arm has narrower ones that end at the same length.

    A run that was evaluated on buckets 1–20 and 21–40, and later on 1–10, 11–20 and 21–40, has two scores at
    length 20; their mean would be the score of nothing.
    """
    least = rows["length_min"].fillna(0)
    return least == least.groupby([numbers, rows["length"].to_numpy()]).transform("max")


def arm_rows(table: pd.DataFrame) -> Iterator[tuple[Arm, Any]]:
    """Return each row of a table with its arm; the row's columns are attributes."""
    return zip(arms_of(table), table.itertuples(index=False), strict=True)


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

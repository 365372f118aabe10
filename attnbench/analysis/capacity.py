"""What a context holds: bits and where they level off (capacity.csv), and L50 beside its size (memory.csv)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from attnbench.analysis.arms import Metrics, arms_of
from attnbench.analysis.breakdown import l50_rows, lengths_around
from attnbench.analysis.larger_budget import ENDED, grows
from attnbench.analysis.statistics import FEW_SEEDS, grouped_intervals, mean_interval
from attnbench.runs.metrics_csv import ARM_COLUMNS

PlateauStatus = Literal["found", "none", "all_recovered", "too_few", "budget", "grows", "extrapolation"]

# Share of the ceiling from which on an arm counts as holding all there is.
ALL = 0.95
# Two points are always a line, and may be flat by chance.
_LEAST_LENGTHS = 3
# Where hardly more could be held, a level says what the task had, not what the context holds.
_ROOM = 1.5
# A plateau's slope lies surely below this share of the ceiling's.
_STEEP = 0.5
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
CONTEXT_SIZE_COLUMNS = (
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


@dataclass(frozen=True)
class Plateau:
    """Where the bits level off: all numbers are NaN unless `status` is "found".

    `status` is "all_recovered" where at least 95 % of the ceiling is reached at the longest tested length, so
    that nothing can have levelled off; "too_few" where fewer than three lengths lie beyond the last such length,
    or fewer than five seeds have them; "budget" where the bits level off, but a run there was ended by its budget;
    "none" where the bits rise, fall, or leave it open. For an arm as a whole it is "grows" where the context has
    more numbers at longer inputs, and "extrapolation" under that protocol: a level is then no capacity.
    """

    status: PlateauStatus
    shortest: float = math.nan
    longest: float = math.nan
    level: float = math.nan
    low: float = math.nan
    high: float = math.nan
    seeds: int = 0


def capacity_table(metrics: Metrics) -> pd.DataFrame:
    """Return for each arm with bits a row for each length, and one that says whether they level off.

    A row of the kind "length" has the mean over seeds with its Student t interval, and `bits_per_number` of the
    context at that length. The row of the kind "plateau" has in `plateau` what `find_plateau` found; where it is
    "found", `length` to `length_last` are its lengths and `bits_recovered` its level. `bits_per_number` is
    missing where the context has no number, or for a plateau more than one size. A run whose end is not known counts as
    one that its budget ended.
    """
    metrics = metrics.having(SCORE, "bits_available")
    rows = metrics.seed_scores(SCORE)
    by_length = _by_length(metrics, rows)
    protocols = [arm.protocol for arm in metrics.arms]
    plateaus = [
        _plateau_row(own, by_length.loc[[number]], protocols[own["arm"].iloc[0]])
        for number, own in rows.groupby("arm")
    ]
    table = pd.concat(
        [by_length.reset_index(), pd.DataFrame(plateaus, columns=["arm", *_PLATEAU_COLUMNS])],
        ignore_index=True,
    )
    table = table.sort_values(["arm", "kind", "length"], kind="stable", ignore_index=True)
    table["bits_per_number"] = table["bits_recovered"] / table["context_size"].where(
        table["context_size"] > 0
    )
    table = table.astype({"length": "Int64", "length_last": "Int64", "seeds": "int64"})
    units = metrics.frame["length_unit"].groupby(metrics.numbers).first()
    return metrics.named(table.assign(length_unit=table["arm"].map(units)), CAPACITY_COLUMNS)


def find_plateau(
    lengths: Sequence[float], bits: np.ndarray, available: Sequence[float], is_cut: Sequence[bool] = ()
) -> Plateau:
    """Look for a plateau among the lengths beyond the last at which an arm holds 95 % of what there is.

    It is the longest run of at least three lengths, up to the longest tested, over which the bits do not rise any
    more: the slope over log2 length, fitted for at least five seeds, has a Student t interval that includes 0 and
    ends below half the slope of the ceiling over the same lengths. At each of them the bits available exceed the
    level by half, and no run was ended by its budget. The level is the mean over the seeds' own means, with a t
    interval, which must not end below the most bits held at any length: that is a collapse of training, not a
    capacity. It is a lower bound, and so is the mean at each length: the level is never below the largest of these.
    Nothing is clipped: an arm that knows nothing levels off at 0, or a little below.

    Args:
        lengths: tested lengths, increasing.
        bits: recovered, (seeds, lengths), NaN where a seed lacks a length; each length has some.
        available: the ceiling at each length.
        is_cut: whether some run at each length was ended by its budget; none was, by default.
    """
    means = np.nanmean(bits, axis=0)
    is_all = np.flatnonzero(means >= ALL * np.asarray(available))
    first = int(is_all[-1]) + 1 if len(is_all) else 0
    if first == len(lengths):
        return Plateau("all_recovered")
    starts = range(first, len(lengths) - _LEAST_LENGTHS + 1)
    tried = [_look_at(lengths, bits, available, start) for start in starts]
    cut = list(is_cut) or [False] * len(lengths)
    levels = [(plateau, any(cut[start:])) for start, plateau in zip(starts, tried, strict=True)]
    found = [plateau for plateau, was_cut in levels if plateau.status == "found" and not was_cut]
    if found:
        return found[0]
    if any(plateau.status == "found" for plateau in tried):
        return Plateau("budget")
    return Plateau("too_few" if all(plateau.status == "too_few" for plateau in tried) else "none")


def context_size_table(metrics: Metrics, breakdowns: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each arm with free-running accuracy: its L50, and its context size at that length.

    `length`, `low`, `high`, `censored` and `seeds` are those of `breakdown_table`. `context_size` is linear in
    length between tested lengths; for an arm without a length it is there where all lengths share it. `steps`
    is the most that a run of the arm was trained, and `budget_runs` counts the runs at the tested lengths
    around L50 that were ended by their budget.

    Args:
        metrics: rows of a sweep.
        breakdowns: the same as `breakdown_table` gives them.
    """
    rows = metrics.having("token_accuracy").by_arm()
    table = l50_rows(breakdowns)
    facts = [_facts(rows[arm], length) for arm, length in zip(arms_of(table), table["length"], strict=True)]
    columns = ["length_unit", "context_size", "steps", "budget_runs"]
    known = pd.DataFrame(facts, columns=columns).astype({"steps": "Int64"})
    return pd.concat([table, known], axis="columns")[list(CONTEXT_SIZE_COLUMNS)]


def _by_length(metrics: Metrics, rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each arm and length, with the arm as index."""
    table = grouped_intervals(rows.groupby(["arm", "length"])["value"])
    by_length = [metrics.numbers, metrics.frame["length"].to_numpy()]
    sizes = metrics.frame[["bits_available", "context_size"]].astype(float)
    table[["bits_available", "context_size"]] = sizes.groupby(by_length).mean()
    table["is_cut"] = (~metrics.frame["stop_reason"].isin(ENDED)).groupby(by_length).any()
    table = table.rename(columns={"mean": SCORE, "count": "seeds"}).assign(kind="length")
    return table.reset_index("length")


def _plateau_row(rows: pd.DataFrame, by_length: pd.DataFrame, protocol: str) -> Mapping[str, Any]:
    lengths, columns = np.unique(rows["length"], return_inverse=True)
    seeds, places = np.unique(rows["seed"], return_inverse=True)
    bits = np.full((len(seeds), len(lengths)), np.nan)
    bits[places, columns] = rows["value"]
    available, is_cut = by_length["bits_available"].tolist(), by_length["is_cut"].tolist()
    plateau = find_plateau(lengths.tolist(), bits, available, is_cut)
    if plateau.status != "all_recovered" and protocol == "extrapolation":
        plateau = Plateau("extrapolation")
    elif plateau.status != "all_recovered" and grows(by_length):
        plateau = Plateau("grows")
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


def _look_at(lengths: Sequence[float], bits: np.ndarray, available: Sequence[float], start: int) -> Plateau:
    """Say whether the bits level off from the length at a place on."""
    whole = bits[~np.isnan(bits[:, start:]).any(axis=1), start:]
    if len(whole) < FEW_SEEDS:
        return Plateau("too_few")
    places = np.log2(lengths[start:])
    ceiling = _slopes(places, np.asarray(available[start:])[None])[0]
    slope = mean_interval(_slopes(places, whole).tolist())
    level = mean_interval(whole.mean(axis=1).tolist())
    held = float(np.nanmean(bits, axis=0).max())
    at_least = max(level.mean, held)
    has_room = min(available[start:]) >= _ROOM * at_least
    if not (slope.low <= 0 <= slope.high < _STEEP * ceiling) or level.high < held or not has_room:
        return Plateau("none")
    return Plateau("found", lengths[start], lengths[-1], at_least, level.low, level.high, level.count)


def _slopes(places: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Return the least-squares slope of each row of values over the places."""
    centred = places - places.mean()
    return curves @ centred / (centred @ centred)


def _facts(rows: pd.DataFrame, length: float) -> tuple[str, float, int | None, int]:
    steps = rows["steps"].max()
    around = rows[rows["length"].isin(lengths_around(rows["length"].to_numpy(), length))]
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

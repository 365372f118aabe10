"""The price of length: how much training an arm needs until it has learnt a length, as in price.csv."""

import numpy as np
import pandas as pd

from attnbench.analysis.arms import arm_table, narrowest_buckets, number_arms
from attnbench.arm import Arm
from attnbench.runs.columns import ARM_COLUMNS

STOP_REASONS = ("solved", "plateau", "budget")
_PRICES = ("steps_to_90", "tokens_to_90", "seconds_to_90")
PRICE_COLUMNS = (
    *ARM_COLUMNS,
    "length_unit",
    "length",
    "steps",
    "steps_fastest",
    "steps_slowest",
    "target_tokens",
    "seconds",
    "trained_steps",
    "seeds",
    "seeds_censored",
    *(f"ended_{reason}" for reason in STOP_REASONS),
)


def price_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return what it cost each arm to come 0.9 of the way from chance to perfect on validation.

    There is a row for each arm and length under `per_length`; under the other protocols one run learns all
    lengths, so an arm has one row, without a length. `steps` is the first evaluated step by which at least half of
    the seeds had arrived, missing where fewer ever did: runs that never arrived (`seeds_censored`) count as later
    than all others, whatever ended them, since one that has levelled off would not have arrived later either.
    `steps_slowest` is missing where any is censored. `target_tokens` and `seconds` are taken the same way.
    `trained_steps` is the longest that a run was trained, and `ended_…` count the runs by their stop reason.
    """
    runs = _runs(narrowest_buckets(metrics))
    arms, numbers = number_arms(runs)
    # One value for missing lengths, so that groups are not lost.
    runs = runs.assign(arm=numbers, place=runs["length"].fillna(0))
    groups = runs.groupby(["arm", "place"])
    prices = _half_arrived(runs)
    arrived, slowest = groups["steps_to_90"].count(), groups["steps_to_90"].max()
    table = pd.DataFrame(
        {
            "length_unit": groups["length_unit"].first(),
            "length": groups["length"].first(),
            "steps": prices["steps_to_90"],
            "steps_fastest": groups["steps_to_90"].min(),
            "steps_slowest": slowest.where(arrived == groups.size()),
            "target_tokens": prices["tokens_to_90"],
            "seconds": prices["seconds_to_90"],
            "trained_steps": groups["steps"].max(),
            "seeds": groups["seed"].nunique(),
            "seeds_censored": groups.size() - arrived,
            **{f"ended_{reason}": groups[f"ended_{reason}"].sum() for reason in STOP_REASONS},
        }
    )
    return _with_arms(table, arms)


def seed_prices(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the steps of each run that arrived: columns `ARM_COLUMNS`, length, seed and steps."""
    runs = _runs(narrowest_buckets(metrics)).dropna(subset=["steps_to_90"])
    arms, numbers = number_arms(runs)
    own = runs[["length", "seed"]].assign(steps=runs["steps_to_90"].astype("int64")).reset_index(drop=True)
    return pd.concat([arm_table(arms[number] for number in numbers), own], axis="columns")


def _runs(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each run that says how long it was trained, with its price in three currencies.

    A run trains on so many target tokens and seconds a step; the tokens are those per second times the seconds
    of training, which metrics.csv rounds, so they are true to a few parts in ten thousand.
    """
    runs = metrics.dropna(subset=["steps", "chance_accuracy"]).drop_duplicates("run_id")
    runs = runs.assign(length=runs["train_max_length"].where(runs["protocol"] == "per_length"))
    seconds = runs["train_seconds"].astype(float)
    share = (runs["steps_to_90"] / runs["steps"]).astype(float)
    return runs.assign(
        tokens_to_90=(share * runs["tokens_per_second"].astype(float) * seconds).round(),
        seconds_to_90=share * seconds,
        **{f"ended_{reason}": (runs["stop_reason"] == reason).astype(int) for reason in STOP_REASONS},
    ).reset_index(drop=True)


def _half_arrived(runs: pd.DataFrame) -> pd.DataFrame:
    """Return for each arm and place the least price by which at least half had arrived, NaN where fewer did."""
    # Those that never arrived are later than all others; of an even number the earlier of the middle two counts.
    prices = runs[list(_PRICES)].astype(float).fillna(np.inf)
    middle = prices.groupby([runs["arm"], runs["place"]]).quantile(0.5, interpolation="lower")
    return middle.replace(np.inf, np.nan)


def _with_arms(table: pd.DataFrame, arms: list[Arm]) -> pd.DataFrame:
    identity = arm_table(arms[number] for number in table.index.get_level_values("arm"))
    table = table.reset_index(drop=True)
    whole = ["length", "steps", "steps_fastest", "steps_slowest", "target_tokens", "trained_steps"]
    table[whole] = table[whole].astype("Int64")
    return pd.concat([identity, table], axis="columns")[list(PRICE_COLUMNS)]

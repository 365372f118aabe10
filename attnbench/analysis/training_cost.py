"""The training cost of length: how many steps an arm needs until it has learnt a length, as in price.csv."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from attnbench.analysis.arms import PER_LENGTH, Metrics, sort_arms
from attnbench.analysis.larger_budget import budgets_of, largest_budgets
from attnbench.analysis.tobit import Estimate, Line, Values, fit_line
from attnbench.arm import Arm
from attnbench.runs.metrics_csv import ARM_COLUMNS

STOP_REASONS = ("solved", "plateau", "budget")
# With fewer that half of the seeds learnt there is no exponent.
LEAST_LENGTHS = 3
_COSTS = ("steps_to_90", "tokens_to_90", "seconds_to_90")
TRAINING_COST_COLUMNS = (
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


def training_cost_table(metrics: Metrics) -> pd.DataFrame:
    """Return what it cost each arm to come 0.9 of the way from chance to perfect on validation.

    There is a row for each arm and length under `per_length`; under the other protocols one run learns all
    lengths, so an arm has one row, without a length. `steps` is the first evaluated step by which at least half of
    the seeds had arrived, missing where fewer ever did: runs that never arrived (`seeds_censored`) count as later
    than all others, whatever ended them, since one that has levelled off would not have arrived later either.
    `steps_slowest` is missing where any is censored. `target_tokens` and `seconds` are taken the same way.
    `trained_steps` is the longest that a run was trained, and `ended_…` count the runs by their stop reason.
    """
    runs = _runs(metrics)
    # One value for missing lengths, so that groups are not lost.
    rows = runs.frame.assign(arm=runs.numbers, group=runs.frame["length"].fillna(0))
    groups = rows.groupby(["arm", "group"])
    costs = _half_arrived(rows)
    arrived, slowest = groups["steps_to_90"].count(), groups["steps_to_90"].max()
    table = pd.DataFrame(
        {
            "length_unit": groups["length_unit"].first(),
            "length": groups["length"].first(),
            "steps": costs["steps_to_90"],
            "steps_fastest": groups["steps_to_90"].min(),
            "steps_slowest": slowest.where(arrived == groups.size()),
            "target_tokens": costs["tokens_to_90"],
            "seconds": costs["seconds_to_90"],
            "trained_steps": groups["steps"].max(),
            "seeds": groups["seed"].nunique(),
            "seeds_censored": groups.size() - arrived,
            **{f"ended_{reason}": groups[f"ended_{reason}"].sum() for reason in STOP_REASONS},
        }
    )
    whole = ["length", "steps", "steps_fastest", "steps_slowest", "target_tokens", "trained_steps"]
    table = table.reset_index("arm").astype(dict.fromkeys(whole, "Int64"))
    return runs.named(table, TRAINING_COST_COLUMNS)


def seed_training_costs(metrics: Metrics) -> pd.DataFrame:
    """Return the steps of each run that arrived: columns `ARM_COLUMNS`, length, seed and steps."""
    runs = _runs(metrics).having("steps_to_90")
    own = runs.frame[["length", "seed"]].assign(
        arm=runs.numbers, steps=runs.frame["steps_to_90"].astype("int64")
    )
    return runs.named(own, [*ARM_COLUMNS, "length", "seed", "steps"])


@dataclass(frozen=True)
class PriceLaw:
    """How the steps that one arm takes to learn grow with length: log2 steps = a + d · log2 length.

    Attributes:
        arm: the one of the largest budget, of each family and hidden size.
        training_steps: its budget.
        lengths: those with runs of their own.
        arrived: of these, those where at least half of the seeds arrived.
        line: None where there is no exponent.
        reason: why there is none; else empty.
        seeds: how many there are.
    """

    arm: Arm
    training_steps: int
    lengths: Sequence[int]
    arrived: Sequence[int]
    line: Line | None
    reason: str
    seeds: int

    @property
    def exponent(self) -> Estimate | None:
        """The exponent of length."""
        return None if self.line is None else self.line.estimate(np.array([0.0, 1.0]))

    def steps_at(self, length: float) -> float:
        """Return the steps that the law says."""
        assert self.line is not None
        return 2 ** self.line.at(np.array([1.0, math.log2(length)]))


def find_price_laws(metrics: Metrics) -> list[PriceLaw]:
    """Return how the price of length grows for each family of arms and hidden size, at its largest budget.

    Only runs of their own for each length have one (protocol per_length).
    """
    runs = _runs(metrics)
    budgets = budgets_of(metrics)
    rows = runs.by_arm()
    largest = sort_arms(largest_budgets(budgets).values())
    found = ((arm, rows[arm].dropna(subset=["length"])) for arm in largest if arm in rows)
    return [_price_law(arm, budgets[arm], own) for arm, own in found if own["length"].nunique() > 1]


def _runs(metrics: Metrics) -> Metrics:
    """Return one row for each run that says how long it was trained, with its cost in three currencies.

    A run trains on so many target tokens and seconds a step; the tokens are those per second times the seconds
    of training, which metrics.csv rounds, so they are true to a few parts in ten thousand.
    """
    known = metrics.having("steps", "chance_accuracy")
    whole = known.where(~known.frame["run_id"].duplicated())
    runs = whole.frame
    seconds = runs["train_seconds"].astype(float)
    share = (runs["steps_to_90"] / runs["steps"]).astype(float)
    frame = runs.assign(
        length=runs["train_max_length"].where(runs["protocol"] == PER_LENGTH),
        tokens_to_90=(share * runs["tokens_per_second"].astype(float) * seconds).round(),
        seconds_to_90=share * seconds,
        **{f"ended_{reason}": (runs["stop_reason"] == reason).astype(int) for reason in STOP_REASONS},
    )
    return replace(whole, frame=frame)


def _half_arrived(runs: pd.DataFrame) -> pd.DataFrame:
    """Return for each arm and group the least cost by which at least half had arrived, NaN where fewer did."""
    # Those that never arrived are later than all others; of an even number the earlier of the middle two counts.
    costs = runs[list(_COSTS)].astype(float).fillna(np.inf)
    middle = costs.groupby([runs["arm"], runs["group"]]).quantile(0.5, interpolation="lower")
    return middle.replace(np.inf, np.nan)


def _price_law(arm: Arm, budget: int, runs: pd.DataFrame) -> PriceLaw:
    cost, trained = runs["steps_to_90"].astype(float), runs["steps"].astype(float)
    is_known = cost.notna().to_numpy()
    lengths = runs["length"].astype(float).to_numpy()
    places, cells = np.unique(lengths, return_inverse=True)
    shares = np.bincount(cells, is_known) / np.bincount(cells)
    arrived = places[shares >= 0.5].astype(int).tolist()
    line, reason = None, ""
    if len(arrived) < LEAST_LENGTHS:
        reason = f"half of the seeds learnt {len(arrived)} of {len(places)} lengths, and {LEAST_LENGTHS} are the least"
    else:
        design = np.column_stack([np.ones(len(lengths)), np.log2(lengths)])
        values = np.log2(cost.fillna(trained).to_numpy())
        line = fit_line(Values(design, values, np.where(is_known, 0, 1), runs["seed"].to_numpy(), cells))
    return PriceLaw(
        arm, budget, places.astype(int).tolist(), arrived, line, reason, int(runs["seed"].nunique())
    )

"""Whether a breakdown moves with a longer budget: limited by training, or by memory."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from attnbench.analysis.arms import arm_table, arms_of, narrowest_buckets
from attnbench.analysis.breakdown import Breakdown, breakdown_table
from attnbench.arm import Arm
from attnbench.runs.columns import ARM_COLUMNS

BUDGET_KEY = "training.steps"
SCORE, THRESHOLD = "token_accuracy", "L50"
_FIELDS = [field.name for field in fields(Breakdown)]
LONGER_COLUMNS = (
    *ARM_COLUMNS,
    "budget_before",
    "budget_after",
    "factor",
    "length_before",
    "low_before",
    "high_before",
    "length_after",
    "low_after",
    "high_after",
    "censored_after",
    "seeds_before",
    "seeds_after",
    "moved",
)


def longer_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return for each arm that broke down, and was trained with a larger budget too, whether L50 moved.

    Arms that differ in the budget alone are paired, each with the next larger; the arm named is that of the
    smaller budget. `moved` says whether the free-running L50 of the larger budget lies outside the interval of
    the smaller, and is missing where that has no interval, or where the longer runs ended inside it without a
    breakdown. An arm whose variant names no budget has the most steps that a run of it took.
    """
    budgets = _budgets(metrics)
    pairs = list(_neighbours(budgets))
    arms = {arm for pair in pairs for arm in pair}
    breakdowns = breakdown_table(metrics[np.array([arm in arms for arm in arms_of(metrics)], dtype=bool)])
    is_l50 = (breakdowns["score"] == SCORE) & (breakdowns["threshold"] == THRESHOLD)
    found = breakdowns[is_l50]
    by_arm = {
        arm: Breakdown(*row)
        for arm, row in zip(arms_of(found), found[_FIELDS].itertuples(index=False), strict=True)
    }
    compared = [
        (before, _compare(by_arm[before], by_arm[after], budgets[before], budgets[after]))
        for before, after in pairs
        if before in by_arm and after in by_arm and not by_arm[before].censored
    ]
    values = pd.DataFrame(
        [row for _, row in compared], columns=[name for name in LONGER_COLUMNS if name not in ARM_COLUMNS]
    ).astype({"moved": "boolean"})
    return pd.concat([arm_table(arm for arm, _ in compared), values], axis="columns")


def without_budget(arm: Arm) -> Arm:
    """Return what arms that differ in the budget alone have in common."""
    return arm._replace(variant=arm.variant.without([BUDGET_KEY]))


def _budgets(metrics: pd.DataFrame) -> dict[Arm, int]:
    metrics = narrowest_buckets(metrics).dropna(subset=["steps"])
    most: dict[Arm, int] = {}
    for arm, steps in zip(arms_of(metrics), metrics["steps"], strict=True):
        most[arm] = max(most.get(arm, 0), int(steps))
    return {arm: _named_budget(arm) or steps for arm, steps in most.items()}


def _named_budget(arm: Arm) -> int | None:
    named = arm.variant.get(BUDGET_KEY)
    return None if named is None else int(float(named))


def _neighbours(budgets: Mapping[Arm, int]) -> Iterator[tuple[Arm, Arm]]:
    """Yield arms that differ in the budget alone, each with that of the next larger budget."""
    families: dict[Arm, list[Arm]] = {}
    for arm in budgets:
        families.setdefault(without_budget(arm), []).append(arm)
    for family in families.values():
        ordered = sorted(family, key=lambda arm: budgets[arm])
        yield from (pair for pair in pairwise(ordered) if budgets[pair[0]] < budgets[pair[1]])


def _compare(before: Breakdown, after: Breakdown, small: int, large: int) -> dict[str, Any]:
    return {
        "budget_before": small,
        "budget_after": large,
        "factor": large / small,
        "length_before": before.length,
        "low_before": before.low,
        "high_before": before.high,
        "seeds_before": before.seeds,
        "length_after": after.length,
        "low_after": after.low,
        "high_after": after.high,
        "seeds_after": after.seeds,
        "censored_after": after.censored,
        "moved": _moved(before, after),
    }


def _moved(before: Breakdown, after: Breakdown) -> bool | None:
    if math.isnan(before.low) or math.isnan(after.length):
        return None
    if after.censored == "above":  # L50 is beyond the longest length that was run again
        return True if after.length >= before.high else None
    if after.censored == "below":
        return True if after.length <= before.low else None
    return not before.low <= after.length <= before.high

"""What a larger budget does to a breakdown: it stays, it moved, or it is not shown to do either (longer.csv)."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from attnbench.analysis.arms import Metrics, arm_table
from attnbench.analysis.breakdown import (
    Breakdown,
    Crossing,
    l50_by_arm,
    lengths_around,
    seed_crossings,
)
from attnbench.analysis.rates import TuningRows
from attnbench.analysis.statistics import FEW_SEEDS, MeanInterval, mean_interval
from attnbench.arm import Arm
from attnbench.runs.metrics_csv import ARM_COLUMNS

Outcome = Literal["stays", "moved", "not_shown"]
HasLevelled = Callable[[str], bool]
"""Says of a run, by its run_id, whether it had stopped to improve before its budget decayed the rate."""

BUDGET_KEY = "training.steps"
# `sweep --longer` multiplies it by as much as the budget, and names both in the variant.
PATIENCE_KEY = "training.patience"
# Only a budget so many times larger says whether the size of the context is the limit.
SEVERAL = 3
# A breakdown stays where more training moves its length by less than this share.
SAME = 0.1
# A run that solved its task or stood still has nothing left to gain from more steps.
ENDED = ("plateau", "solved")
LARGER_BUDGET_COLUMNS = (
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
    "pairs",
    "change",
    "change_low",
    "change_high",
    "runs_around",
    "runs_levelled",
    "context_grows",
    "outcome",
)


def larger_budget_table(
    metrics: Metrics,
    breakdowns: pd.DataFrame,
    has_levelled: HasLevelled = lambda _: False,
    tuning: TuningRows = (),
) -> pd.DataFrame:
    """Return for each arm that broke down, and was trained with a larger budget too, what became of L50.

    Arms that differ in the budget alone, or in patience by as much, are paired, each with the next larger; the arm
    named is that of the smaller budget. An arm whose variant names no budget has the most steps that a run of it
    took. `change` is the factor by which the seeds' own free-running L50 grew, with its interval over the `pairs` of
    seeds. `outcome` is

    - "stays", where `decide` finds every condition met;
    - "moved", where the interval of the change lies on one side of 1, or where the longer runs never fell and ended
      beyond the interval before;
    - "not_shown" to move nor to stay, otherwise.

    That it stays says that more steps do not help, not why: memory may be the limit, or an optimum that training does
    not leave.

    `moved` says the same as true or false, and is missing where it is not shown.

    Args:
        metrics: rows of a sweep.
        breakdowns: the same as `breakdown_table` gives them.
        has_levelled: of runs that were ended by their budget; none has, by default.
        tuning: as for `breakdown_table`.
    """
    budgets, by_arm = budgets_of(metrics), l50_by_arm(breakdowns)
    rows, own = metrics.by_arm(), seed_crossings(metrics, tuning)
    compared = []
    for before, after in _neighbours(budgets):
        if before in by_arm and after in by_arm and not by_arm[before].censored:
            rerun = Rerun.of(
                before, rows[after], by_arm[after], budgets[after] / budgets[before], has_levelled
            )
            changes = paired_changes(own[before], own[after])
            row = _compare(by_arm[before], by_arm[after], changes, rerun)
            row |= {"budget_before": budgets[before], "budget_after": budgets[after]}
            compared.append((before, row))
    names = [name for name in LARGER_BUDGET_COLUMNS if name not in ARM_COLUMNS]
    values = pd.DataFrame([row for _, row in compared], columns=names).astype({"moved": "boolean"})
    return pd.concat([arm_table(arm for arm, _ in compared), values], axis="columns")


@dataclass(frozen=True)
class Rerun:
    """What is asked of the longer runs, besides their lengths, before a breakdown is said to stay.

    Attributes:
        factor: the larger budget over the smaller.
        protocol: of both.
        context_grows: whether the context has more numbers at longer inputs, or nobody knows.
        runs: longer runs at the tested lengths around their breakdown.
        levelled: how many of these had stopped to improve when they ended.
    """

    factor: float
    protocol: str
    context_grows: bool
    runs: int
    levelled: int

    @classmethod
    def of(
        cls, arm: Arm, rows: pd.DataFrame, found: Breakdown, factor: float, has_levelled: HasLevelled
    ) -> "Rerun":
        """Look at the rows of the longer runs."""
        around = rows[rows["length"].isin(lengths_around(rows["length"].to_numpy(), found.length))]
        runs = around.drop_duplicates("run_id")
        levelled = sum(
            reason in ENDED or has_levelled(run_id)
            for run_id, reason in zip(runs["run_id"], runs["stop_reason"], strict=True)
        )
        return cls(factor, arm.protocol, grows(rows), len(runs), levelled)

    @property
    def may_stay(self) -> bool:
        """Whether a breakdown may be said to stay in place."""
        return (
            self.factor >= SEVERAL
            and self.protocol != "extrapolation"
            and not self.context_grows
            and 0 < self.runs == self.levelled
        )


def grows(rows: pd.DataFrame) -> bool:
    """Whether the context of an arm is not known to be of one size at all its lengths."""
    sizes = rows["context_size"]
    return bool(sizes.isna().any()) or sizes.nunique() != 1


def paired_changes(before: Mapping[int, Crossing], after: Mapping[int, Crossing]) -> list[float]:
    """Return log2 of L50 after over L50 before, of each seed that has both curves; NaN where one is censored."""
    return [
        math.nan
        if before[seed].censored or after[seed].censored
        else math.log2(after[seed].length / before[seed].length)
        for seed in sorted(before.keys() & after.keys())
    ]


def change_interval(changes: Sequence[float]) -> MeanInterval:
    """Return the mean change of log2 L50 with its t interval over pairs; NaN where a pair is censored or missing."""
    if not changes or any(map(math.isnan, changes)):
        return MeanInterval(math.nan, math.nan, math.nan, len(changes))
    return mean_interval(changes)


def decide(change: MeanInterval, may_stay: bool) -> Outcome:
    """Say what a paired change of log2 L50 shows.

    It is "stays" where the longer runs allow the word, five seeds or more are paired, and the interval ends below
    +10 % (and not as a whole below −10 %, which is worse training). That L50 after lies within the interval before
    is no evidence: so wide an interval accepts nearly everything.
    """
    margin = math.log2(1 + SAME)
    stays = -margin <= change.high < margin
    if may_stay and change.count >= FEW_SEEDS and stays:
        return "stays"
    return "moved" if change.low > 0 or change.high < 0 else "not_shown"


def steps_of_budgets(trained: Iterable[tuple[Arm, float]]) -> list[int]:
    """Return the most steps that runs of each budget were trained, ascending, where that is known.

    Args:
        trained: of runs, the arm and the steps, NaN where they are not known.
    """
    most: dict[str | None, float] = {}
    for arm, steps in trained:
        if not pd.isna(steps):
            budget = arm.variant.get(BUDGET_KEY)
            most[budget] = max(most.get(budget, steps), steps)
    return sorted({int(steps) for steps in most.values()})


def without_budget(arm: Arm) -> Arm:
    """Return what arms that differ in the budget alone have in common."""
    return arm._replace(variant=arm.variant.without([BUDGET_KEY]))


def family_of(arm: Arm) -> Arm:
    """Return what arms that differ in budget and hidden size alone have in common."""
    return arm._replace(variant=arm.variant.without([BUDGET_KEY, PATIENCE_KEY]), hidden_size=0)


def _compare(before: Breakdown, after: Breakdown, changes: Sequence[float], rerun: Rerun) -> dict[str, Any]:
    change = change_interval(changes)
    outcome = decide(change, rerun.may_stay)
    # L50 is then beyond the longest length that was run again.
    if after.censored == "above" and after.length >= before.high:
        outcome = "moved"
    return {
        "factor": rerun.factor,
        "length_before": before.length,
        "low_before": before.low,
        "high_before": before.high,
        "seeds_before": before.seeds,
        "length_after": after.length,
        "low_after": after.low,
        "high_after": after.high,
        "seeds_after": after.seeds,
        "censored_after": after.censored,
        "moved": None if outcome == "not_shown" else outcome == "moved",
        "pairs": change.count,
        "change": 2**change.mean,
        "change_low": 2**change.low,
        "change_high": 2**change.high,
        "runs_around": rerun.runs,
        "runs_levelled": rerun.levelled,
        "context_grows": rerun.context_grows,
        "outcome": outcome,
    }


def budgets_of(metrics: Metrics) -> dict[Arm, int]:
    """Return the budget that each arm's variant names, or that ended a run of it.

    Else it is the default, as far as it is known: the most steps of any run whose variant names no budget.
    """
    trained = metrics.having("steps")
    steps = trained.frame["steps"]
    of_ended = steps.where(trained.frame["stop_reason"] == "budget").groupby(trained.numbers).max()
    most = steps.groupby(trained.numbers).max()
    is_unnamed = [arm.variant.get(BUDGET_KEY) is None for arm in trained.arms]
    told = of_ended.fillna(most[is_unnamed].max())
    return {
        arm: int(float(arm.variant.get(BUDGET_KEY) or own))
        for arm, own in zip(trained.arms, told, strict=True)
    }


def largest_budgets(budgets: Mapping[Arm, int]) -> dict[Arm, Arm]:
    """Return for each arm the one of the largest budget among those that differ in it, and at most in patience."""
    family = {arm: family_of(arm)._replace(hidden_size=arm.hidden_size) for arm in budgets}
    largest = {family[arm]: arm for arm in sorted(budgets, key=lambda arm: budgets[arm])}
    return {arm: largest[family[arm]] for arm in budgets}


def _neighbours(budgets: Mapping[Arm, int]) -> Iterator[tuple[Arm, Arm]]:
    """Yield arms that differ in the budget, and at most in patience besides, each with that of the next larger one."""
    families: dict[Arm, list[Arm]] = {}
    for arm in budgets:
        variant = without_budget(arm).variant.without([PATIENCE_KEY])
        families.setdefault(arm._replace(variant=variant), []).append(arm)
    for family in families.values():
        for after in sorted(family, key=lambda arm: (budgets[arm], _patience(arm))):
            if before := _shorter(after, family, budgets):
                yield before, after


def _shorter(after: Arm, family: Sequence[Arm], budgets: Mapping[Arm, int]) -> Arm | None:
    """Return the arm of the next smaller budget that a longer one goes with; None where there is none.

    Its patience is smaller by as much as its budget, or else the same. An arm that names none has the default, which
    tables do not tell: it is taken for what a named patience was multiplied from where no other arm fits.
    """
    smaller = [arm for arm in family if budgets[arm] < budgets[after]]
    patience = _patience(after)
    scaled, same, unnamed = (
        [
            arm
            for arm in smaller
            if _patience(arm) and _patience(arm) * budgets[after] == patience * budgets[arm]
        ],
        [arm for arm in smaller if _patience(arm) == patience],
        [arm for arm in smaller if not _patience(arm)],
    )
    fitting = scaled or same or unnamed
    return max(fitting, key=lambda arm: budgets[arm], default=None)


def _patience(arm: Arm) -> float:
    """Return the patience that an arm's variant names, 0 where it names none."""
    return float(arm.variant.get(PATIENCE_KEY) or 0)

"""Every arm against the baseline, paired by seed: the contrast fixed in advance, and gaps, as in comparison.csv."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from attnbench.analysis.arms import Metrics
from attnbench.analysis.curves import TOKEN_SCORES
from attnbench.analysis.statistics import grouped_intervals, sign_flip_floor, sign_flip_p
from attnbench.arm import Arm
from attnbench.runs.metrics_csv import ARM_COLUMNS

DEFAULT_BASELINE = "fixed"
# How far apart, as a share, the parameters of arms may lie that are matched by them.
_NEAR = 0.05
# Gaps that cancel but for their last bits are on neither side.
_ROUNDING = 1e-9
# An arm is equivalent where the interval of its gap lies within so much of 0.
EQUIVALENT = 0.02
# Fewer pairs cannot come below the usual level: the test of four has 1/16 as its smallest p.
TESTED_PAIRS = 5
# A length is short where the baseline comes so far from chance to perfect.
SHORT = 0.9
COMPARISON_COLUMNS = (
    *ARM_COLUMNS,
    "score",
    "baseline",
    "baseline_variant",
    "baseline_hidden_size",
    "kind",
    "length",
    "gap",
    "low",
    "high",
    "pairs",
    "p_one_sided",
    "p_floor",
    "short",
    "equivalent",
    "shared_min",
    "shared_max",
    "shared_lengths",
)


def comparison_table(metrics: Metrics, baseline: str = DEFAULT_BASELINE) -> pd.DataFrame:
    """Return the gaps of all arms that have a baseline, for both scores of single tokens.

    A gap is the arm's accuracy minus its baseline's, of the same seed. One row of the kind "contrast" has the gap
    averaged over log length on the lengths that all pairs share (`shared_min` to `shared_max`), and the exact
    one-sided sign-flip test of it, which asks whether the arm is better: `p_one_sided` is missing below five pairs,
    and where the arm is worse. A row of the kind "length" describes each length that some pair has. `low`
    and `high` are Student t intervals over pairs. At `short` lengths the baseline's mean comes 0.9 of the way from
    chance to perfect; there `equivalent` says whether the interval, if any, lies within 0.02 of 0.
    """
    arms = metrics.arms
    means = metrics.frame["parameters"].astype(float).groupby(metrics.numbers).mean()
    parameters = {arm: float(means[number]) for number, arm in enumerate(arms)}
    pairs = pair_with_baseline(arms, parameters, baseline)
    places = {arms.index(arm): arms.index(other) for arm, other in pairs.items()}
    parts = []
    for score in TOKEN_SCORES:
        rows = metrics.seed_scores(score)
        gaps = _gaps(rows, places)
        parts += [part.assign(score=score) for part in (_contrasts(gaps), _by_length(gaps, rows))]
    table = pd.concat(parts, ignore_index=True)
    table["order"] = table["score"].map(TOKEN_SCORES.index)
    table = table.sort_values(["arm", "order", "kind", "length"], kind="stable")
    return metrics.named(_with_baselines(table, arms, places), COMPARISON_COLUMNS)


def average_over_log_length(lengths: np.ndarray, values: np.ndarray) -> float:
    """Return the mean of a curve over log2 length by the trapezoid rule; with one length, its value.

    Args:
        lengths: increasing.
        values: one for each length.
    """
    if len(lengths) == 1:
        return float(values[0])
    places = np.log2(lengths)
    area = float((np.diff(places) * (values[1:] + values[:-1]) / 2).sum())
    return area / float(places[-1] - places[0])


def pair_with_baseline(arms: Sequence[Arm], parameters: Mapping[Arm, float], model: str) -> dict[Arm, Arm]:
    """Return for each arm of another model its baseline arm, without those that have none.

    A baseline arm shares the task, the protocol, the train range, and the variant but for keys of the model.
    Of those it is the one of the same hidden size, and where none is, as when arms are matched by parameters,
    the one with the nearest number of parameters within 5 %. Of several, the one whose model's keys differ least.
    Arms of the baseline's own model are not compared with one another.

    Args:
        arms: distinct arms.
        parameters: how many each arm has, NaN where that is not known.
        model: the name of the baseline.
    """
    candidates: dict[Arm, list[Arm]] = {}
    for arm in arms:
        if arm.model == model:
            candidates.setdefault(setting_of(arm), []).append(arm)
    pairs = {}
    for arm in arms:
        found = _baseline(arm, candidates.get(setting_of(arm), []), parameters)
        if arm.model != model and found is not None:
            pairs[arm] = found
    return pairs


def setting_of(arm: Arm) -> Arm:
    """Return what arms that may be compared have in common: all but the model, its keys and its size."""
    of_the_model = [key for key, _ in arm.variant.changes if key.startswith("model.")]
    return arm._replace(model="", variant=arm.variant.without(of_the_model), hidden_size=0)


def _gaps(rows: pd.DataFrame, places: Mapping[int, int]) -> pd.DataFrame:
    """Return columns arm, baseline, seed, length, gap: one row for each pair that has both scores."""
    own = rows[rows["arm"].isin(list(places))]
    own = own.assign(baseline=own["arm"].map(places).astype(int))
    both = own.merge(
        rows,
        left_on=["baseline", "seed", "length"],
        right_on=["arm", "seed", "length"],
        suffixes=("", "_baseline"),
    )
    # Rounded, for differences of equal size that differ in their last bit would make up a spread.
    gap = (both["value"] - both["value_baseline"]).round(12)
    return both.assign(gap=gap)[["arm", "baseline", "seed", "length", "gap"]]


def _contrasts(gaps: pd.DataFrame) -> pd.DataFrame:
    """Return for each arm the gap averaged over log length, with its interval and its test."""
    seeds = gaps.groupby("arm")["seed"].transform("nunique")
    at_length = gaps.groupby(["arm", "length"])["seed"].transform("nunique")
    shared = gaps[seeds == at_length].sort_values(["arm", "seed", "length"])
    averages = pd.DataFrame(
        [
            (arm, average_over_log_length(own["length"].to_numpy(float), own["gap"].to_numpy()))
            for (arm, _), own in shared.groupby(["arm", "seed"])
        ],
        columns=["arm", "gap"],
    ).astype({"arm": int, "gap": float})
    by_arm = averages.groupby("arm")["gap"]
    table = _bounded(grouped_intervals(by_arm))
    lengths = shared.groupby("arm")["length"].agg(["min", "max", "nunique"])
    table[["shared_min", "shared_max", "shared_lengths"]] = lengths
    tested = [(_p_value(own.tolist()), sign_flip_floor(len(own))) for _, own in by_arm]
    table[["p_one_sided", "p_floor"]] = np.array(tested, dtype=float).reshape(-1, 2)
    return table.reset_index().assign(kind="contrast")


def _p_value(gaps: Sequence[float]) -> float:
    """Return p of the contrast; NaN where too few pairs or the side that was not asked leave nothing to test."""
    if len(gaps) < TESTED_PAIRS or sum(gaps) < -_ROUNDING:
        return math.nan
    return sign_flip_p(gaps)


def _by_length(gaps: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the gap of each arm at each length, and at short lengths whether the two are equivalent."""
    table = _bounded(grouped_intervals(gaps.groupby(["arm", "baseline", "length"])["gap"])).reset_index()
    means = rows.groupby(["arm", "length"])[["value", "chance"]].mean()
    of_baseline = means.reindex(pd.MultiIndex.from_frame(table[["baseline", "length"]]))
    chance, value = of_baseline["chance"].to_numpy(float), of_baseline["value"].to_numpy(float)
    table["short"] = pd.array(value >= chance + SHORT * (1 - chance), dtype="boolean")
    is_within = (table["low"] >= -EQUIVALENT) & (table["high"] <= EQUIVALENT)
    is_known = table["short"] & table["low"].notna()
    table["equivalent"] = is_within.astype("boolean").where(is_known)
    return table.drop(columns="baseline").assign(kind="length")


def _bounded(found: pd.DataFrame) -> pd.DataFrame:
    """Name the columns of intervals as those of gaps, which never leave -1 to 1."""
    found[["low", "high"]] = found[["low", "high"]].clip(-1, 1)
    return found.rename(columns={"mean": "gap", "count": "pairs"})


def _with_baselines(table: pd.DataFrame, arms: Sequence[Arm], places: Mapping[int, int]) -> pd.DataFrame:
    baselines = [arms[places[number]] for number in table["arm"]]
    table = table.assign(
        baseline=[arm.model for arm in baselines],
        baseline_variant=[str(arm.variant) for arm in baselines],
        baseline_hidden_size=[arm.hidden_size for arm in baselines],
    )
    whole = ["length", "pairs", "baseline_hidden_size", "shared_min", "shared_max", "shared_lengths"]
    table[whole] = table.reindex(columns=whole).astype("Int64")
    return table


def _baseline(arm: Arm, candidates: Iterable[Arm], parameters: Mapping[Arm, float]) -> Arm | None:
    of_the_size = [each for each in candidates if each.hidden_size == arm.hidden_size]
    if of_the_size:
        return min(of_the_size, key=lambda each: (_differing_keys(arm, each), each.variant))

    def distance(each: Arm) -> float:
        return abs(parameters[each] / parameters[arm] - 1)

    near = [each for each in candidates if parameters[arm] > 0 and distance(each) <= _NEAR]
    return min(near, key=lambda each: (distance(each), _differing_keys(arm, each)), default=None)


def _differing_keys(one: Arm, other: Arm) -> int:
    return len(set(one.variant.changes) ^ set(other.variant.changes))

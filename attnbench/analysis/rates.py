"""Learning rates: runs that stayed at chance where another rate left it, and chosen rates that none lies beyond.

The first are no breakdown but "not learnt at this rate"; of the second a better one may lie beyond all that were tried.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from attnbench.analysis.arms import PER_LENGTH, Metrics, arm_rows
from attnbench.arm import Arm
from attnbench.runs.metrics_csv import ARM_COLUMNS

RATE_KEY = "training.learning_rate"
# How far from chance to perfect a run must come to have left chance.
LEARNT = 0.05
TuningRows = Sequence[Mapping[str, str]]
"""Rows of tuning.csv as text: what other rates came to on validation data."""
_COLUMNS = ("arm", "length", "seed")


def runs_at_chance(metrics: Metrics, tuning: TuningRows = ()) -> pd.DataFrame:
    """Return columns arm, length, seed of the runs that are "not learnt at this rate".

    Such a run is at chance at all its tested lengths, free-running, while a run of another rate is not: of an arm
    that differs in the rate alone, or of the rates that were tried for it. With one model per length, that run has
    the same length.

    Args:
        metrics: rows of a sweep.
        tuning: other rates that were tried, if any.
    """
    rows = _runs(metrics)
    if rows.empty:
        return rows[list(_COLUMNS)]
    known = rows.dropna(subset=["rate", "value", "chance"])
    left = known.assign(has_left=known["value"] >= known["chance"] + LEARNT * (1 - known["chance"]))
    by_run = ["family", "place", "rate", "arm", "seed"]
    left["run_left"] = left.groupby(by_run)["has_left"].transform("any")
    tried = [left.loc[left["run_left"], ["family", "place", "rate"]], _tried(tuning, left)]
    rates = pd.concat(tried).groupby(["family", "place"])["rate"].agg(["min", "max"])
    stuck = left[~left["run_left"]].join(rates, on=["family", "place"])
    # Some rate that left chance is another one: all of them are its own only where least and most are.
    is_other = stuck["min"].notna() & ((stuck["min"] != stuck["rate"]) | (stuck["max"] != stuck["rate"]))
    return stuck.loc[is_other, list(_COLUMNS)].drop_duplicates()


def _runs(metrics: Metrics) -> pd.DataFrame:
    """Return a row for each row of metrics: its arm, its arm but for the rate, and what its run shares with others."""
    families = [_but_for_rate(arm) for arm in metrics.arms]
    places = {family: place for place, family in enumerate(dict.fromkeys(families))}
    frame, numbers = metrics.frame, metrics.numbers
    is_single = (frame["protocol"] == PER_LENGTH).to_numpy()
    return pd.DataFrame(
        {
            "arm": numbers,
            "family": [places[families[number]] for number in numbers],
            "place": frame["length"].where(is_single, 0).astype(int).to_numpy(),
            "length": frame["length"].to_numpy(),
            "seed": frame["seed"].to_numpy(),
            "rate": frame["learning_rate"].astype(float).to_numpy(),
            "value": frame["token_accuracy"].astype(float).to_numpy(),
            "chance": frame["chance_accuracy"].astype(float).to_numpy(),
            "name": [families[number] for number in numbers],
        }
    )


def _but_for_rate(arm: Arm) -> Arm:
    return arm._replace(variant=arm.variant.without([RATE_KEY]))


def lengths_at_edge(tuning: TuningRows) -> dict[Arm, list[int]]:
    """Return at which lengths the rate chosen for an arm is the lowest or the highest of those tried for it.

    The lengths are those trained on, sorted; of a model of many lengths it is the longest. Arms without any are left
    out.
    """
    table = _tuning_table(tuning)
    found: dict[Arm, set[int]] = {}
    for arm, row in arm_rows(table[table["at_edge"] == "true"]):
        found.setdefault(arm, set()).add(int(row.train_max_length))
    return {arm: sorted(lengths) for arm, lengths in found.items()}


def _tried(tuning: TuningRows, rows: pd.DataFrame) -> pd.DataFrame:
    """Return family, place and rate of the tuning runs that left chance."""
    found = []
    chances = rows.groupby(["family", "place"])["chance"].mean()
    families = dict(zip(rows["name"], rows["family"], strict=True))
    for arm, row in arm_rows(_tuning_table(tuning)):
        place = int(row.train_max_length) if arm.protocol == PER_LENGTH else 0
        family = families.get(_but_for_rate(arm))
        chance = chances.get((family, place)) if family is not None else None
        if chance is not None and row.validation_token_accuracy >= chance + LEARNT * (1 - chance):
            found.append((family, place, float(row.learning_rate)))
    columns = {"family": int, "place": int, "rate": float}
    return pd.DataFrame(found, columns=list(columns)).astype(columns)


def _tuning_table(tuning: TuningRows) -> pd.DataFrame:
    """Return the rows of tuning.csv whose numbers are whole, with a column for each that is asked for here."""
    counts = ["hidden_size", "train_min_length", "train_max_length"]
    numbers = [*counts, "learning_rate", "validation_token_accuracy"]
    table = pd.DataFrame(list(tuning)).reindex(columns=[*ARM_COLUMNS, *numbers[3:], "at_edge"])
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce")
    return table.dropna(subset=numbers).astype(dict.fromkeys(counts, int))

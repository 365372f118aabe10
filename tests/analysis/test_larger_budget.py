import math

import pandas as pd
import pytest

from attnbench.analysis.breakdown import breakdown_table
from attnbench.analysis.larger_budget import (
    LARGER_BUDGET_COLUMNS,
    change_interval,
    decide,
    larger_budget_table,
)
from tests.metrics_rows import curve_rows, metrics_of

LONG = "training.steps=6000"
# At 4 tokens 1, at 16 tokens 0, and in between what puts the seeds' own L50 at 2 ** (2 + 2 · way).
WAYS = [0.40, 0.45, 0.50, 0.55, 0.60]


def falling(ways, factor=1.0):
    """Curves over 4, 8, 16, 32 that pass one half at 8 · 2 ** (way - 0.5) · factor, one per seed.

    Half way in log2 between two tested lengths lies a curve that has 1 at the one and 0 at the other.
    """
    lengths = (4, 8, 16, 32)
    curves = {length: [] for length in lengths}
    for way in ways:
        place = 3 + (way - 0.5) + math.log2(factor)
        for length in lengths:
            # A straight line of slope ½ a doubling through ½ at the place.
            curves[length].append(min(1.0, max(0.0, 0.5 - 0.5 * (math.log2(length) - place))))
    return curves


def table_of(before, after, has_levelled=lambda _: False, variant=LONG, steps=6000, **values):
    rows = curve_rows(before, chance_accuracy=0.0, **values)
    rows += curve_rows(after, chance_accuracy=0.0, variant=variant, steps=steps, **values)
    metrics = metrics_of(rows)
    return larger_budget_table(metrics, breakdown_table(metrics), has_levelled)


def only_pair(*args, **values):
    (row,) = table_of(*args, **values).to_dict("records")
    return row


# The same seeds a little further: each grows by 1, 2, 3, 4 and 5 %.
LITTLE = [way + math.log2(1 + share) for way, share in zip(WAYS, (0.01, 0.02, 0.03, 0.04, 0.05), strict=True)]


def test_a_change_bounded_below_ten_percent_over_five_pairs_stays():
    row = only_pair(falling(WAYS), falling(LITTLE))
    logs = [math.log2(1 + share) for share in (0.01, 0.02, 0.03, 0.04, 0.05)]
    mean = sum(logs) / 5
    deviation = math.sqrt(sum((each - mean) ** 2 for each in logs) / 4)
    margin = 2.776445 * deviation / math.sqrt(5)
    assert (row["change_low"], row["change_high"]) == pytest.approx(
        (2 ** (mean - margin), 2 ** (mean + margin))
    )
    assert (row["outcome"], row["moved"], row["pairs"]) == ("stays", False, 5)
    assert (row["budget_before"], row["budget_after"], row["factor"]) == (1500, 6000, 4)
    assert row["variant"] == ""


def test_an_interval_that_holds_ten_percent_does_not_stay():
    # Changes of -20 to +20 %: the mean stands still, and +10 % is not excluded.
    spread = [way + change for way, change in zip(WAYS, (-0.2, -0.1, 0.0, 0.1, 0.2), strict=True)]
    row = only_pair(falling(WAYS), falling(spread))
    assert row["change_low"] < 1 < 1.1 < row["change_high"]
    assert row["outcome"] == "not_shown"
    assert pd.isna(row["moved"])


def test_four_pairs_do_not_show_that_it_stays():
    assert only_pair(falling(WAYS[:4]), falling(LITTLE[:4]))["outcome"] != "stays"


def test_pairs_are_of_one_seed():
    # Seed by seed the change is the same 2 %, while the seeds themselves spread by a factor of two.
    far = [0.0, 0.25, 0.5, 0.75, 1.0]
    changes = (0.019, 0.02, 0.02, 0.02, 0.021)
    near = [way + math.log2(1 + share) for way, share in zip(far, changes, strict=True)]
    assert only_pair(falling(far), falling(near))["outcome"] == "stays"
    assert only_pair(falling(far), falling(near[::-1]))["outcome"] == "not_shown"


@pytest.mark.parametrize("reason", ["budget", None])
def test_a_longer_run_that_its_budget_ended_does_not_show_that_it_stays(reason):
    assert only_pair(falling(WAYS), falling(LITTLE), stop_reason=reason)["outcome"] != "stays"


def test_a_run_ended_by_its_budget_counts_where_it_had_levelled_off():
    row = only_pair(falling(WAYS), falling(LITTLE), lambda _: True, stop_reason="budget")
    assert (row["outcome"], row["runs_levelled"], row["runs_around"]) == ("stays", 10, 10)


def test_one_of_the_longer_runs_around_the_breakdown_suffices_to_doubt():
    def all_but_one(run_id):
        return not run_id.endswith("-16-16-3")

    row = only_pair(falling(WAYS), falling(LITTLE), all_but_one, stop_reason="budget")
    assert (row["outcome"], row["runs_levelled"], row["runs_around"]) == ("moved", 9, 10)


def test_runs_far_from_the_breakdown_do_not_count():
    row = only_pair(falling(WAYS), falling(LITTLE), lambda run: "-32-32-" not in run, stop_reason="budget")
    assert row["outcome"] == "stays"


def test_a_context_that_grows_with_length_does_not_show_that_it_stays():
    rows = curve_rows(falling(WAYS), chance_accuracy=0.0)
    rows += curve_rows(falling(LITTLE), chance_accuracy=0.0, variant=LONG, steps=6000)
    metrics = metrics_of([row | {"context_size": 64 * row["length"]} for row in rows])
    (row,) = larger_budget_table(metrics, breakdown_table(metrics)).to_dict("records")
    assert row["context_grows"]
    assert row["outcome"] != "stays"
    assert only_pair(falling(WAYS), falling(LITTLE), context_size=None)["outcome"] != "stays"


@pytest.mark.parametrize(("protocol", "does_stay"), [("mixed", True), ("extrapolation", False)])
def test_under_extrapolation_nothing_is_said_to_stay(protocol, does_stay):
    ranges = {"protocol": protocol, "train_min_length": 4, "train_max_length": 32}
    outcome = only_pair(falling(WAYS), falling(LITTLE), **ranges)["outcome"]
    assert (outcome == "stays") == does_stay


def test_twice_the_budget_does_not_show_that_it_stays():
    row = only_pair(falling(WAYS), falling(LITTLE), variant="training.steps=3000", steps=3000)
    assert row["factor"] == 2
    assert row["outcome"] != "stays"


def test_a_breakdown_that_every_seed_sees_further_out_has_moved():
    far = [way + change for way, change in zip(WAYS, (0.5, 0.55, 0.6, 0.65, 0.7), strict=True)]
    row = only_pair(falling(WAYS), falling(far))
    assert (row["outcome"], row["moved"]) == ("moved", True)
    assert row["change"] == pytest.approx(2**0.6)


def test_worse_training_is_no_stay():
    worse = [way - change for way, change in zip(WAYS, (0.3, 0.35, 0.4, 0.45, 0.5), strict=True)]
    assert only_pair(falling(WAYS), falling(worse))["outcome"] == "moved"


def test_no_breakdown_within_longer_lengths_is_a_move_beyond_the_interval_and_open_inside_it():
    row = only_pair(falling(WAYS), {8: [1.0] * 5, 32: [1.0] * 5})
    assert (row["outcome"], row["censored_after"]) == ("moved", "above")
    assert math.isnan(row["change"])
    assert only_pair(falling(WAYS), {4: [1.0] * 5, 8: [1.0] * 5})["outcome"] == "not_shown"


def test_a_censored_pair_leaves_the_change_without_an_interval():
    after = falling(LITTLE)
    after = {length: [*values[:4], 1.0] for length, values in after.items()}
    row = only_pair(falling(WAYS), after)
    assert math.isnan(row["change_high"])
    assert row["outcome"] == "not_shown"


def test_one_seed_shows_nothing():
    assert only_pair({4: [1.0], 16: [0.0]}, {4: [1.0], 16: [0.0]})["outcome"] == "not_shown"


def test_what_did_not_break_down_has_no_row():
    table = table_of({4: [1.0], 16: [1.0]}, {4: [1.0], 16: [1.0]})
    assert table.empty
    assert list(table.columns) == list(LARGER_BUDGET_COLUMNS)


def test_arms_that_differ_in_more_than_the_budget_are_not_paired():
    assert table_of(falling(WAYS), falling(WAYS), variant="model.cell=gru;training.steps=6000").empty


def test_three_budgets_are_paired_each_with_the_next():
    rows = [
        row
        for variant, steps in (("", 1500), (LONG, 6000), ("training.steps=24000", 24_000))
        for row in curve_rows(falling(WAYS), chance_accuracy=0.0, variant=variant, steps=steps)
    ]
    metrics = metrics_of(rows)
    table = larger_budget_table(metrics, breakdown_table(metrics))
    assert table["budget_after"].tolist() == [6000, 24_000]
    assert table["variant"].tolist() == ["", LONG]


MORE_PATIENT = "training.patience=20;training.steps="


@pytest.mark.parametrize(
    ("arms", "pairs"),
    [
        # `--longer 4` with the default of patience, of which nothing is named in the first variant.
        (["", MORE_PATIENT + "6000"], [("", 6000)]),
        # The same with patience as an axis: each arm has its own longer one.
        (
            ["", "training.patience=10", MORE_PATIENT + "6000", "training.patience=40;training.steps=6000"],
            [("", 6000), ("training.patience=10", 6000)],
        ),
        # Both as axes, by hand: the same patience under both budgets.
        (
            ["", "training.patience=20", "training.steps=6000", MORE_PATIENT + "6000"],
            [("", 6000), ("training.patience=20", 6000)],
        ),
        # Neither less patience than before, nor one more of which nothing is known.
        (["training.patience=30", MORE_PATIENT + "6000"], []),
        # Twice, then twice again.
        (
            ["", "training.patience=10;training.steps=3000", MORE_PATIENT + "6000"],
            [("", 3000), ("training.patience=10;training.steps=3000", 6000)],
        ),
    ],
)
def test_a_patience_that_grew_with_the_budget_is_no_other_arm(arms, pairs):
    rows = []
    for variant in arms:
        steps = int(variant.partition("training.steps=")[2] or 1500)
        rows += curve_rows(falling(WAYS), chance_accuracy=0.0, variant=variant, steps=steps)
    metrics = metrics_of(rows)
    table = larger_budget_table(metrics, breakdown_table(metrics))
    assert sorted(zip(table["variant"], table["budget_after"], strict=True)) == sorted(pairs)


@pytest.mark.parametrize(
    ("changes", "may_show", "outcome"),
    [
        ([0.0, 0.01, -0.01, 0.02, -0.02], True, "stays"),
        ([0.0, 0.01, -0.01, 0.02, -0.02], False, "not_shown"),
        ([0.0, 0.3, -0.3, 0.2, -0.2], True, "not_shown"),
        ([0.5, 0.6, 0.4, 0.5, 0.55], True, "moved"),
        ([-0.5, -0.6, -0.4, -0.5, -0.55], True, "moved"),
        ([0.0] * 5, True, "not_shown"),
        ([0.0, 0.01, -0.01, 0.02, math.nan], True, "not_shown"),
        ([], True, "not_shown"),
    ],
)
def test_the_rule_by_hand(changes, may_show, outcome):
    assert decide(change_interval(changes), may_show) == outcome

import math

import pandas as pd
import pytest

from attnbench.analysis.context_size import memory_table
from attnbench.runs.columns import ARM_COLUMNS
from tests.metrics_rows import curve_rows, metrics_row, metrics_table

# From 1 at 4 to 0 at 16 without chance: half of it at 8, the middle of 4 and 16 in log2.
FALLS_AT_8 = {4: [1.0], 16: [0.0]}


def table_of(rows):
    return memory_table(metrics_table(rows))


def growing(rows, numbers_per_symbol=10):
    """The rows with a context that grows with length, as attention's does."""
    return [row | {"context_size": numbers_per_symbol * row["length"]} for row in rows]


def only_row(rows):
    (row,) = table_of(rows).to_dict("records")
    return row


def test_columns_begin_with_what_tells_arms_apart():
    names = list(table_of([metrics_row()]).columns)
    assert names[: len(ARM_COLUMNS)] == list(ARM_COLUMNS)
    assert {"context_size", "length", "low", "high", "censored", "seeds"} < set(names)


def test_a_context_of_one_size_has_that_size():
    row = only_row(curve_rows(FALLS_AT_8, chance_accuracy=0.0))
    assert (row["length"], row["context_size"], row["censored"]) == (pytest.approx(8.0), 64.0, "")


def test_a_context_that_grows_is_linear_in_length_between_tested_lengths():
    # 40 numbers at 4 and 160 at 16: at 8, a third of the way, 80.
    row = only_row(growing(curve_rows(FALLS_AT_8, chance_accuracy=0.0)))
    assert row["context_size"] == pytest.approx(80.0)
    # Not linear overall: 40 numbers at 4 and 100 at 16, as where the size levels off.
    rows = [row | {"context_size": min(row["context_size"], 100)} for row in growing(curve_rows(FALLS_AT_8))]
    length = only_row(rows)["length"]
    assert only_row(rows)["context_size"] == pytest.approx(40 + 60 * (length - 4) / 12)


def test_an_arm_that_never_fell_stands_at_its_longest_and_one_that_was_down_at_its_shortest():
    rows = growing(
        curve_rows({4: [1.0], 16: [0.9], 32: [0.9]}) + curve_rows({4: [0.3], 16: [0.2]}, model="uniform")
    )
    table = table_of(rows).set_index("model")
    assert table.loc["fixed", ["censored", "length", "context_size"]].tolist() == ["above", 32.0, 320.0]
    assert table.loc["uniform", ["censored", "length", "context_size"]].tolist() == ["below", 4.0, 40.0]
    assert table[["low", "high"]].isna().all(axis=None)


def test_what_did_not_learn_has_a_row_without_a_length():
    nothing = {4: [0.06], 16: [0.06]}
    row = only_row(curve_rows(nothing))
    assert (row["censored"], row["context_size"]) == ("not_learnt", 64.0)
    assert math.isnan(row["length"])
    assert math.isnan(only_row(growing(curve_rows(nothing)))["context_size"])


def test_the_interval_and_the_seeds_are_those_of_the_breakdown():
    # The seeds pass 0.5 at log2 lengths 2.5, 3 and 3.5: mean 3, deviation 0.5, so 3 ± 4.30265 · 0.5 / √3.
    row = only_row(curve_rows({4: [1.0] * 3, 8: [0.0, 0.5, 1.0], 16: [0.0] * 3}, chance_accuracy=0.0))
    margin = 4.30265 * 0.5 / math.sqrt(3)
    assert (row["low"], row["high"]) == pytest.approx((2 ** (3 - margin), 2 ** (3 + margin)), rel=1e-5)
    assert row["seeds"] == 3


def test_hidden_sizes_and_variants_are_arms_of_their_own():
    rows = [
        row
        for size in (16, 32)
        for variant in ("", "model.slots=8")
        for row in curve_rows({4: [1.0, 1.0]}, hidden_size=size, variant=variant, context_size=5 * size)
    ]
    table = table_of(rows)
    assert table["context_size"].tolist() == [80.0, 160.0, 80.0, 160.0]
    assert table["seeds"].tolist() == [2] * 4


def test_free_running_accuracy_decides_and_no_other():
    row = only_row(
        [r | {"teacher_forced_accuracy": 1.0} for r in curve_rows(FALLS_AT_8, chance_accuracy=0.0)]
    )
    assert row["length"] == pytest.approx(8.0)
    assert table_of(curve_rows({4: [None], 16: [None]})).empty


@pytest.mark.parametrize(("ended", "count"), [({8}, 2), ({8, 16}, 4), ({4, 32}, 0), (set(), 0)])
def test_runs_ended_by_their_budget_count_at_the_lengths_around_the_breakdown(ended, count):
    # Falls between 8 and 16, on two seeds.
    rows = curve_rows({4: [1.0] * 2, 8: [0.9] * 2, 16: [0.1] * 2, 32: [0.1] * 2})
    rows = [row | {"stop_reason": "budget"} if row["length"] in ended else row for row in rows]
    assert only_row(rows)["budget_runs"] == count


def test_a_breakdown_at_a_tested_length_has_the_budget_of_that_length_alone():
    # On the threshold at 12, below after: 2 ** log2(12) is not 12 to the last bit.
    rows = curve_rows({12: [0.5], 24: [0.0]}, chance_accuracy=0.0)
    row = only_row([r | {"stop_reason": "budget"} if r["length"] == 24 else r for r in rows])
    assert (row["length"], row["budget_runs"]) == (pytest.approx(12.0), 0)


def test_one_run_that_covers_all_lengths_is_one_run():
    ranges = {"protocol": "mixed", "train_min_length": 4, "train_max_length": 16, "stop_reason": "budget"}
    assert only_row(curve_rows({4: [1.0], 16: [0.0]}, **ranges))["budget_runs"] == 1


def test_the_most_training_steps_are_the_arms_budget():
    rows = [row | {"steps": 100 * row["length"]} for row in curve_rows(FALLS_AT_8)]
    assert only_row(rows)["steps"] == 1600
    assert table_of([metrics_row(steps=None)])["steps"].isna().all()


def test_unknown_context_sizes_stay_empty():
    assert math.isnan(only_row(curve_rows(FALLS_AT_8, context_size=None))["context_size"])


def test_no_rows_give_no_arms():
    table = table_of([])
    assert isinstance(table, pd.DataFrame)
    assert table.empty

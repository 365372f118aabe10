import pandas as pd
import pytest

from attnbench.analysis.longer import LONGER_COLUMNS, longer_table
from tests.metrics_rows import curve_rows, metrics_table

# Seeds pass one half at log2 lengths 2.5, 3 and 3.5: L50 8 with the interval 2 ** (3 ± 1.2421), 3.4 to 18.9.
BEFORE = {4: [1.0] * 3, 8: [0.0, 0.5, 1.0], 16: [0.0] * 3}
LONG = "training.steps=6000"


def table_of(after, before=BEFORE, variant=LONG):
    rows = curve_rows(before, chance_accuracy=0.0)
    rows += curve_rows(after, chance_accuracy=0.0, variant=variant, steps=6000)
    return longer_table(metrics_table(rows))


def only_row(after, **values):
    (row,) = table_of(after, **values).to_dict("records")
    return row


def test_a_breakdown_that_stays_within_its_interval_has_not_moved():
    row = only_row({8: [1.0] * 3, 16: [0.1] * 3})
    assert not row["moved"]
    assert (row["length_before"], row["budget_before"], row["budget_after"], row["factor"]) == (
        8,
        1500,
        6000,
        4,
    )
    assert row["length_after"] == pytest.approx(2 ** (3 + 5 / 9))
    assert row["variant"] == ""


def test_a_breakdown_that_leaves_its_interval_has_moved():
    assert only_row({16: [1.0] * 3, 64: [0.1] * 3})["moved"]


def test_no_breakdown_within_longer_lengths_is_a_move_beyond_the_interval_and_open_inside_it():
    row = only_row({8: [1.0] * 3, 32: [1.0] * 3})
    assert (row["moved"], row["censored_after"]) == (True, "above")
    assert pd.isna(only_row({8: [1.0] * 3, 16: [1.0] * 3})["moved"])


def test_already_down_at_the_shortest_is_open_within_the_interval():
    assert pd.isna(only_row({8: [0.3] * 3, 16: [0.2] * 3})["moved"])


def test_without_an_interval_it_is_not_known():
    assert pd.isna(only_row({4: [1.0], 16: [0.0]}, before={4: [1.0], 16: [0.0]})["moved"])


def test_what_did_not_break_down_has_no_row():
    table = table_of({4: [1.0], 16: [1.0]}, before={4: [1.0], 16: [1.0]})
    assert table.empty
    assert list(table.columns) == list(LONGER_COLUMNS)


def test_arms_that_differ_in_more_than_the_budget_are_not_paired():
    assert table_of(BEFORE, variant="model.cell=gru;training.steps=6000").empty


def test_three_budgets_are_paired_each_with_the_next():
    rows = [
        row
        for variant, steps in (("", 1500), (LONG, 6000), ("training.steps=24000", 24_000))
        for row in curve_rows(BEFORE, chance_accuracy=0.0, variant=variant, steps=steps)
    ]
    table = longer_table(metrics_table(rows))
    assert table["budget_after"].tolist() == [6000, 24_000]
    assert table["variant"].tolist() == ["", LONG]
    assert not table["moved"].any()

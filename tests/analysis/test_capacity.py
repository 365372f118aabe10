import math

import pytest

from attnbench.analysis.capacity import CAPACITY_COLUMNS, capacity_table
from tests.metrics_rows import metrics_row, metrics_table


def bits_rows(bits, context=lambda length: 64, **values):
    """Rows of one arm with bits {length: one per seed}, of 4 bits a symbol."""
    return [
        metrics_row(
            length=length,
            seed=seed,
            bits_recovered=value,
            bits_available=4.0 * length,
            context_size=context(length),
            **values,
        )
        for length, by_seed in bits.items()
        for seed, value in enumerate(by_seed)
    ]


LEVEL = {4: [16] * 3, 8: [29, 30, 31], 16: [40, 42.2, 44], 32: [40.2, 42, 44]}


def table_of(*arms):
    return capacity_table(metrics_table([row for rows in arms for row in rows]))


def test_each_length_has_its_mean_interval_ceiling_and_share_of_the_context():
    row = table_of(bits_rows(LEVEL)).query("length == 8 and kind == 'length'").iloc[0]
    assert (row["bits_recovered"], row["bits_available"], row["seeds"]) == (30, 32, 3)
    assert row["high"] - row["low"] == pytest.approx(2 * 4.30265 / math.sqrt(3), rel=1e-4)
    assert (row["context_size"], row["bits_per_number"]) == (64, 30 / 64)


def test_the_plateau_has_a_row_of_its_own():
    row = table_of(bits_rows(LEVEL)).query("kind == 'plateau'").iloc[0]
    assert (row["plateau"], row["length"], row["length_last"]) == ("found", 16, 32)
    assert row["bits_recovered"] == pytest.approx(42.0667, abs=1e-4)
    assert row["bits_per_number"] == pytest.approx(42.0667 / 64, abs=1e-4)
    assert row["seeds"] == 3


def test_without_a_plateau_the_row_says_which_way():
    row = table_of(bits_rows({4: [16, 16], 8: [32, 31.9]})).query("kind == 'plateau'").iloc[0]
    assert row["plateau"] == "all_recovered"
    assert math.isnan(row["bits_recovered"])


def test_a_context_without_numbers_or_of_many_sizes_has_no_bits_per_number():
    growing = (
        table_of(bits_rows(LEVEL, context=lambda length: 64 * length)).query("kind == 'plateau'").iloc[0]
    )
    assert math.isnan(growing["bits_per_number"])
    assert growing["bits_recovered"] == pytest.approx(42.0667, abs=1e-4)
    assert table_of(bits_rows(LEVEL, context=lambda length: 0))["bits_per_number"].isna().all()


def test_hidden_sizes_are_arms_of_their_own():
    table = table_of(bits_rows(LEVEL, hidden_size=32), bits_rows(LEVEL, hidden_size=64))
    assert table.query("kind == 'plateau'")["hidden_size"].tolist() == [32, 64]
    assert len(table) == 2 * 5


def test_negative_bits_stay_negative():
    assert table_of(bits_rows({4: [-0.5, -0.3]}))["bits_recovered"].iloc[0] == pytest.approx(-0.4)


def test_without_bits_there_are_columns_and_no_rows():
    table = table_of([metrics_row(bits_recovered=None, bits_available=None)])
    assert table.empty
    assert list(table.columns) == list(CAPACITY_COLUMNS)

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attnbench.analysis.arms import Metrics
from attnbench.analysis.breakdown import breakdown_table
from attnbench.analysis.capacity import CAPACITY_COLUMNS, capacity_table, context_size_table, find_plateau
from attnbench.runs.metrics_csv import ARM_COLUMNS
from attnbench.runs.metrics_table import read_metrics
from tests.metrics_rows import curve_rows, metrics_of, metrics_row

STANDARD = Path(__file__).parents[2] / "results" / "reference" / "standard" / "metrics.csv"


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


LEVEL = {
    4: [16] * 5,
    8: [29, 30, 31, 30, 30],
    16: [40, 42.2, 44, 42, 41],
    32: [40.2, 42, 44, 42, 41],
    64: [40, 42, 44, 42.2, 41],
}


def table_of(*arms):
    return capacity_table(metrics_of([row for rows in arms for row in rows]))


def test_each_length_has_its_mean_interval_ceiling_and_share_of_the_context():
    row = table_of(bits_rows(LEVEL)).query("length == 8 and kind == 'length'").iloc[0]
    assert (row["bits_recovered"], row["bits_available"], row["seeds"]) == (30, 32, 5)
    assert row["high"] - row["low"] == pytest.approx(2 * 2.77645 * math.sqrt(0.5) / math.sqrt(5), rel=1e-4)
    assert (row["context_size"], row["bits_per_number"]) == (64, 30 / 64)


def test_the_plateau_has_a_row_of_its_own():
    row = table_of(bits_rows(LEVEL)).query("kind == 'plateau'").iloc[0]
    assert (row["plateau"], row["length"], row["length_last"]) == ("found", 16, 64)
    # The mean at each of the three lengths, which is the most of any.
    assert row["bits_recovered"] == pytest.approx(41.84)
    assert row["bits_per_number"] == pytest.approx(41.84 / 64)
    assert row["seeds"] == 5


def test_without_a_plateau_the_row_says_which_way():
    row = table_of(bits_rows({4: [16, 16], 8: [32, 31.9]})).query("kind == 'plateau'").iloc[0]
    assert row["plateau"] == "all_recovered"
    assert math.isnan(row["bits_recovered"])


def plateau_row(*arms):
    return table_of(*arms).query("kind == 'plateau'").iloc[0]


def test_a_context_that_grows_or_is_not_known_has_no_capacity():
    for context in (lambda length: 64 * length, lambda length: None):
        row = plateau_row(bits_rows(LEVEL, context=context))
        assert row["plateau"] == "grows"
        assert math.isnan(row["bits_recovered"])


def test_a_context_without_numbers_has_no_bits_per_number():
    assert table_of(bits_rows(LEVEL, context=lambda length: 0))["bits_per_number"].isna().all()


@pytest.mark.parametrize(("protocol", "status"), [("mixed", "found"), ("extrapolation", "extrapolation")])
def test_under_extrapolation_there_is_no_capacity(protocol, status):
    ranges = {"protocol": protocol, "train_min_length": 4, "train_max_length": 64}
    assert plateau_row(bits_rows(LEVEL, **ranges))["plateau"] == status


@pytest.mark.parametrize("reason", ["budget", None])
def test_where_one_run_was_ended_by_its_budget_there_is_no_capacity(reason):
    rows = bits_rows(LEVEL)
    (one,) = [row for row in rows if (row["length"], row["seed"]) == (32, 3)]
    one["stop_reason"] = reason
    row = plateau_row(rows)
    assert row["plateau"] == "budget"
    assert math.isnan(row["bits_recovered"])
    # At lengths below the level it does not matter.
    rows = bits_rows(LEVEL)
    rows[0]["stop_reason"] = reason
    assert plateau_row(rows)["plateau"] == "found"


def test_no_arm_has_a_capacity_below_bits_that_it_held():
    rows = bits_rows(LEVEL)
    for row in rows:
        # A bit more at 8 tokens than at any length of the plateau, inside the interval of its level.
        row["bits_recovered"] += 12.9 if row["length"] == 8 else 0
        row["bits_available"] += 40
    table = table_of(rows)
    capacity = table.query("kind == 'plateau'").iloc[0]
    most = table.query("kind == 'length'")["bits_recovered"].max()
    assert (capacity["plateau"], capacity["length"]) == ("found", 16)
    assert capacity["bits_recovered"] == pytest.approx(most) == pytest.approx(42.9)
    assert capacity["bits_recovered"] < capacity["high"]


def test_the_stored_tables_give_no_capacity_below_what_was_held():
    # Three seeds, three lengths, runs ended by their budget: five plateaus stood below bits of the same arm.
    metrics = Metrics.of(read_metrics(STANDARD))
    table = capacity_table(metrics)
    assert len(table) > 0
    assert "found" not in set(table["plateau"])
    assert table.query("kind == 'plateau'")["bits_recovered"].isna().all()


def test_hidden_sizes_are_arms_of_their_own():
    table = table_of(bits_rows(LEVEL, hidden_size=32), bits_rows(LEVEL, hidden_size=64))
    assert table.query("kind == 'plateau'")["hidden_size"].tolist() == [32, 64]
    assert len(table) == 2 * 6


def test_negative_bits_stay_negative():
    assert table_of(bits_rows({4: [-0.5, -0.3]}))["bits_recovered"].iloc[0] == pytest.approx(-0.4)


def test_without_bits_there_are_columns_and_no_rows():
    table = table_of([metrics_row(bits_recovered=None, bits_available=None)])
    assert table.empty
    assert list(table.columns) == list(CAPACITY_COLUMNS)


# Two more seeds about 42 bits.
LEVEL_42 = ([16, 31, 42, 42, 42.2], [16, 31, 42, 42.2, 42])
LENGTHS = [4, 8, 16, 32, 64]
CEILING = [16, 32, 64, 128, 256]


def plateau_of(*seeds, lengths=LENGTHS, ceiling=CEILING):
    return find_plateau(lengths, np.array(seeds, dtype=float), ceiling)


def test_a_curve_that_levels_off_has_its_level_with_an_interval():
    # From 16 on 50, 52 and 54 bits by seed, without a rise but for a bit of noise about each.
    seeds = [16, 31, 40, 40.5, 40.2], [16, 31, 42, 41.5, 42], [16, 31, 44, 44.5, 43.8]
    found = plateau_of(*seeds, *LEVEL_42)
    assert (found.status, found.shortest, found.longest, found.seeds) == ("found", 16, 64, 5)
    assert found.level == pytest.approx(42, abs=0.2)
    assert found.high - found.level == pytest.approx(2.77645 * math.sqrt(2.0) / math.sqrt(5), rel=0.15)


def test_two_lengths_are_no_plateau():
    seeds = [16, 31, 62, 80, 80.5], [16, 31, 62, 82, 81.5], [16, 31, 62, 84, 84.5]
    four = [seed[:4] for seed in (*seeds, *seeds)]
    assert plateau_of(*seeds, *seeds[:2]).status == "too_few"
    assert plateau_of(*four, lengths=LENGTHS[:4], ceiling=CEILING[:4]).status == "too_few"


def test_lengths_that_ask_for_hardly_more_than_the_level_do_not_count():
    # Level with 42 bits from 16 tokens on, where 64 or 60 bits were there to know.
    seeds = [16, 31, 40, 40.5, 40.2], [16, 31, 42, 41.5, 42], [16, 31, 44, 44.5, 43.8]
    assert plateau_of(*seeds, *LEVEL_42, ceiling=[16, 32, 64, 128, 256]).status == "found"
    assert plateau_of(*seeds, *LEVEL_42, ceiling=[16, 32, 60, 128, 256]).status == "none"


def test_it_starts_after_the_rise():
    long = [16, 28, 40, 60, 60.5, 60], [16, 28, 41, 61, 60.5, 61], [16, 28, 40, 60, 60, 60.5]
    more = [16, 28, 41, 60, 60.5, 60.5], [16, 28, 40, 61, 60, 60.5]
    found = plateau_of(*long, *more, lengths=[*LENGTHS, 128], ceiling=[*CEILING, 512])
    assert (found.status, found.shortest) == ("found", 32)


def five(*seeds):
    """Five seeds of two or three."""
    return [*seeds, *seeds, *seeds][:5]


def test_a_curve_that_rises_to_its_end_has_none():
    found = plateau_of(*five([16, 30, 50, 70, 90], [16, 30, 51, 70, 91], [16, 30, 50, 71, 90]))
    assert found.status == "none"
    assert math.isnan(found.level)


def test_a_curve_that_falls_has_none():
    seeds = five([16, 30, 50, 40, 30], [16, 30, 51, 40, 31], [16, 30, 50, 41, 30])
    assert plateau_of(*seeds).status == "none"


def test_noise_that_would_hide_a_rise_is_no_plateau():
    # Slopes of -30, 10 and 50 bits a doubling: their interval includes 0 and the ceiling's slope as well.
    seeds = five([16, 31, 60, 50, 20], [16, 31, 60, 70, 80], [16, 31, 40, 80, 140])
    assert plateau_of(*seeds).status == "none"


def test_what_recovers_everything_has_no_plateau():
    assert plateau_of([16, 32, 63, 127, 250], [16, 32, 64, 126, 251]).status == "all_recovered"


def test_one_length_beyond_the_ceiling_is_too_few():
    assert plateau_of(*[[16, 32, 64, 127, 130], [16, 32, 64, 128, 131]] * 2).status == "too_few"


def test_four_seeds_are_too_few():
    seeds = [16, 31, 40, 40.5, 40.2], [16, 31, 42, 41.5, 42], [16, 31, 44, 44.5, 43.8]
    assert plateau_of(*seeds, LEVEL_42[0]).status == "too_few"
    assert plateau_of(*seeds, LEVEL_42[0], [16, 31, 43, math.nan, math.nan]).status == "too_few"


def test_what_knows_nothing_levels_off_at_about_zero_unclipped():
    seeds = [-0.1, -0.2, -0.1, -0.2, -0.1], [-0.1, 0.1, -0.1, 0.0, -0.1], [0.1, -0.2, 0, -0.1, 0]
    found = plateau_of(*five(*seeds))
    assert (found.status, found.shortest) == ("found", 4)
    assert found.level < 0


def test_under_a_ceiling_that_does_not_rise_nothing_can_level_off():
    seeds = five([4, 4.1, 4, 4.1, 4], [4.1, 4, 4.1, 4, 4.1], [4, 4, 4.1, 4, 4])
    assert plateau_of(*seeds, ceiling=[8] * 5).status == "none"


def test_what_was_held_before_and_is_held_no_more_is_no_capacity():
    seeds = five([16, 30, 0.1, 0.2, 0.1], [16, 31, 0.2, 0.1, 0.1], [16, 30, 0.1, 0, 0.1])
    assert plateau_of(*seeds).status == "none"


# From 1 at 4 to 0 at 16 without chance: half of it at 8, the middle of 4 and 16 in log2.
FALLS_AT_8 = {4: [1.0], 16: [0.0]}


def sizes_of(rows):
    metrics = metrics_of(rows)
    return context_size_table(metrics, breakdown_table(metrics))


def growing(rows, numbers_per_symbol=10):
    """The rows with a context that grows with length, as attention's does."""
    return [row | {"context_size": numbers_per_symbol * row["length"]} for row in rows]


def only_size(rows):
    (row,) = sizes_of(rows).to_dict("records")
    return row


def test_columns_begin_with_what_tells_arms_apart():
    names = list(sizes_of([metrics_row()]).columns)
    assert names[: len(ARM_COLUMNS)] == list(ARM_COLUMNS)
    assert {"context_size", "length", "low", "high", "censored", "seeds"} < set(names)


def test_a_context_of_one_size_has_that_size():
    row = only_size(curve_rows(FALLS_AT_8, chance_accuracy=0.0))
    assert (row["length"], row["context_size"], row["censored"]) == (pytest.approx(8.0), 64.0, "")


def test_a_context_that_grows_is_linear_in_length_between_tested_lengths():
    # 40 numbers at 4 and 160 at 16: at 8, a third of the way, 80.
    row = only_size(growing(curve_rows(FALLS_AT_8, chance_accuracy=0.0)))
    assert row["context_size"] == pytest.approx(80.0)
    # Not linear overall: 40 numbers at 4 and 100 at 16, as where the size levels off.
    rows = [row | {"context_size": min(row["context_size"], 100)} for row in growing(curve_rows(FALLS_AT_8))]
    length = only_size(rows)["length"]
    assert only_size(rows)["context_size"] == pytest.approx(40 + 60 * (length - 4) / 12)


def test_an_arm_that_never_fell_stands_at_its_longest_and_one_that_was_down_at_its_shortest():
    rows = growing(
        curve_rows({4: [1.0], 16: [0.9], 32: [0.9]}) + curve_rows({4: [0.3], 16: [0.2]}, model="uniform")
    )
    table = sizes_of(rows).set_index("model")
    assert table.loc["fixed", ["censored", "length", "context_size"]].tolist() == ["above", 32.0, 320.0]
    assert table.loc["uniform", ["censored", "length", "context_size"]].tolist() == ["below", 4.0, 40.0]
    assert table[["low", "high"]].isna().all(axis=None)


def test_what_did_not_learn_has_a_row_without_a_length():
    nothing = {4: [0.06], 16: [0.06]}
    row = only_size(curve_rows(nothing))
    assert (row["censored"], row["context_size"]) == ("not_learnt", 64.0)
    assert math.isnan(row["length"])
    assert math.isnan(only_size(growing(curve_rows(nothing)))["context_size"])


def test_the_interval_and_the_seeds_are_those_of_the_breakdown():
    # The seeds pass 0.5 at log2 lengths 2.5, 3 and 3.5: mean 3, deviation 0.5, so 3 ± 4.30265 · 0.5 / √3.
    row = only_size(curve_rows({4: [1.0] * 3, 8: [0.0, 0.5, 1.0], 16: [0.0] * 3}, chance_accuracy=0.0))
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
    table = sizes_of(rows)
    assert table["context_size"].tolist() == [80.0, 160.0, 80.0, 160.0]
    assert table["seeds"].tolist() == [2] * 4


def test_free_running_accuracy_decides_and_no_other():
    row = only_size(
        [r | {"teacher_forced_accuracy": 1.0} for r in curve_rows(FALLS_AT_8, chance_accuracy=0.0)]
    )
    assert row["length"] == pytest.approx(8.0)
    assert sizes_of(curve_rows({4: [None], 16: [None]})).empty


@pytest.mark.parametrize(("ended", "count"), [({8}, 2), ({8, 16}, 4), ({4, 32}, 0), (set(), 0)])
def test_runs_ended_by_their_budget_count_at_the_lengths_around_the_breakdown(ended, count):
    # Falls between 8 and 16, on two seeds.
    rows = curve_rows({4: [1.0] * 2, 8: [0.9] * 2, 16: [0.1] * 2, 32: [0.1] * 2})
    rows = [row | {"stop_reason": "budget"} if row["length"] in ended else row for row in rows]
    assert only_size(rows)["budget_runs"] == count


def test_a_breakdown_at_a_tested_length_has_the_budget_of_that_length_alone():
    # On the threshold at 12, below after: 2 ** log2(12) is not 12 to the last bit.
    rows = curve_rows({12: [0.5], 24: [0.0]}, chance_accuracy=0.0)
    row = only_size([r | {"stop_reason": "budget"} if r["length"] == 24 else r for r in rows])
    assert (row["length"], row["budget_runs"]) == (pytest.approx(12.0), 0)


def test_one_run_that_covers_all_lengths_is_one_run():
    ranges = {"protocol": "mixed", "train_min_length": 4, "train_max_length": 16, "stop_reason": "budget"}
    assert only_size(curve_rows({4: [1.0], 16: [0.0]}, **ranges))["budget_runs"] == 1


def test_the_most_training_steps_are_the_arms_budget():
    rows = [row | {"steps": 100 * row["length"]} for row in curve_rows(FALLS_AT_8)]
    assert only_size(rows)["steps"] == 1600
    assert sizes_of([metrics_row(steps=None)])["steps"].isna().all()


def test_unknown_context_sizes_stay_empty():
    assert math.isnan(only_size(curve_rows(FALLS_AT_8, context_size=None))["context_size"])


def test_no_rows_give_no_arms():
    table = sizes_of([])
    assert isinstance(table, pd.DataFrame)
    assert table.empty

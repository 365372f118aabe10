import math

import numpy as np
import pandas as pd
import pytest

from attnbench.analysis.comparison import (
    COMPARISON_COLUMNS,
    average_over_log_length,
    comparison_table,
    pair_with_baseline,
)
from attnbench.arm import Arm, Variant
from tests.metrics_rows import curve_rows, metrics_of


def table_of(fixed, attention, baseline="fixed", score="token_accuracy", **values):
    rows = curve_rows(fixed, **values) + curve_rows(attention, model="bahdanau", **values)
    table = comparison_table(metrics_of(rows), baseline)
    return table[table["score"] == score]


def contrast_of(fixed, attention, **values):
    (row,) = table_of(fixed, attention, **values).query("kind == 'contrast'").to_dict("records")
    return row


def lengths_of(fixed, attention, **values):
    return table_of(fixed, attention, **values).query("kind == 'length'").set_index("length")


def test_the_average_is_over_log_length():
    # From 4 to 8 the mean is .1, from 8 to 32, twice as far in log2, it is .5.
    assert average_over_log_length(np.array([4, 8, 32]), np.array([0.0, 0.2, 0.8])) == pytest.approx(1.1 / 3)
    assert average_over_log_length(np.array([7]), np.array([0.3])) == 0.3


def test_the_contrast_by_hand():
    # Gaps 0 at 4 and .2, .3, .3, .3, .4 at 16: averages .1, .15, .15, .15, .2; mean .15, deviation .0354,
    # margin 2.77645 · .0354 / √5.
    row = contrast_of({4: [1.0] * 5, 16: [0.7, 0.6, 0.6, 0.6, 0.5]}, {4: [1.0] * 5, 16: [0.9] * 5})
    assert (row["gap"], row["pairs"]) == (pytest.approx(0.15), 5)
    assert (row["low"], row["high"]) == pytest.approx((0.15 - 0.0439, 0.15 + 0.0439), abs=1e-4)
    assert (row["p_one_sided"], row["p_floor"]) == (1 / 32, 1 / 32)
    assert (row["shared_min"], row["shared_max"], row["shared_lengths"]) == (4, 16, 2)
    assert (row["baseline"], row["baseline_variant"], row["baseline_hidden_size"]) == ("fixed", "", 64)
    assert pd.isna(row["length"])
    assert pd.isna(row["equivalent"])


def test_pairs_are_of_one_seed():
    # Means agree; the gaps by seed are .2, -.2 and three of 0, and most ways to flip them sum to at least 0.
    row = contrast_of({8: [0.4, 0.8, 0.6, 0.6, 0.6]}, {8: [0.6] * 5})
    assert row["gap"] == pytest.approx(0.0)
    # Sums of ±.2 ±.2 are .4, 0, 0 and -.4.
    assert row["p_one_sided"] == 3 / 4


@pytest.mark.parametrize(("pairs", "p"), [(3, None), (4, None), (5, 1 / 32)])
def test_below_five_pairs_there_is_a_gap_with_an_interval_and_no_p(pairs, p):
    row = contrast_of({8: [0.5, 0.4, 0.5, 0.6, 0.5][:pairs]}, {8: [0.9] * pairs})
    assert row["low"] < row["gap"] < row["high"]
    assert (None if math.isnan(row["p_one_sided"]) else row["p_one_sided"]) == p


def test_the_side_that_was_not_asked_has_no_p():
    row = contrast_of({8: [0.9] * 5}, {8: [0.5, 0.4, 0.5, 0.6, 0.5]})
    assert row["gap"] == pytest.approx(-0.4)
    assert math.isnan(row["p_one_sided"])


def test_seeds_without_a_partner_are_left_out():
    row = contrast_of({8: [0.5, 0.5, 0.1]}, {8: [0.9, 0.8, None]})
    assert (row["gap"], row["pairs"], row["p_floor"]) == (pytest.approx(0.35), 2, 0.25)


def test_the_contrast_takes_the_lengths_that_all_pairs_share():
    # At 16 seed 1 has no score: there the gap is described, and is no part of the contrast.
    fixed, attention = {8: [0.5, 0.6], 16: [0.1, None]}, {8: [0.9, 0.9], 16: [0.9, 0.9]}
    row, by_length = contrast_of(fixed, attention), lengths_of(fixed, attention)
    assert (row["gap"], row["shared_max"], row["shared_lengths"]) == (pytest.approx(0.35), 8, 1)
    assert by_length["gap"].tolist() == pytest.approx([0.35, 0.8])
    assert by_length["pairs"].tolist() == [2, 1]


def test_seeds_that_share_no_length_have_no_contrast():
    table = table_of({8: [0.5, None], 16: [None, 0.5]}, {8: [0.9, None], 16: [None, 0.9]})
    assert table["kind"].tolist() == ["length", "length"]


def test_one_pair_has_a_gap_without_an_interval():
    row = contrast_of({8: [0.5]}, {8: [0.9]})
    assert (row["gap"], row["p_floor"]) == (pytest.approx(0.4), 0.5)
    assert math.isnan(row["low"])


def test_gaps_that_differ_in_their_last_bit_are_equal():
    row = contrast_of({8: [0.8, 0.9]}, {8: [0.9, 1.0]})
    assert row["gap"] == pytest.approx(0.1)
    assert math.isnan(row["low"])


def test_equivalence_is_asked_at_short_lengths_alone():
    fixed = {4: [0.99, 1.0, 1.0], 8: [0.95, 0.93, 0.97], 16: [0.5, 0.5, 0.51]}
    attention = {4: [1.0, 1.0, 0.999], 8: [1.0, 1.0, 0.999], 16: [0.5, 0.5, 0.52]}
    found = lengths_of(fixed, attention)["equivalent"]
    assert found[4]
    assert not found[8]
    assert pd.isna(found[16])


def test_without_an_interval_equivalence_is_not_known():
    assert pd.isna(lengths_of({4: [1.0, 1.0]}, {4: [1.0, 1.0]})["equivalent"][4])


def test_an_interval_of_a_gap_stays_within_one():
    row = contrast_of({8: [0.0, 0.4]}, {8: [1.0, 1.0]})
    assert row["high"] == 1.0


def test_teacher_forced_accuracy_has_rows_of_its_own():
    fixed, attention = {8: [0.5, 0.4]}, {8: [0.9, 0.9]}
    table = table_of(fixed, attention, score="teacher_forced_accuracy", token_accuracy=0.7)
    assert table["gap"].tolist() == pytest.approx([0.45, 0.45])
    assert table_of(fixed, attention, token_accuracy=0.7)["gap"].tolist() == [0.0, 0.0]


def test_without_the_baseline_there_are_columns_and_no_rows():
    table = table_of({8: [0.5]}, {8: [0.9]}, baseline="uniform")
    assert list(table.columns) == list(COMPARISON_COLUMNS)
    assert table.empty
    assert comparison_table(metrics_of([])).empty


def test_each_arm_has_its_own_baseline():
    rows = []
    for size, accuracy in ((32, 0.4), (64, 0.6)):
        rows += curve_rows({8: [accuracy]}, hidden_size=size)
        rows += curve_rows({8: [0.9]}, hidden_size=size, model="bahdanau")
    table = comparison_table(metrics_of(rows)).query("score == 'token_accuracy' and kind == 'contrast'")
    assert table["hidden_size"].tolist() == table["baseline_hidden_size"].tolist() == [32, 64]
    assert table["gap"].tolist() == pytest.approx([0.5, 0.3])


def arm(model="fixed", hidden_size=64, variant="", task="reverse", protocol="per_length", trained=None):
    return Arm(task, model, Variant.parse(variant), protocol, hidden_size, trained, trained)


def paired(*arms, parameters=None, model="fixed"):
    return pair_with_baseline(arms, {each: (parameters or {}).get(each, math.nan) for each in arms}, model)


def test_arms_are_paired_within_task_protocol_range_and_size():
    attention = arm("bahdanau")
    others = [arm(task="copy"), arm(protocol="mixed"), arm(trained=8), arm(hidden_size=32)]
    assert paired(attention, arm(), *others) == {attention: arm()}
    assert paired(attention, *others) == {}


def test_arms_of_the_baseline_itself_are_not_compared():
    assert paired(arm(), arm(variant="model.read=after"), arm(hidden_size=32)) == {}


def test_another_baseline_may_be_named():
    assert paired(arm(), arm("uniform"), model="uniform") == {arm(): arm("uniform")}
    assert paired(arm(), arm("bahdanau"), model="uniform") == {}


def test_keys_of_the_model_may_differ_and_no_others():
    fed, trained_longer = (
        arm("luong_dot", variant="model.input_feeding=True"),
        arm("luong_dot", variant="training.steps=6000"),
    )
    assert paired(fed, trained_longer, arm()) == {fed: arm()}
    longer = arm(variant="training.steps=6000")
    assert paired(fed, trained_longer, arm(), longer) == {fed: arm(), trained_longer: longer}


def test_of_several_baselines_the_most_alike_is_taken():
    gru = arm("luong_dot", variant="model.cell=gru;model.layers=2")
    candidates = [arm(), arm(variant="model.cell=gru"), arm(variant="model.cell=gru;model.read=after")]
    assert paired(gru, *candidates)[gru] == candidates[1]
    assert paired(arm("luong_dot"), *candidates)[arm("luong_dot")] == candidates[0]


def test_arms_matched_by_parameters_take_the_nearest_within_five_percent():
    attention, small, large, far = (
        arm("bahdanau", 70),
        arm(hidden_size=78),
        arm(hidden_size=80),
        arm(hidden_size=99),
    )
    counts = {attention: 100_000, small: 96_000, large: 101_000, far: 106_000}
    assert paired(attention, small, large, far, parameters=counts) == {attention: large}
    assert paired(attention, far, parameters=counts) == {}
    assert paired(attention, small) == {}


def test_the_same_hidden_size_comes_before_nearer_parameters():
    attention, same, near = arm("bahdanau"), arm(), arm(hidden_size=66)
    counts = {attention: 100_000, same: 80_000, near: 100_000}
    assert paired(attention, same, near, parameters=counts) == {attention: same}

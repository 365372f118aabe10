import math

import numpy as np
import pandas as pd
import pytest

from attnbench.analysis.arms import Metrics
from attnbench.analysis.breakdown import (
    Crossing,
    LengthCurve,
    breakdown_table,
    find_breakdown,
    find_crossing,
    l50_rows,
    lengths_around,
)
from tests.growth import growth
from tests.metrics_rows import curve_rows, metrics_of, metrics_table

CONTRACT = """task, model, variant, protocol, hidden_size, train_min_length, train_max_length, score,
threshold, accuracy_threshold, length, low, high, censored, seeds"""


def breakdown_of(accuracies, chance=0.0, threshold="L50"):
    """The breakdown of one arm with accuracies {length: one per seed, None where the seed lacks it}."""
    rows = [(length, seed, a) for length, by_seed in accuracies.items() for seed, a in enumerate(by_seed)]
    lengths, seeds, values = zip(*rows, strict=True)
    values = [math.nan if value is None else value for value in values]
    return find_breakdown(lengths, seeds, values, [chance] * len(rows), threshold)


def only_row(rows, score="token_accuracy", threshold="L50"):
    table = breakdown_table(metrics_of(rows))
    table = table[(table["score"] == score) & (table["threshold"] == threshold)]
    assert len(table) == 1
    return table.iloc[0]


def has_no_interval(breakdown):
    return math.isnan(breakdown.low) and math.isnan(breakdown.high)


def test_noise_free_seeds_give_the_exact_length_and_no_interval():
    found = breakdown_of({4: [1.0] * 3, 16: [0.0] * 3})
    assert (found.length, found.accuracy_threshold, found.censored, found.seeds) == (8.0, 0.5, "", 3)
    assert has_no_interval(found)


def test_the_interval_is_over_the_seeds_own_log_lengths():
    # The seeds pass 0.5 at log2 lengths 2.5, 3 and 3.5: mean 3, deviation 0.5, so 3 ± 4.30265 · 0.5 / √3.
    found = breakdown_of({4: [1.0] * 3, 8: [0.0, 0.5, 1.0], 16: [0.0] * 3})
    margin = 4.30265 * 0.5 / math.sqrt(3)
    assert found.length == pytest.approx(8.0)
    assert (found.low, found.high) == pytest.approx((2 ** (3 - margin), 2 ** (3 + margin)), rel=1e-5)
    assert not found.is_outside_interval


def test_a_point_outside_the_interval_says_so():
    # Nine shallow seeds pass half way from 4 to 8 in log2, one steep seed nine tenths of the way. The mean
    # curve follows the steep one; the seeds' own lengths have mean 0.54, margin 2.262 · 0.1265 / √10 = 0.09.
    found = breakdown_of({4: [0.501] * 9 + [0.95], 8: [0.499] * 9 + [0.45]})
    assert math.log2(found.length) == pytest.approx(2 + 0.0459 / 0.0518)
    assert (math.log2(found.low), math.log2(found.high)) == pytest.approx((2.4495, 2.6305), abs=1e-3)
    assert found.is_outside_interval


def test_without_an_interval_no_point_is_outside():
    assert not breakdown_of({4: [1.0], 16: [0.0]}).is_outside_interval


def test_l90_is_the_same_with_nine_tenths():
    found = breakdown_of({4: [1.0] * 2, 16: [0.0] * 2}, threshold="L90")
    assert found.length == pytest.approx(2**2.2)
    assert (found.threshold, found.accuracy_threshold) == ("L90", pytest.approx(0.9))


def test_an_arm_that_never_falls_is_censored_above():
    found = breakdown_of({4: [1.0, 1.0, 1.0], 32: [0.99, 0.98, 0.97]})
    assert (found.length, found.censored, found.seeds_above) == (32, "above", 3)
    assert has_no_interval(found)


def test_an_arm_under_the_threshold_at_the_shortest_is_censored_below():
    found = breakdown_of({4: [0.4, 0.3, 0.4], 32: [0.1, 0.1, 0.2]})
    assert (found.length, found.censored, found.seeds_below) == (4, "below", 3)
    assert has_no_interval(found)


def test_an_arm_at_chance_did_not_learn_and_has_no_length():
    found = breakdown_of({4: [0.06, 0.07, 0.05], 8: [0.06, 0.06, 0.06]}, chance=1 / 16)
    assert (found.censored, found.seeds_not_learnt) == ("not_learnt", 3)
    assert math.isnan(found.length)
    assert has_no_interval(found)


def test_one_seed_beyond_the_longest_leaves_the_point_and_takes_the_interval():
    # The mean falls from 1 at 4 to 0.3 at 16: 5/7 of the way in log2. One seed of three stays above.
    found = breakdown_of({4: [1.0, 1.0, 1.0], 16: [0.0, 0.2, 0.7]})
    assert found.length == pytest.approx(2 ** (2 + 2 * 5 / 7))
    assert (found.censored, found.seeds, found.seeds_above) == ("", 3, 1)
    assert has_no_interval(found)


def test_seeds_that_failed_are_told_apart():
    found = breakdown_of({4: [1.0, 1.0, 0.0, 0.4], 8: [0.9, 1.0, 0.0, 0.2], 16: [0.1, 0.9, 0.0, 0.1]})
    assert (found.seeds_above, found.seeds_below, found.seeds_not_learnt) == (1, 1, 1)
    assert has_no_interval(found)


def test_one_seed_has_a_point_and_no_interval():
    found = breakdown_of({4: [1.0], 16: [0.0]})
    assert (found.length, found.seeds) == (8.0, 1)
    assert has_no_interval(found)


def test_a_seed_uses_the_lengths_that_it_has():
    # Seed 1 lacks 8, where the mean is then seed 0's 0.5; seed 1 falls at 8 as well, half way from 4 to 16.
    found = breakdown_of({4: [1.0, 1.0], 8: [0.5, None], 16: [0.0, 0.0]})
    assert (found.length, found.seeds, found.seeds_above) == (8.0, 2, 0)
    assert has_no_interval(found)


def test_a_seed_that_lacks_the_long_lengths_is_censored_at_its_own_longest():
    found = breakdown_of({4: [1.0, 1.0], 8: [0.9, 0.9], 16: [0.0, None]})
    assert (found.censored, found.seeds_above) == ("", 1)
    assert has_no_interval(found)


def test_rows_may_come_in_any_order():
    assert breakdown_of({16: [0.0, 0.2], 4: [1.0, 1.0], 8: [0.7, 0.6]}) == breakdown_of(
        {4: [1.0, 1.0], 8: [0.7, 0.6], 16: [0.0, 0.2]}
    )


def test_a_curve_that_rises_again_fell_the_first_time():
    assert breakdown_of({4: [1.0], 8: [0.0], 16: [1.0], 32: [0.0]}).length == pytest.approx(2**2.5)


def test_columns_begin_with_the_contracts_in_its_order():
    expected = CONTRACT.replace("\n", " ").replace(",", " ").split()
    assert list(breakdown_table(metrics_of(curve_rows({8: [1.0]}))).columns)[: len(expected)] == expected


def test_a_row_for_each_arm_score_and_threshold():
    table = breakdown_table(
        metrics_of(curve_rows({4: [1.0], 16: [0.0]}) + curve_rows({4: [1.0]}, model="uniform"))
    )
    assert len(table) == 2 * 2 * 2
    assert table["model"].tolist() == ["fixed"] * 4 + ["uniform"] * 4
    assert table["score"].tolist() == (["token_accuracy"] * 2 + ["teacher_forced_accuracy"] * 2) * 2
    assert table["threshold"].tolist() == ["L50", "L90"] * 4


def test_the_table_agrees_with_the_function():
    accuracies = {4: [1.0, 0.95, 1.0], 8: [0.7, 0.6, None], 16: [0.3, 0.25, 0.2]}
    row = only_row(curve_rows(accuracies, chance_accuracy=0.125), "teacher_forced_accuracy", "L90")
    found = breakdown_of(accuracies, 0.125, "L90")
    for name, value in vars(found).items():
        assert (
            row[name] == pytest.approx(value, nan_ok=True) if isinstance(value, float) else row[name] == value
        )


def test_missing_accuracies_and_missing_chances_are_left_out():
    rows = curve_rows({4: [1.0], 8: [None], 16: [0.0]}, chance_accuracy=0.0)
    assert only_row(rows)["length"] == 8.0
    assert len(breakdown_table(metrics_of(curve_rows({4: [1.0]}, chance_accuracy=None)))) == 0


def test_an_arm_without_the_score_has_no_row():
    rows = curve_rows({4: [1.0]}, token_accuracy=None)
    assert set(breakdown_table(metrics_of(rows))["score"]) == {"teacher_forced_accuracy"}


@pytest.mark.parametrize(
    "difference",
    [{"variant": "model.cell=gru"}, {"hidden_size": 128}, {"task": "copy"}, {"model": "uniform"}],
)
def test_arms_are_never_pooled(difference):
    rows = curve_rows({4: [1.0], 16: [0.0]}, chance_accuracy=0.0)
    rows += curve_rows({4: [1.0], 16: [1.0]}, chance_accuracy=0.0, **difference)
    table = l50_rows(breakdown_table(metrics_of(rows)))
    assert sorted(zip(table["length"], table["censored"], strict=True)) == [(8.0, ""), (16.0, "above")]


def test_train_ranges_are_never_pooled_under_mixed():
    rows = []
    for longest, last in ((8, 0.0), (16, 1.0)):
        rows += curve_rows(
            {4: [1.0], 16: [last]}, protocol="mixed", train_min_length=4, train_max_length=longest
        )
    table = l50_rows(breakdown_table(metrics_of(rows)))
    assert table["train_max_length"].tolist() == [8, 16]
    assert table["censored"].tolist() == ["", "above"]


def test_the_train_range_is_empty_for_per_length():
    table = breakdown_table(metrics_of(curve_rows({4: [1.0], 16: [0.0]})))
    assert table["train_min_length"].tolist() == [pd.NA] * 4


@pytest.mark.parametrize(
    ("length", "around"), [(10.0, [8, 16]), (8 + 1e-12, [8]), (4.0, [4]), (math.nan, [4, 8, 16])]
)
def test_the_lengths_around_a_breakdown_are_those_it_lies_between(length, around):
    assert lengths_around([16, 4, 8, 8], length) == around


def test_no_rows_give_no_breakdown():
    assert len(breakdown_table(metrics_of([]))) == 0


def test_breakdowns_cost_ten_times_as_much_for_ten_times_as_many_arms():
    rows = []
    for size in range(1, 501):
        rows += curve_rows(
            {length: [1 / (1 + length * s / 90) for s in range(1, 6)] for length in (4, 8, 16, 32)},
            hidden_size=size,
        )
    metrics = metrics_table(rows)

    def table_of(rows):
        return breakdown_table(Metrics.of(rows))

    assert len(table_of(metrics)) == 500 * 4
    assert growth(lambda: table_of(metrics[:1000]), lambda: table_of(metrics)) < 30


def curve(accuracies, chance=0.0, lengths=(4, 8, 16, 32)):
    lengths = lengths[: len(accuracies)]
    return LengthCurve(lengths, accuracies, [chance] * len(lengths))


def test_half_way_down_in_log_length():
    # From 1 at 4 to 0 at 16: half of it at 8, the middle of 4 and 16 in log2.
    assert find_crossing(LengthCurve([4, 16], [1.0, 0.0], [0, 0]), 0.5) == Crossing(8.0, 0.5)


def test_a_tenth_of_the_way_down():
    crossing = find_crossing(LengthCurve([4, 16], [1.0, 0.0], [0, 0]), 0.9)
    assert crossing.length == pytest.approx(2**2.2)
    assert crossing.accuracy == pytest.approx(0.9)


def test_the_threshold_lies_between_chance_and_perfect():
    # chance 0.2: threshold 0.6, passed a third of the way from 0.8 at 8 to 0.2 at 16
    crossing = find_crossing(curve([1.0, 0.8, 0.2], chance=0.2), 0.5)
    assert crossing.length == pytest.approx(2 ** (3 + 1 / 3))
    assert crossing.accuracy == pytest.approx(0.6)


def test_chance_that_differs_by_length():
    # Thresholds 0.5 and 0.75, distances 0.5 and -0.25: two thirds of the way from 4 to 16.
    crossing = find_crossing(LengthCurve([4, 16], [1.0, 0.5], [0.0, 0.5]), 0.5)
    assert crossing.length == pytest.approx(2 ** (2 + 4 / 3))
    assert crossing.accuracy == pytest.approx(0.5 + 0.25 * 2 / 3)


def test_a_curve_that_rises_again_crosses_at_the_first_fall():
    crossing = find_crossing(curve([1.0, 0.0, 1.0, 0.0]), 0.5)
    assert crossing == Crossing(pytest.approx(2**2.5), 0.5)


def test_touching_the_threshold_is_no_fall():
    assert find_crossing(curve([1.0, 0.5, 1.0]), 0.5).censored == "above"
    assert find_crossing(curve([0.5, 0.9, 0.9]), 0.5).censored == "above"
    assert find_crossing(curve([1.0, 0.9, 0.5]), 0.5).censored == "above"


def test_on_the_threshold_and_then_below_is_a_fall_at_that_length():
    assert find_crossing(curve([1.0, 0.5, 0.2]), 0.5) == Crossing(8.0, 0.5)
    assert find_crossing(curve([1.0, 0.5, 0.5, 0.2]), 0.5) == Crossing(16.0, 0.5)
    assert find_crossing(curve([0.5, 0.2]), 0.5) == Crossing(4.0, 0.5)


def test_the_last_bit_of_a_mean_is_no_fall():
    assert find_crossing(curve([1.0, 0.5 - 1e-16]), 0.5).censored == "above"
    assert find_crossing(curve([1.0, 0.5 - 1e-9]), 0.5).censored == ""


def test_a_curve_that_never_falls_is_censored_at_the_longest():
    assert find_crossing(curve([1.0, 0.99, 0.95]), 0.5) == Crossing(16, 0.5, "above")


def test_a_curve_under_the_threshold_at_the_shortest_is_censored_there():
    assert find_crossing(curve([0.4, 0.3, 0.1]), 0.5) == Crossing(4, 0.5, "below")
    # What comes later does not matter: it was under the threshold at the shortest.
    assert find_crossing(curve([0.4, 0.9, 0.1]), 0.5) == Crossing(4, 0.5, "below")


def test_a_curve_at_chance_everywhere_did_not_learn():
    # chance 0.2: learnt from 0.2 + 0.05 · 0.8 = 0.24 on
    crossing = find_crossing(curve([0.23, 0.2, 0.1], chance=0.2), 0.5)
    assert crossing.censored == "not_learnt"
    assert math.isnan(crossing.length)
    assert crossing.accuracy == pytest.approx(0.6)
    assert find_crossing(curve([0.24, 0.2, 0.1], chance=0.2), 0.5).censored == "below"


def test_an_arm_that_learnt_at_one_length_only_has_learnt():
    assert find_crossing(curve([0.0, 0.0, 0.3]), 0.5).censored == "below"


def test_chance_near_one():
    # chance 0.98: threshold 0.99, half way from 1.00 at 4 to 0.98 at 8
    assert find_crossing(curve([1.0, 0.98], chance=0.98), 0.5).length == pytest.approx(2**2.5)
    assert find_crossing(curve([1.0, 1.0], chance=1.0), 0.9).censored == "above"
    assert find_crossing(curve([0.9, 0.8], chance=1.0), 0.5).censored == "not_learnt"


@pytest.mark.parametrize(
    ("accuracy", "censored"), [(1.0, "above"), (0.5, "above"), (0.3, "below"), (0.0, "not_learnt")]
)
def test_one_length_is_always_censored(accuracy, censored):
    assert find_crossing(curve([accuracy]), 0.5).censored == censored


@pytest.mark.parametrize("seed", range(20))
def test_crossings_agree_with_walking_along_the_curve(seed):
    generator = np.random.default_rng(seed)
    lengths = np.cumsum(generator.integers(1, 9, size=6)) + 2
    accuracies, chances = generator.uniform(size=6), generator.uniform(0, 0.3, size=6)
    accuracies[0] = 1.0
    steps = np.linspace(math.log2(lengths[0]), math.log2(lengths[-1]), 200_001)
    walked = np.interp(steps, np.log2(lengths), accuracies)
    threshold = np.interp(steps, np.log2(lengths), chances + 0.5 * (1 - chances))
    below = np.flatnonzero(walked < threshold)
    crossing = find_crossing(LengthCurve(lengths.tolist(), accuracies.tolist(), chances.tolist()), 0.5)
    if below.size:
        assert math.log2(crossing.length) == pytest.approx(steps[below[0]], abs=1e-4)
        assert crossing.accuracy == pytest.approx(threshold[below[0]], abs=1e-4)
    else:
        assert crossing.censored == "above"

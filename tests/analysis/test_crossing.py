import math

import numpy as np
import pytest

from attnbench.analysis.crossing import Crossing, LengthCurve, find_crossing


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


def test_a_curve_that_rises_again_fell_the_first_time():
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

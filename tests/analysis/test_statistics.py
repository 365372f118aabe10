import math

import numpy as np
import pytest
from scipy import stats

from attnbench.analysis.statistics import (
    MOST_PAIRS,
    may_cover_less,
    mean_interval,
    sign_flip_floor,
    sign_flip_p,
    student_margins,
)

# The 97.5 % point of Student's t with two degrees of freedom, from a printed table.
T_2 = 4.30265


def test_three_values_by_hand():
    # mean 0.6, standard deviation 0.1, so 0.6 ± 4.30265 · 0.1 / √3
    interval = mean_interval([0.5, 0.6, 0.7])
    assert interval.mean == pytest.approx(0.6)
    assert interval.low == pytest.approx(0.6 - 0.248414, abs=1e-6)
    assert interval.high == pytest.approx(0.6 + 0.248414, abs=1e-6)
    assert interval.count == 3


def test_bounds_cut_the_interval_off_and_not_the_mean():
    # mean 0.95, standard deviation 0.05: 0.95 ± 0.124 passes 1
    interval = mean_interval([0.9, 0.95, 1.0], bounds=(0, 1))
    assert interval.high == 1.0
    assert interval.low == pytest.approx(0.95 - T_2 * 0.05 / math.sqrt(3), abs=1e-5)
    assert mean_interval([0.9, 0.95, 1.0]).high > 1


@pytest.mark.parametrize("values", [[0.3], [0.1, 0.1, 0.1], [1.0] * 7])
def test_one_value_or_equal_values_have_no_interval_and_a_mean_without_rounding(values):
    interval = mean_interval(values, bounds=(0, 1))
    assert interval.mean == values[0]
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_the_interval_is_that_of_scipys_one_sample_test():
    values = np.random.default_rng(5).normal(size=11)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    interval = mean_interval(values)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_margins_of_many_means_at_once():
    margins = student_margins([0.1, 0.0, np.nan, 0.1], [3, 3, 1, 1])
    assert margins[0] == pytest.approx(T_2 * 0.1 / math.sqrt(3), abs=1e-6)
    assert np.isnan(margins[1:]).all()


@pytest.mark.parametrize("pairs", [1, 2, 3, 5, 8])
def test_differences_all_above_zero_reach_the_floor(pairs):
    assert sign_flip_p([0.1 * (i + 1) for i in range(pairs)]) == sign_flip_floor(pairs) == 0.5**pairs


def test_a_case_by_hand():
    # 3, 2, -1 sum to 4. Of the eight sums 6, 4, 2, 0 and their negatives two are at least 4.
    assert sign_flip_p([3, 2, -1]) == 2 / 8


def test_ties_count_as_at_least_as_large():
    # 1, 1, -1 sum to 1: one way gives 3, three give 1.
    assert sign_flip_p([1, 1, -1]) == 4 / 8
    # The same in numbers whose sums differ in the last bit.
    assert sign_flip_p([0.1, 0.1, -0.1]) == sign_flip_p([-0.1, 0.1, 0.1]) == 4 / 8


def test_no_difference_at_all_says_nothing():
    assert sign_flip_p([0.0, 0.0, 0.0]) == 1.0
    assert sign_flip_p([-0.2, -0.1, -0.3]) == 1.0


@pytest.mark.parametrize("pairs", [4, 7, 10])
def test_it_agrees_with_scipy(pairs):
    differences = np.random.default_rng(pairs).normal(0.3, 1, pairs)
    oracle = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    assert sign_flip_p(differences.tolist()) == pytest.approx(oracle.pvalue)


def test_many_pairs_are_counted_without_listing_all_ways():
    # One difference so large that its sign alone decides.
    assert sign_flip_p([1e3] + [0.0] * 29) == 0.5
    assert math.isnan(sign_flip_p([1.0] * (MOST_PAIRS + 1)))
    assert math.isnan(sign_flip_p([]))


def test_fewer_than_five_seeds_may_cover_less():
    assert may_cover_less(4, 0.5)
    assert not may_cover_less(5, 0.5)
    assert not may_cover_less(5)


def test_accuracies_near_perfect_may_cover_less_where_seeds_differ():
    assert may_cover_less(10, 0.985)
    assert not may_cover_less(10, 0.97)
    assert not may_cover_less(10, 1.0, has_spread=False)

import math

import numpy as np
import pytest
from scipy import stats

from attnbench.analysis.statistics import mean_interval, student_margins

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

import math

import numpy as np
import pytest
from scipy import stats

from attnbench.analysis.sign_flip import MOST_PAIRS, sign_flip_floor, sign_flip_p


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

"""Attention that sees a part of the source: within a window, or as far as its positions go."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from attnbench.models.contexts.bottleneck import Uniform
from attnbench.models.contexts.luong import (
    SCORES,
    LuongDot,
    LuongLocal,
    LuongLocalMonotonic,
    LuongLocalPredictive,
    LuongLocation,
    Score,
)
from tests.models.reading import HIDDEN, TARGET_LEN, assert_same, drawn, encoded, read, set_weight

scores = pytest.mark.parametrize("score", SCORES)


def predictive(whole: LuongDot, window: int) -> LuongLocalPredictive:
    """Return the form whose centre moves, without its Gaussian."""
    local = drawn(LuongLocalPredictive(LuongDot(HIDDEN), window, has_gaussian=False))
    local.whole = whole
    return local


@scores
@pytest.mark.parametrize("window", [4, 5, 50])
@pytest.mark.parametrize("form", [LuongLocalMonotonic, predictive])
def test_a_window_over_the_whole_source_is_global(
    score: Score, window: int, form: Callable[[LuongDot, int], LuongLocal]
) -> None:
    whole, source = drawn(SCORES[score](HIDDEN)), encoded()
    expected, weights = read(whole, source)
    found, found_weights = read(form(whole, window), source)
    assert_same(found, expected)
    assert_same(found_weights, weights)


@scores
def test_one_position_less_is_not_the_whole_source(score: Score) -> None:
    _, weights = read(LuongLocalMonotonic(drawn(SCORES[score](HIDDEN)), 3), encoded())
    # From the first of five positions the last is out of reach, and from the last one the first.
    is_out = weights[0] == 0
    assert is_out[0].tolist() == [False, False, False, False, True]
    assert is_out[4:].tolist() == [[True, False, False, False, False]] * (TARGET_LEN - 4)
    assert not is_out[1:4].any()


@scores
def test_the_gaussian_multiplies_and_normalises_nothing(score: Score) -> None:
    source, local = encoded(), predictive(drawn(SCORES[score](HIDDEN)), 2)
    # v = 0 puts the centre into the middle: position 2 of five, 0 of one, 1 of three. σ is D / 2 = 1.
    set_weight(local.position_score, torch.zeros(1, HIDDEN))
    centres = torch.tensor([2.0, 0.0, 1.0], dtype=torch.float64).view(3, 1, 1)
    _, weights = read(local, source)
    local.has_gaussian = True
    context, found = read(local, source)
    assert_same(found, weights * torch.exp(-((torch.arange(5) - centres) ** 2) / 2))
    assert_same(context, found @ source.states)


def test_equal_rows_of_positions_are_the_mean_of_what_they_reach() -> None:
    location, source = drawn(LuongLocation(HIDDEN, 3)), encoded()
    set_weight(location.position_scores, location.position_scores.weight[:1].repeat(3, 1))
    reachable = replace(source, mask=source.mask & (torch.arange(5) < 3))
    expected, weights = read(Uniform(HIDDEN, "after"), reachable)
    found, found_weights = read(location, source)
    assert_same(found, expected)
    assert_same(found_weights, weights)

"""Contexts worked by hand: two source states (1, 0) and (0, 1), then padding that must not be read."""

import math

import pytest
import torch
from torch import Tensor, nn

from attnbench.models.contexts.bahdanau import Bahdanau
from attnbench.models.contexts.base import Context, Reading
from attnbench.models.contexts.bottleneck import Fixed, Nothing, Uniform
from attnbench.models.contexts.luong import LuongDot, LuongGeneral
from attnbench.models.encoder import EncoderOutput

LN3 = math.log(3)
ENCODED = EncoderOutput(
    states=torch.tensor([[[1.0, 0.0], [0.0, 1.0], [70.0, -50.0]]]),
    final=torch.tensor([[0.5, -0.5]]),
    mask=torch.tensor([[True, True, False]]),
)
READINGS: tuple[Reading, ...] = ("before", "after", "both")


def read(context: Context, *queries: tuple[float, float]) -> tuple[Tensor, Tensor | None]:
    """Return context (target_len, size) and weights (target_len, source_len)."""
    with torch.no_grad():
        found, weights = context.read(torch.tensor([queries]), context.prepare(ENCODED))
    return found[0], None if weights is None else weights[0]


def set_weight(layer: nn.Linear, rows: list[list[float]]) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(rows))


def assert_reads(found: Tensor | None, expected: list[list[float]]) -> None:
    torch.testing.assert_close(found, torch.tensor(expected))


def test_luong_dot_multiplies_state_with_state() -> None:
    # Scores ln 3 and 0, so weights 3 : 1; then 0 and 2 ln 3, so weights 1 : 9.
    context, weights = read(LuongDot(2), (LN3, 0.0), (0.0, 2 * LN3))
    assert_reads(weights, [[0.75, 0.25, 0.0], [0.1, 0.9, 0.0]])
    assert_reads(context, [[0.75, 0.25], [0.1, 0.9]])


def test_luong_general_multiplies_with_a_learned_image_of_the_source() -> None:
    general = LuongGeneral(2)
    # W (1, 0) = (0, 2) and W (0, 1) = (1, 0): scores 2 ln 3 · s_2 and ln 3 · s_1.
    set_weight(general.key_projection, [[0.0, 1.0], [2.0, 0.0]])
    context, weights = read(general, (LN3, 0.0), (0.0, LN3))
    assert_reads(weights, [[0.25, 0.75, 0.0], [0.9, 0.1, 0.0]])
    assert_reads(context, [[0.25, 0.75], [0.9, 0.1]])


def test_bahdanau_scores_by_a_small_network() -> None:
    additive = Bahdanau(2)
    set_weight(additive.query_projection, [[0.0, 1.0], [1.0, 0.0]])
    set_weight(additive.key_projection, [[1.0, 0.0], [0.0, 2.0]])
    set_weight(additive.score, [[0.0, LN3 / math.tanh(2)]])
    # Second unit: tanh(q_1 + 2 h_2). For q_1 = 0 it is 0 and tanh 2: scores 0 and ln 3.
    # For q_1 = −2 it is −tanh 2 and 0: scores −ln 3 and 0. Both are 1 : 3.
    context, weights = read(additive, (0.0, 9.0), (-2.0, 9.0))
    assert_reads(weights, [[0.25, 0.75, 0.0]] * 2)
    assert_reads(context, [[0.25, 0.75]] * 2)


@pytest.mark.parametrize("reading", READINGS)
def test_uniform_is_the_mean_whatever_the_query(reading: Reading) -> None:
    context, weights = read(Uniform(2, reading), (LN3, 0.0), (5.0, -5.0))
    assert_reads(weights, [[0.5, 0.5, 0.0]] * 2)
    assert_reads(context, [[0.5, 0.5]] * 2)


@pytest.mark.parametrize("reading", READINGS)
def test_fixed_is_the_final_state_whatever_the_query(reading: Reading) -> None:
    context, weights = read(Fixed(2, reading), (LN3, 0.0), (5.0, -5.0), (0.0, 0.0))
    assert_reads(context, [[0.5, -0.5]] * 3)
    assert weights is None


@pytest.mark.parametrize(
    ("reading", "before", "after"), [("before", True, False), ("after", False, True), ("both", True, True)]
)
def test_a_context_that_does_not_follow_the_state_can_be_read_anywhere(
    reading: Reading, before: bool, after: bool
) -> None:
    for context in (Fixed(2, reading), Uniform(2, reading)):
        assert (context.reads_before, context.reads_after, context.follows_state) == (before, after, False)


def test_nothing_is_read_nowhere() -> None:
    context, weights = read(Nothing(), (LN3, 0.0), (0.0, 0.0))
    assert context.shape == (2, 0)
    assert weights is None
    assert not Nothing.reads_before
    assert not Nothing.reads_after


def test_scores_too_large_for_exp_still_make_weights() -> None:
    _, weights = read(LuongDot(2), (1e4, 0.0))
    assert_reads(weights, [[1.0, 0.0, 0.0]])


def test_nothing_of_the_padding_is_remembered() -> None:
    infinite = ENCODED.states.clone()
    for state in (1e30, -1e30):
        infinite[0, 2] = state
        encoded = EncoderOutput(infinite, ENCODED.final, ENCODED.mask)
        for context in (LuongDot(2), LuongGeneral(2), Bahdanau(2), Uniform(2, "after")):
            with torch.no_grad():
                expected, _ = context.read(torch.ones(1, 1, 2), context.prepare(ENCODED))
                found, _ = context.read(torch.ones(1, 1, 2), context.prepare(encoded))
            torch.testing.assert_close(found, expected)

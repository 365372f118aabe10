"""Additive scores in portions, and their gradients gathered over steps, against the formula written out."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from attnbench.models.contexts import additive_kernel
from attnbench.models.contexts.additive_kernel import (
    SteppedMemory,
    additive_scores,
    read_steps,
    stepped_memory,
)
from attnbench.models.contexts.additive_loop import run_through
from tests.models.arms import WIRINGS, arm, build, in_words, uneven_batch
from tests.models.reading import random

QUERIES, KEYS, VALUES, PROJECTION, SCORE = ((5, 3, 4), (5, 6, 4), (5, 6, 4), (4, 4), (4,))
MASK = torch.arange(6) < torch.tensor([[6], [1], [3], [6], [2]])


@pytest.fixture(
    params=[1, 7 * 24, 2**18], ids=["row by row", "two rows at once", "all at once"], autouse=True
)
def _portion(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(additive_kernel.AT_ONCE, "cpu", request.param)


def inputs() -> list[Tensor]:
    return [
        random(*shape, seed=seed).requires_grad_()
        for seed, shape in enumerate((QUERIES, KEYS, VALUES, PROJECTION, SCORE))
    ]


def written_out(queries: Tensor, keys: Tensor, score: Tensor) -> Tensor:
    return torch.tanh(queries.unsqueeze(2) + keys.unsqueeze(1)) @ score


def gradients(result: Tensor, of: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad((result * random(*result.shape, seed=9)).sum(), of, retain_graph=True)


def memory_of(source: list[Tensor]) -> SteppedMemory:
    keys, values, projection, score = source
    return stepped_memory(keys, values, MASK, projection, score)


def read_in_steps(states: Tensor, keys: Tensor, values: Tensor, projection: Tensor, score: Tensor) -> Tensor:
    """Each step's state hangs on the context before, as in a decoder."""
    memory, context = stepped_memory(keys, values, MASK, projection, score), states[:, :1]
    contexts = []
    for step in range(3):
        context, weights = read_steps(states[:, step : step + 1] + context, memory)
        contexts += [context, weights]
    return torch.cat(contexts, dim=2)


def written_out_in_steps(
    states: Tensor, keys: Tensor, values: Tensor, projection: Tensor, score: Tensor
) -> Tensor:
    context, contexts = states[:, :1], []
    for step in range(3):
        query = (states[:, step : step + 1] + context) @ projection.t()
        scores = written_out(query, keys, score)
        weights = torch.softmax(scores.masked_fill(~MASK.unsqueeze(1), float("-inf")), dim=2)
        context = weights @ values
        contexts += [context, weights]
    return torch.cat(contexts, dim=2)


def test_scores_and_their_gradients_are_those_of_the_formula() -> None:
    queries, keys, _, _, score = inputs()
    found, expected = additive_scores(queries, keys, score), written_out(queries, keys, score)
    torch.testing.assert_close(found, expected)
    of = [queries, keys, score]
    torch.testing.assert_close(gradients(found, of), gradients(expected, of))


def test_steps_and_their_gradients_are_those_of_the_formula() -> None:
    of = inputs()
    found, expected = read_in_steps(*of), written_out_in_steps(*of)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients(found, of), gradients(expected, of))


def test_running_backward_again_adds_nothing_to_what_was_gathered_before() -> None:
    of = inputs()
    result = read_in_steps(*of)
    torch.testing.assert_close(gradients(result, of), gradients(result, of), rtol=0, atol=0)


def test_a_step_that_the_loss_does_not_hang_on_leaves_no_gradient() -> None:
    states, *source = inputs()
    first, _ = read_steps(states[:, :1], memory := memory_of(source))
    read_steps(states[:, 1:2], memory)
    again, _ = read_steps(states[:, :1], memory_of(source))
    torch.testing.assert_close(gradients(first, source), gradients(again, source), rtol=0, atol=0)


def test_a_loss_that_hangs_on_the_weights_alone_is_differentiated() -> None:
    states, *source = inputs()
    keys, _, projection, score = source
    _, found = read_steps(states, memory_of(source))
    scores = written_out(states @ projection.t(), keys, score)
    expected = torch.softmax(scores.masked_fill(~MASK.unsqueeze(1), float("-inf")), dim=2)
    of = [states, keys, projection, score]
    torch.testing.assert_close(gradients(found, of), gradients(expected, of))


@pytest.mark.parametrize("of_keys", [1.0, 29.9, 31.0, 500.0])
@pytest.mark.parametrize("of_queries", [1.0, 45.0, 500.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sums_of_any_size_have_the_tanh_of_the_formula(
    of_queries: float, of_keys: float, dtype: torch.dtype
) -> None:
    """Products of exponents stand for tanh where they stay in the range of numbers, and no longer."""
    queries, keys, _, _, score = (each.detach() for each in inputs())
    of = [
        (numbers * size / numbers.abs().max()).to(dtype).requires_grad_()
        for numbers, size in ((queries, of_queries), (keys, of_keys), (score, 1.0))
    ]
    tolerance = {"rtol": 1e-9, "atol": 1e-9} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 2e-6}
    found, expected = additive_scores(*of), written_out(*of)
    torch.testing.assert_close(found, expected, **tolerance)
    torch.testing.assert_close(gradients(found, of), gradients(expected, of), **tolerance)


@pytest.mark.parametrize("size", [1.0, 31.0])
def test_the_slopes_are_those_of_small_changes(size: float) -> None:
    queries, keys, values, projection, score = inputs()
    large = (keys.detach() * size).requires_grad_()
    assert torch.autograd.gradcheck(additive_scores, (queries, large, score))
    assert torch.autograd.gradcheck(read_in_steps, (queries, large, values, projection, score))


def test_a_step_runs_where_tensors_have_no_numbers() -> None:
    """A device without autocast may not be asked for it."""
    model, batch = arm("bahdanau").build(11, 9, seed=0).to("meta"), uneven_batch().to(torch.device("meta"))
    model(batch).logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_states_read_at_once_are_read_one_after_the_other() -> None:
    states, *source = inputs()
    found, memory = read_steps(states, memory_of(source)), memory_of(source)
    one_by_one = [read_steps(state, memory) for state in states.split(1, dim=1)]
    for together, alone in zip(found, zip(*one_by_one, strict=True), strict=True):
        torch.testing.assert_close(together, torch.cat(alone, dim=1), rtol=0, atol=0)


def test_half_precision_is_read_in_single() -> None:
    states, *source = (each.detach().to(torch.bfloat16) for each in inputs())
    context, weights = read_steps(states, memory_of(source))
    assert (context.dtype, weights.dtype) == (torch.float32, torch.float32)


def test_autocast_leaves_single_precision_as_it_is() -> None:
    states, *source = (each.detach().float() for each in inputs())
    expected, _ = read_steps(states, memory_of(source))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = read_steps(states, memory_of(source))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def lstm_inputs(batch: int) -> list[Tensor]:
    """Words, hidden state, cell, keys, values, projection and score, and the weights and biases of an LSTM."""
    shapes = ((batch, 3, 2), (batch, 4), (batch, 4), (batch, 6, 4), (batch, 6, 4), (4, 4), (4,))
    weights = ((16, 2 + 4), (16, 4), (16,), (16,))
    return [
        random(*shape, seed=seed).requires_grad_() for seed, shape in enumerate((*shapes, *weights), start=20)
    ]


def through_time(*tensors: Tensor, is_looped: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return states, weights and last cell of an LSTM that reads before each step."""
    words, hidden, cell, *source = tensors[:7]
    keys, values, projection, score = source
    layer = torch.nn.LSTM(6, 4, batch_first=True).double()
    for (name, _), weights in zip(list(layer.named_parameters()), tensors[7:], strict=True):
        delattr(layer, name)
        setattr(layer, name, weights)
    memory = stepped_memory(keys, values, MASK[: len(words)], projection, score)
    if is_looped:
        return run_through(words, layer, hidden, cell, memory)
    states, looks = [], []
    for word in words.unbind(1):
        query = hidden.unsqueeze(1) @ projection.t()
        open_positions = MASK[: len(words)].unsqueeze(1)
        scores = written_out(query, keys, score).masked_fill(~open_positions, float("-inf"))
        looks.append(torch.softmax(scores, dim=2))
        joined = torch.cat([word, (looks[-1] @ values).squeeze(1)], dim=1)
        hidden, cell = torch.lstm_cell(joined, (hidden, cell), *tensors[7:])
        states.append(hidden)
    return torch.stack(states, dim=1), torch.cat(looks, dim=1), cell


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("of", [(0, 1, 2), (0,), (1,), (2,)], ids=str)
def test_the_loop_and_its_gradients_are_those_of_one_step_after_the_other(
    batch: int, of: tuple[int, ...]
) -> None:
    tensors = lstm_inputs(batch)
    found, expected = (through_time(*tensors, is_looped=each) for each in (True, False))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    wanted = [torch.cat([each[part].flatten() for part in of]) for each in (found, expected)]
    found_gradients, expected_gradients = (gradients(each, tensors) for each in wanted)
    torch.testing.assert_close(found_gradients, expected_gradients, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradients(wanted[0], tensors), found_gradients, rtol=0, atol=0)


def test_the_slopes_of_the_loop_are_those_of_small_changes() -> None:
    assert torch.autograd.gradcheck(partial(through_time, is_looped=True), lstm_inputs(2))


@pytest.mark.parametrize("wiring", WIRINGS, ids=in_words)
def test_the_fast_kernel_makes_the_model_of_the_plain_formula(wiring: dict[str, Any]) -> None:
    wanted = {key: value for key, value in wiring.items() if key != "input_feeding"}
    batch = uneven_batch()
    found = []
    for is_fused in (False, True):
        model = build(arm("bahdanau", **wanted, fused=is_fused))
        output = model(batch)
        loss = (output.logits * random(*output.logits.shape, seed=9)).sum()
        found.append((output.logits, output.attention, torch.autograd.grad(loss, list(model.parameters()))))
    torch.testing.assert_close(found[1], found[0])

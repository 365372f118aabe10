"""Additive scores in portions, and their gradients gathered over steps, against the formula written out."""

import pytest
import torch
from torch import Tensor

from attnbench.models.contexts import additive
from attnbench.models.contexts.additive import additive_scores, read_step, stepped_memory
from tests.models.reading import random

QUERIES, KEYS, VALUES, SCORE = ((5, 3, 4), (5, 6, 4), (5, 6, 4), (4,))
MASK = torch.arange(6) < torch.tensor([[6], [1], [3], [6], [2]])


@pytest.fixture(
    params=[1, 7 * 24, 2**18], ids=["row by row", "two rows at once", "all at once"], autouse=True
)
def _portion(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(additive.AT_ONCE, "cpu", request.param)


def inputs() -> list[Tensor]:
    return [
        random(*shape, seed=seed).requires_grad_()
        for seed, shape in enumerate((QUERIES, KEYS, VALUES, SCORE))
    ]


def written_out(queries: Tensor, keys: Tensor, score: Tensor) -> Tensor:
    return torch.tanh(queries.unsqueeze(2) + keys.unsqueeze(1)) @ score


def gradients(result: Tensor, of: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad((result * random(*result.shape, seed=9)).sum(), of, retain_graph=True)


def read_in_steps(queries: Tensor, keys: Tensor, values: Tensor, score: Tensor) -> Tensor:
    """Each step's query hangs on the context before, as in a decoder."""
    memory, context, contexts = stepped_memory(keys, values, MASK), queries[:, :1], []
    for step in range(3):
        context, weights = read_step(queries[:, step : step + 1] + context, score, memory)
        contexts += [context, weights]
    return torch.cat(contexts, dim=2)


def written_out_in_steps(queries: Tensor, keys: Tensor, values: Tensor, score: Tensor) -> Tensor:
    context, contexts = queries[:, :1], []
    for step in range(3):
        scores = written_out(queries[:, step : step + 1] + context, keys, score)
        weights = torch.softmax(scores.masked_fill(~MASK.unsqueeze(1), float("-inf")), dim=2)
        context = weights @ values
        contexts += [context, weights]
    return torch.cat(contexts, dim=2)


def test_scores_and_their_gradients_are_those_of_the_formula() -> None:
    queries, keys, _, score = inputs()
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
    of = inputs()
    first, _ = read_step(of[0][:, :1], of[3], memory := stepped_memory(of[1], of[2], MASK))
    read_step(of[0][:, 1:2], of[3], memory)
    again, _ = read_step(of[0][:, :1], of[3], stepped_memory(of[1], of[2], MASK))
    torch.testing.assert_close(gradients(first, of[1:3]), gradients(again, of[1:3]), rtol=0, atol=0)


def test_half_precision_is_read_in_single() -> None:
    queries, keys, values, score = (each.detach().to(torch.bfloat16) for each in inputs())
    context, weights = read_step(queries, score, stepped_memory(keys, values, MASK))
    assert (context.dtype, weights.dtype) == (torch.float32, torch.float32)

"""Additive attention that a decoder reads step by step, because what it reads joins the next state.

A step is bound by the count of its operations. So what every step adds to, the gradients of the source and of the
weights, is gathered in one place instead of a fresh tensor per step.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from attnbench.models.contexts.additive import rows_at_once, weighted_sum
from attnbench.models.memory import Memory


@dataclass(frozen=True, kw_only=True)
class SteppedMemory(Memory):
    """A memory that many steps read one after the other.

    Attributes:
        projection: W, (hidden, hidden), which makes a query of a state.
        score: v, (hidden,).
        token: a scalar that every step takes along, so that the gradients of source and weights are asked for when all
            steps have left theirs.
        steps: what they leave.
        portions: of the keys.
    """

    projection: Tensor
    score: Tensor
    token: Tensor
    steps: "_Steps"
    portions: "tuple[_Portion, ...]"

    def matches(self, query: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Yield the rows of a portion and tanh(q + k_j) for them, (rows, 1, source_len, hidden), in its room."""
        queries = query.unsqueeze(2)
        for portion in self.portions:
            match = torch.add(queries[portion.rows], portion.keys, out=portion.room)
            yield portion.rows, match.tanh_()


@dataclass(frozen=True)
class _Portion:
    """Rows of a batch whose pairs fit.

    Attributes:
        keys: (rows, 1, source_len, hidden).
        room: for the tanh of the pairs, like the keys; all portions and steps write into the same, which stays in the
            cache.
    """

    rows: slice
    keys: Tensor
    room: Tensor


@dataclass(frozen=True)
class _Steps:
    """What steps leave for the gradients of source and weights; a step reads one word, so its target_len is 1.

    Attributes:
        weights: those of each step, (batch, 1, source_len).
        of_contexts: the gradient of each step's context, (batch, 1, hidden).
        of_scores: the gradient of each step's scores, ds, (batch, 1, source_len).
        states: that each step's query was made of, (batch, 1, hidden).
        of_queries: the gradient of each step's query, (batch, 1, hidden).
        matches: Σ_j ds_j tanh(q + k_j) of each portion of each step, (hidden,).
        squares: Σ ds_j tanh²(q + k_j) over the steps so far, (batch, source_len, hidden); none at first.
    """

    weights: list[Tensor] = field(default_factory=list)
    of_contexts: list[Tensor] = field(default_factory=list)
    of_scores: list[Tensor] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)
    of_queries: list[Tensor] = field(default_factory=list)
    matches: list[Tensor] = field(default_factory=list)
    squares: list[Tensor] = field(default_factory=list)


def stepped_memory(
    keys: Tensor, values: Tensor, mask: Tensor, projection: Tensor, score: Tensor
) -> SteppedMemory:
    """Return the memory for `read_steps`.

    Args:
        keys: (batch, source_len, hidden).
        values: (batch, source_len, hidden).
        mask: True at real tokens, (batch, source_len).
        projection: W, (hidden, hidden), which makes a query of a state.
        score: v, (hidden,).
    """
    source = [_at_least_single(each) for each in (keys, values, projection, score)]
    steps = _Steps()
    token: Tensor = _Source.apply(*source, steps)
    keys, values, projection, score = (each.detach() for each in source)
    return SteppedMemory(
        values=values,
        mask=mask,
        keys=keys,
        projection=projection,
        score=score,
        token=token,
        steps=steps,
        portions=tuple(_portions(keys.unsqueeze(1))),
    )


def read_steps(states: Tensor, memory: SteppedMemory) -> tuple[Tensor, Tensor]:
    """Weigh the source by additive scores, for one state after the other.

    Args:
        states: (batch, target_len, hidden).
        memory: what `stepped_memory` returned.

    Returns:
        context (batch, target_len, hidden) and weights (batch, target_len, source_len).
    """
    if states.shape[1] > 1:
        contexts, weights = zip(*(read_steps(state, memory) for state in states.split(1, dim=1)), strict=True)
        return torch.cat(contexts, dim=1), torch.cat(weights, dim=1)
    with _without_autocast(states.device.type):
        read: tuple[Tensor, Tensor] = _ReadStep.apply(_at_least_single(states), memory.token, memory)
    return read


class _Source(torch.autograd.Function):
    """Hands out the token, and gives source and weights their gradients when every step has run backward."""

    @staticmethod
    def forward(
        ctx: Any, keys: Tensor, values: Tensor, projection: Tensor, score: Tensor, steps: _Steps
    ) -> Tensor:
        ctx.save_for_backward(score)
        ctx.steps = steps
        return keys.new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        steps: _Steps = ctx.steps
        (score,) = ctx.saved_tensors
        of_keys = (_take(steps.of_scores).sum(dim=1).unsqueeze(2) - steps.squares.pop()) * score
        of_values = torch.bmm(_take(steps.weights).transpose(1, 2), _take(steps.of_contexts))
        of_queries, states = (_take(left).flatten(0, 1) for left in (steps.of_queries, steps.states))
        of_score = torch.stack(steps.matches).sum(dim=0)
        steps.matches.clear()
        return of_keys, of_values, of_queries.t() @ states, of_score, None


class _ReadStep(torch.autograd.Function):
    """Query, scores, softmax and average of one step; the tanh of the pairs is computed again for the gradient."""

    @staticmethod
    def forward(ctx: Any, state: Tensor, token: Tensor, memory: SteppedMemory) -> tuple[Tensor, Tensor]:
        query = state @ memory.projection.t()
        scores = query.new_empty(len(query), 1, memory.mask.shape[1])
        for rows, match in memory.matches(query):
            torch.matmul(match, memory.score, out=scores[rows])
        weights = torch.softmax(scores.masked_fill_(~memory.mask.unsqueeze(1), float("-inf")), dim=-1)
        ctx.save_for_backward(state, query, weights)
        ctx.memory = memory
        ctx.set_materialize_grads(False)
        return torch.bmm(weights, memory.values), weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_context: Tensor | None, of_weights: Tensor | None) -> tuple[Tensor, None, None]:
        state, query, weights = ctx.saved_tensors
        memory: SteppedMemory = ctx.memory
        if of_context is None:
            of_context = torch.zeros_like(query)
        of_scores = _through_softmax(
            weights, of_weights, torch.bmm(of_context, memory.values.transpose(1, 2))
        )
        of_query = _through_matches(query, of_scores, memory)
        steps = memory.steps
        steps.weights.append(weights)
        steps.of_contexts.append(of_context)
        steps.of_scores.append(of_scores)
        steps.states.append(state)
        steps.of_queries.append(of_query)
        # The token has no gradient; that it could have one calls `_Source.backward`.
        return of_query @ memory.projection, None, None


def _take(left: list[Tensor]) -> Tensor:
    """Return what steps left in this list, in one along the target, and empty it."""
    gathered = torch.cat(left, dim=1)
    left.clear()
    return gathered


def _portions(keys: Tensor) -> Iterator[_Portion]:
    """Yield the portions of a batch with keys (batch, 1, source_len, hidden)."""
    room = torch.empty_like(keys[: rows_at_once(keys.device, keys[0].numel())])
    for start in range(0, len(keys), len(room)):
        rows = slice(start, start + len(room))
        yield _Portion(rows, keys[rows], room[: len(keys[rows])])


def _through_softmax(weights: Tensor, of_weights: Tensor | None, through_context: Tensor) -> Tensor:
    """Return the gradient of the scores from both gradients of the weights, the second of which is used up."""
    if of_weights is not None:
        through_context += of_weights
    shares = through_context.mul_(weights)
    return torch.addcmul(shares, weights, shares.sum(dim=2, keepdim=True), value=-1)


def _through_matches(query: Tensor, of_scores: Tensor, memory: SteppedMemory) -> Tensor:
    """Return the gradient of the query, (batch, 1, hidden), and leave what keys and v need."""
    steps = memory.steps
    if not steps.squares:
        steps.squares.append(torch.zeros_like(memory.values))
    squares = torch.empty_like(query)
    for rows, match in memory.matches(query):
        steps.matches.append(weighted_sum(of_scores[rows], match))
        square = match.mul_(match).squeeze(1)
        torch.bmm(of_scores[rows], square, out=squares[rows])
        steps.squares[0][rows].addcmul_(square, of_scores[rows].transpose(1, 2))
    return of_scores.sum(dim=2, keepdim=True).sub(squares).mul_(memory.score)


def _without_autocast(device_type: str) -> AbstractContextManager[object]:
    # To enter the context costs more than to ask whether it is needed.
    if torch.is_autocast_enabled(device_type):
        return torch.autocast(device_type, enabled=False)
    return nullcontext()


def _at_least_single(numbers: Tensor) -> Tensor:
    return numbers.float() if numbers.dtype in (torch.float16, torch.bfloat16) else numbers

"""Additive scores v · tanh(q_i + k_j), whose cost is that of moving a number for every pair and unit through memory.

So the work is done in portions that a processor's cache holds, and the gradients of keys and values, to which every
step of a decoder adds, are gathered in one place instead of a fresh tensor per step.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from attnbench.models.memory import Memory

# Numbers worked on at once: what the cache holds, and for a GPU, to which a launch costs more than its work, many.
# Measured by `scripts/bench step`.
AT_ONCE = {"cpu": 2**18, "cuda": 2**27}


def additive_scores(queries: Tensor, keys: Tensor, weights: Tensor) -> Tensor:
    """Return v · tanh(q_i + k_j) for every pair; (batch, target_len, source_len).

    The tanh of the pairs is not kept, but computed again for the gradient.

    Args:
        queries: (batch, target_len, hidden).
        keys: (batch, source_len, hidden).
        weights: v, (hidden,).
    """
    scores: Tensor = _Scores.apply(queries, keys.to(queries.dtype), weights.to(queries.dtype))
    return scores


class _Scores(torch.autograd.Function):
    """The scores of a whole target at once; a gradient of the gradient is not offered."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(queries, keys, weights)
        return torch.cat([_match(queries[rows], keys[rows]) @ weights for rows in _portions(queries, keys)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        queries, keys, weights = ctx.saved_tensors
        of_queries, of_keys = torch.empty_like(queries), torch.empty_like(keys)
        of_weights = torch.zeros_like(weights)
        for rows in _portions(queries, keys):
            match = _match(queries[rows], keys[rows])
            of_weights += _weighted_sum(gradient[rows], match)
            slopes = _slopes(match, gradient[rows], weights)
            of_queries[rows], of_keys[rows] = slopes.sum(dim=2), _over_target(slopes)
        return of_queries, of_keys, of_weights


@dataclass(frozen=True, kw_only=True)
class SteppedMemory(Memory):
    """A memory that many steps read one after the other.

    Attributes:
        token: a scalar that every step takes along, so that the gradients of the source are asked for when all steps
            have left theirs.
        steps: what they leave.
    """

    token: Tensor
    steps: "_Steps"


@dataclass(frozen=True)
class _Steps:
    """What steps leave for the gradients of keys and values.

    Attributes:
        weights: those of each step, (batch, target_len, source_len).
        contexts: the gradient of each step's context, (batch, target_len, hidden).
        keys: the gradient of the keys so far, (batch, source_len, hidden); none at first.
    """

    weights: list[Tensor] = field(default_factory=list)
    contexts: list[Tensor] = field(default_factory=list)
    keys: list[Tensor] = field(default_factory=list)


def stepped_memory(keys: Tensor, values: Tensor, mask: Tensor) -> SteppedMemory:
    """Return the memory for `read_step`, from keys and values (batch, source_len, hidden)."""
    keys, values = _at_least_single(keys), _at_least_single(values)
    steps = _Steps()
    token: Tensor = _Source.apply(keys, values, steps)
    return SteppedMemory(values=values.detach(), mask=mask, keys=keys.detach(), token=token, steps=steps)


def read_step(query: Tensor, weights: Tensor, memory: SteppedMemory) -> tuple[Tensor, Tensor]:
    """Weigh the source by additive scores.

    Args:
        query: (batch, target_len, hidden).
        weights: v, (hidden,).
        memory: what `stepped_memory` returned.

    Returns:
        context (batch, target_len, hidden) and weights (batch, target_len, source_len).
    """
    with torch.autocast(query.device.type, enabled=False):
        query, weights = _at_least_single(query), weights.to(memory.values.dtype)
        read: tuple[Tensor, Tensor] = _ReadStep.apply(query, weights, memory.token, memory)
    return read


class _Source(torch.autograd.Function):
    """Hands out the token, and gives keys and values their gradients when every step has run backward."""

    @staticmethod
    def forward(ctx: Any, keys: Tensor, values: Tensor, steps: _Steps) -> Tensor:
        ctx.steps = steps
        return keys.new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor, Tensor, None]:
        steps: _Steps = ctx.steps
        weights, contexts = torch.cat(steps.weights, dim=1), torch.cat(steps.contexts, dim=1)
        of_keys = steps.keys[0]
        for left in (steps.weights, steps.contexts, steps.keys):
            left.clear()
        return of_keys, torch.bmm(weights.transpose(1, 2), contexts), None


class _ReadStep(torch.autograd.Function):
    """Scores, softmax and average of one step."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, score: Tensor, token: Tensor, memory: SteppedMemory
    ) -> tuple[Tensor, Tensor]:
        assert memory.keys is not None
        shape = (*query.shape[:2], *memory.keys.shape[1:])
        matches, scores = query.new_empty(shape), query.new_empty(shape[:3])
        for rows in _portions(query, memory.keys):
            torch.add(query[rows].unsqueeze(2), memory.keys[rows].unsqueeze(1), out=matches[rows]).tanh_()
            scores[rows] = matches[rows] @ score
        weights = torch.softmax(scores.masked_fill_(~memory.mask.unsqueeze(1), float("-inf")), dim=-1)
        ctx.save_for_backward(query, score, matches, weights)
        ctx.values, ctx.keys, ctx.steps = memory.values, memory.keys, memory.steps
        return torch.bmm(weights, memory.values), weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_context: Tensor, of_weights: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, score, matches, weights = ctx.saved_tensors
        steps: _Steps = ctx.steps
        steps.weights.append(weights)
        steps.contexts.append(of_context)
        if not steps.keys:
            steps.keys.append(torch.zeros_like(ctx.keys))
        of_weights = torch.bmm(of_context, ctx.values.transpose(1, 2)).add_(of_weights)
        of_scores = (of_weights - (of_weights * weights).sum(dim=2, keepdim=True)).mul_(weights)
        of_query = torch.empty_like(query)
        for rows in _portions(query, ctx.keys):
            slopes = _slopes(matches[rows], of_scores[rows], score)
            of_query[rows] = slopes.sum(dim=2)
            steps.keys[0][rows] += _over_target(slopes)
        return of_query, _weighted_sum(of_scores, matches), torch.zeros_like(of_query[0, 0, 0]), None


def _at_least_single(numbers: Tensor) -> Tensor:
    return numbers.float() if numbers.dtype in (torch.float16, torch.bfloat16) else numbers


def _match(queries: Tensor, keys: Tensor) -> Tensor:
    """Return tanh(q_i + k_j); (batch, target_len, source_len, hidden)."""
    return (queries.unsqueeze(2) + keys.unsqueeze(1)).tanh_()


def _slopes(match: Tensor, of_scores: Tensor, score: Tensor) -> Tensor:
    """Return the gradient of q_i + k_j from that of the scores; (batch, target_len, source_len, hidden)."""
    return torch.mul(match, match).neg_().add_(1).mul_(score).mul_(of_scores.unsqueeze(3))


def _weighted_sum(of_scores: Tensor, match: Tensor) -> Tensor:
    """Return the gradient of v, (hidden,)."""
    return (of_scores.reshape(1, -1) @ match.reshape(-1, match.shape[3])).squeeze(0)


def _over_target(slopes: Tensor) -> Tensor:
    """Sum over the target; over a single word that is nothing but a view."""
    return slopes.squeeze(1) if slopes.shape[1] == 1 else slopes.sum(dim=1)


def _portions(queries: Tensor, keys: Tensor) -> Iterator[slice]:
    """Yield the rows of a batch in portions whose pairs fit."""
    numbers_per_row = queries[:1].numel() * keys.shape[1]
    rows = max(1, AT_ONCE.get(queries.device.type, AT_ONCE["cuda"]) // max(1, numbers_per_row))
    yield from (slice(start, start + rows) for start in range(0, len(queries), rows))

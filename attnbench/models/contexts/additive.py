"""Additive scores v · tanh(q_i + k_j), whose cost is that of moving a number for every pair and unit through memory.

So the work is done in portions that a processor's cache holds, and the tanh of the pairs is not kept, but computed
again for the gradient.

tanh' is 1 − tanh², so the gradient of k_j is v (Σ_i ds_ij − Σ_i ds_ij tanh²(q_i + k_j)), and that of q_i likewise: the
squares are all that has to be summed over pairs.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Numbers worked on at once: what the cache holds, and for a GPU, to which a launch costs more than its work, many.
# Measured by `scripts/bench step`.
AT_ONCE = {"cpu": 2**18, "cuda": 2**27}


def additive_scores(queries: Tensor, keys: Tensor, weights: Tensor) -> Tensor:
    """Return v · tanh(q_i + k_j) for every pair; (batch, target_len, source_len).

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
        over_source, over_target = torch.empty_like(queries), torch.empty_like(keys)
        of_weights = torch.zeros_like(weights)
        for rows in _portions(queries, keys):
            match = _match(queries[rows], keys[rows])
            of_weights += weighted_sum(gradient[rows], match)
            squares = match.mul_(match).mul_(gradient[rows].unsqueeze(3))
            over_source[rows], over_target[rows] = squares.sum(dim=2), _over_target(squares)
        of_queries = gradient.sum(dim=2).unsqueeze(2).sub(over_source).mul_(weights)
        of_keys = torch.sub(_over_target(gradient).unsqueeze(2), over_target, out=over_target).mul_(weights)
        return of_queries, of_keys, of_weights


def _match(queries: Tensor, keys: Tensor) -> Tensor:
    """Return tanh(q_i + k_j); (batch, target_len, source_len, hidden)."""
    return (queries.unsqueeze(2) + keys.unsqueeze(1)).tanh_()


def _over_target(numbers: Tensor) -> Tensor:
    """Sum over the target; over a single word that is nothing but a view."""
    return numbers.squeeze(1) if numbers.shape[1] == 1 else numbers.sum(dim=1)


def weighted_sum(of_scores: Tensor, match: Tensor) -> Tensor:
    """Return the gradient of v, (hidden,)."""
    return (of_scores.reshape(1, -1) @ match.reshape(-1, match.shape[3])).squeeze(0)


def _portions(queries: Tensor, keys: Tensor) -> Iterator[slice]:
    """Yield the rows of a batch in portions whose pairs fit."""
    rows = rows_at_once(keys.device, queries.shape[1] * keys[0].numel())
    yield from (slice(start, start + rows) for start in range(0, len(queries), rows))


def rows_at_once(device: torch.device, numbers_per_row: int) -> int:
    """Return how many rows of so many numbers fit; at least one."""
    return max(1, AT_ONCE.get(device.type, AT_ONCE["cuda"]) // max(1, numbers_per_row))

"""A fast kernel for additive scores v · tanh(q_i + k_j); `Bahdanau.read` has the same in the paper's formula.

The scores cost what it takes to move a number for every pair and unit through memory. So the work is done in portions
that a processor's cache holds, and the tanh of the pairs is not kept, but computed again for the gradient.

What is worked out for a pair is its fall, f = (1 − tanh(q + k)) / 2 = σ(−2(q + k)): tanh is 1 − 2f, and tanh' is
4 (f − f²). A score is Σv − 2 v · f, and softmax does not see Σv. The gradient of k_j is 4v Σ_i ds_ij (f − f²), and that
of q_i likewise.

On a CPU the tanh itself costs most. But f is 1 / (1 + e^2(q+k)), and e^2(q+k) is the product of e^2q and e^2k, which
are made once for each query and each key: so a pair costs a multiplication and a division. Keys so large that the
product could leave the range of numbers are left to the sigmoid (`_have_exponents`).

`additive_scores` takes a whole target at once. `read_steps` takes one word after the other, where what is read joins
the next state. Such a step costs what the count of its operations costs, so the gradients of source and weights, to
which every step adds, are gathered in one place instead of a new tensor per step.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from attnbench.models.encoder import Memory

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
        weights = _at_least_single(weights)
        scores = torch.cat([falls @ (-2 * weights) for _, falls in _falls_of(queries, keys)])
        return scores.add_(weights.sum()).to(queries.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        queries, keys, weights = ctx.saved_tensors
        gradient, single = _at_least_single(gradient), _at_least_single(weights)
        over_source, over_target = (torch.empty_like(each, dtype=single.dtype) for each in (queries, keys))
        of_falls = torch.zeros_like(single)
        for rows, falls in _falls_of(queries, keys):
            of_falls += weighted_sum(gradient[rows], falls)
            slopes = falls.addcmul_(falls, falls, value=-1).mul_(gradient[rows].unsqueeze(3))
            over_source[rows], over_target[rows] = slopes.sum(dim=2), _over_target(slopes)
        of_queries, of_keys = (each.mul_(4 * single).to(queries.dtype) for each in (over_source, over_target))
        return of_queries, of_keys, (gradient.sum() - 2 * of_falls).to(weights.dtype)


def _falls_of(queries: Tensor, keys: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows of a batch and their falls, (rows, target_len, source_len, hidden)."""
    queries, keys = _at_least_single(queries), _at_least_single(keys)
    are_exponents = _have_exponents(keys)
    queries, keys = (_factors(each, are_exponents) for each in (queries, keys))
    one = keys.new_ones(())
    for rows in _slices_of_rows(queries, keys):
        yield rows, _falls(queries[rows].unsqueeze(2), keys[rows].unsqueeze(1), one, are_exponents)


LARGEST_KEY = 30.0
"""e^±60 leaves room in single precision: a query at which e^2q is infinite or 0 is past 43, and tanh(43 − 30) is 1."""


def _have_exponents(keys: Tensor) -> bool:
    """Say whether e^2k stands for every key; not on a GPU, which would be waited for, and whose tanh is cheap."""
    if keys.device.type != "cpu" or keys.dtype not in (torch.float32, torch.float64):
        return False
    return keys.numel() > 0 and bool(keys.abs().amax() <= LARGEST_KEY)


def _factors(numbers: Tensor, are_exponents: bool) -> Tensor:
    """Return what `_falls` takes of queries or keys: e^2x or −2x."""
    return (2 * numbers).exp_() if are_exponents else -2 * numbers


def _falls(
    queries: Tensor, keys: Tensor, one: Tensor, are_exponents: bool, room: Tensor | None = None
) -> Tensor:
    """Return σ(−2(q + k)).

    Args:
        queries: what `_factors` made of them; broadcast to the keys.
        keys: likewise.
        one: a scalar.
        are_exponents: whether they are e^2q and e^2k.
        room: where to write it.
    """
    if not are_exponents:
        return torch.add(queries, keys, out=room).sigmoid_()
    return torch.addcmul(one, queries, keys, out=room).reciprocal_()


def _over_target(numbers: Tensor) -> Tensor:
    """Sum over the target; over a single word that is nothing but a view."""
    return numbers.squeeze(1) if numbers.shape[1] == 1 else numbers.sum(dim=1)


def weighted_sum(of_scores: Tensor, falls: Tensor) -> Tensor:
    """Return Σ ds f over all pairs, (hidden,)."""
    return (of_scores.reshape(1, -1) @ falls.reshape(-1, falls.shape[3])).squeeze(0)


def _slices_of_rows(queries: Tensor, keys: Tensor) -> Iterator[slice]:
    """Yield the rows of a batch in portions whose pairs fit."""
    rows = rows_at_once(keys.device, queries.shape[1] * keys[0].numel())
    yield from (slice(start, start + rows) for start in range(0, len(queries), rows))


def rows_at_once(device: torch.device, numbers_per_row: int) -> int:
    """Return how many rows of so many numbers fit; at least one."""
    return max(1, AT_ONCE.get(device.type, AT_ONCE["cuda"]) // max(1, numbers_per_row))


@dataclass(frozen=True, kw_only=True)
class SteppedMemory(Memory):
    """A memory that many steps read one after the other.

    Attributes:
        projection: W, (hidden, hidden), which makes a query of a state.
        of_falls: −2v, by which falls come to scores, (hidden,).
        of_slopes: 4v, by which f − f² comes to the slopes of scores, (hidden,).
        token: a scalar that every step takes along, so that the gradients of source and weights are asked for when all
            steps have left theirs.
        steps: what they leave.
        portions: of the keys.
        one: a scalar.
        are_exponents: whether the portions hold e^2k in place of −2k.
    """

    projection: Tensor
    of_falls: Tensor
    of_slopes: Tensor
    token: Tensor
    steps: "_Steps"
    portions: "tuple[_Portion, ...]"
    one: Tensor
    are_exponents: bool

    def falls(self, query: Tensor) -> "Iterator[tuple[_Portion, Tensor]]":
        """Yield each portion and its falls, (rows, 1, source_len, hidden), in its room."""
        queries = _factors(query, self.are_exponents).unsqueeze(2)
        for portion in self.portions:
            own = queries if len(self.portions) == 1 else queries[portion.rows]
            yield portion, _falls(own, portion.keys, self.one, self.are_exponents, portion.room)


@dataclass(frozen=True)
class _Portion:
    """Rows of a batch whose pairs fit.

    Attributes:
        keys: −2k or e^2k, (rows, 1, source_len, hidden).
        room: for the falls of the pairs, like the keys; all portions and steps write into the same, which stays in the
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
        states: that each step's query was made of, (batch, 1, hidden).
        of_queries: the gradient of each step's query, (batch, 1, hidden).
        falls: Σ_j ds_j f_j of each portion of each step, (hidden,).
        slopes: Σ ds_j (f_j − f_j²) over the steps so far, (batch, source_len, hidden); none at first.
    """

    weights: list[Tensor] = field(default_factory=list)
    of_contexts: list[Tensor] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)
    of_queries: list[Tensor] = field(default_factory=list)
    falls: list[Tensor] = field(default_factory=list)
    slopes: list[Tensor] = field(default_factory=list)


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
    are_exponents = _have_exponents(keys)
    return SteppedMemory(
        values=values,
        mask=mask,
        keys=keys,
        projection=projection,
        of_falls=-2 * score,
        of_slopes=4 * score,
        token=token,
        steps=steps,
        portions=tuple(_portions(_factors(keys, are_exponents).unsqueeze(1))),
        one=keys.new_ones(()),
        are_exponents=are_exponents,
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
        of_keys = steps.slopes.pop() * (4 * score)
        of_values = torch.bmm(_take(steps.weights).transpose(1, 2), _take(steps.of_contexts))
        of_queries, states = (_take(left).flatten(0, 1) for left in (steps.of_queries, steps.states))
        of_score = -2 * torch.stack(steps.falls).sum(dim=0)  # and Σv Σ_j ds_j, which is 0 behind a softmax
        steps.falls.clear()
        return of_keys, of_values, of_queries.t() @ states, of_score, None


class _ReadStep(torch.autograd.Function):
    """One step; the tanh of the pairs is computed again for the gradient."""

    @staticmethod
    def forward(ctx: Any, state: Tensor, token: Tensor, memory: SteppedMemory) -> tuple[Tensor, Tensor]:
        context, weights, query = look(state, memory)
        ctx.save_for_backward(state, query, weights)
        ctx.memory = memory
        ctx.set_materialize_grads(False)
        return context, weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_context: Tensor | None, of_weights: Tensor | None) -> tuple[Tensor, None, None]:
        state, query, weights = ctx.saved_tensors
        # The token has no gradient; that it could have one calls `_Source.backward`.
        return look_back(state, query, weights, of_context, of_weights, ctx.memory), None, None


def look(state: Tensor, memory: SteppedMemory) -> tuple[Tensor, Tensor, Tensor]:
    """Return context (batch, 1, hidden), weights (batch, 1, source_len) and query of a state (batch, 1, hidden)."""
    query = state @ memory.projection.t()
    scores = query.new_empty(len(query), 1, memory.mask.shape[1])
    for portion, falls in memory.falls(query):
        torch.matmul(falls, memory.of_falls, out=scores[portion.rows])
    weights = torch.softmax(scores.masked_fill_(~memory.mask.unsqueeze(1), float("-inf")), dim=-1)
    return torch.bmm(weights, memory.values), weights, query


def look_back(
    state: Tensor,
    query: Tensor,
    weights: Tensor,
    of_context: Tensor | None,
    of_weights: Tensor | None,
    memory: SteppedMemory,
) -> Tensor:
    """Return the gradient of the state of a look, and leave in the memory what source and weights need."""
    if of_context is None:
        of_context = torch.zeros_like(query)
    of_scores = _through_softmax(weights, of_weights, torch.bmm(of_context, memory.values.transpose(1, 2)))
    of_query = _through_falls(query, of_scores, memory)
    steps = memory.steps
    steps.weights.append(weights)
    steps.of_contexts.append(of_context)
    steps.states.append(state)
    steps.of_queries.append(of_query)
    return of_query @ memory.projection


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


def _through_falls(query: Tensor, of_scores: Tensor, memory: SteppedMemory) -> Tensor:
    """Return the gradient of the query, (batch, 1, hidden), and leave what keys and v need."""
    steps = memory.steps
    if not steps.slopes:
        steps.slopes.append(torch.zeros_like(memory.values))
    of_query = torch.empty_like(query)
    for portion, falls in memory.falls(query):
        rows = portion.rows
        steps.falls.append(weighted_sum(of_scores[rows], falls))
        slopes = falls.addcmul_(falls, falls, value=-1).squeeze(1)
        torch.bmm(of_scores[rows], slopes, out=of_query[rows])
        steps.slopes[0][rows].addcmul_(slopes, of_scores[rows].transpose(1, 2))
    return of_query.mul_(memory.of_slopes)


def _without_autocast(device_type: str) -> AbstractContextManager[object]:
    # To enter the context costs more than to ask whether it is needed.
    return torch.autocast(device_type, enabled=False) if is_autocast(device_type) else nullcontext()


def is_autocast(device_type: str) -> bool:
    """Say whether autocast is on; of a device that has none one may not ask torch."""
    return torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)


def _at_least_single(numbers: Tensor) -> Tensor:
    return numbers.float() if numbers.dtype in (torch.float16, torch.bfloat16) else numbers

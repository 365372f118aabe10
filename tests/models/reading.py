"""Contexts read by themselves, in float64, over sources of different lengths whose padding would be felt."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from attnbench.models.contexts.base import Context
from attnbench.models.encoder import EncoderOutput

HIDDEN, TARGET_LEN = 6, 9
LENGTHS = (5, 1, 3)
AnyContext = TypeVar("AnyContext", bound=Context)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def encoded(*lengths: int) -> EncoderOutput:
    """Return sources of these lengths, by default LENGTHS."""
    count = torch.tensor(lengths or LENGTHS)
    mask = torch.arange(int(count.max())) < count.unsqueeze(1)
    states = random(*mask.shape, HIDDEN)
    return EncoderOutput(states.where(mask.unsqueeze(2), states * 50), states[:, 0], mask)


QUERIES = random(len(LENGTHS), TARGET_LEN, HIDDEN, seed=1)


@torch.no_grad()
def read(context: Context, source: EncoderOutput, queries: Tensor = QUERIES) -> tuple[Tensor, Tensor]:
    """Return the context, and the weights where there are any."""
    found, weights = context.read(queries, context.prepare(source))
    return found, found.new_zeros(0) if weights is None else weights


def drawn(context: AnyContext) -> AnyContext:
    """Return the context with weights drawn anew, in float64."""
    context.double()
    with torch.no_grad():
        for number, parameter in enumerate(context.parameters()):
            parameter.copy_(random(*parameter.shape, seed=number))
    return context


def set_weight(layer: nn.Linear, weight: Tensor) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight)


def assert_same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)

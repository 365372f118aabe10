"""A few symbols, over and over: a control that a vector holds however long the source is."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from attnbench.ranges import Count
from attnbench.tasks.base import LengthRange
from attnbench.tasks.copy import Copy


@dataclass(frozen=True, kw_only=True)
class Periodic(Copy):
    """Write again a source that repeats its first symbols: past one period there is no more to remember.

        source   c a c a c
        target   c a c a c

    Each answer surely stands at its own position and possibly whole periods away.

    Attributes:
        period: symbols until the source repeats; they are uniform and independent.
    """

    period: Count

    def draw_sources(self, length: int, count: int, generator: Generator) -> Tensor:
        symbols = self.draw_symbols(min(self.period, length), count, generator)
        return symbols[:, torch.arange(length) % self.period]

    def possible_positions(self, source: Tensor) -> Tensor:
        phase = torch.arange(source.shape[1]) % self.period
        return (phase.unsqueeze(1) == phase).unsqueeze(0)

    def information_bits(self, lengths: LengthRange) -> float:
        return min(self.period, lengths.maximum) * math.log2(self.vocabulary_size)

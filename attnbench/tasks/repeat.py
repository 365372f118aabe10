"""One symbol, again and again: a control that any vector holds."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from attnbench.tasks.base import LengthRange
from attnbench.tasks.copy import Copy


@dataclass(frozen=True, kw_only=True)
class Repeat(Copy):
    """Write again a source that is one symbol throughout: as much to remember at any length.

        source   c c c c
        target   c c c c

    Each answer surely stands at its own position and possibly at any other.
    """

    def draw_sources(self, length: int, count: int, generator: Generator) -> Tensor:
        return self.draw_symbols(1, count, generator).repeat(1, length)

    def possible_positions(self, source: Tensor) -> Tensor:
        length = source.shape[1]
        return torch.ones(1, length, length, dtype=torch.bool)

    def information_bits(self, lengths: LengthRange) -> float:
        return math.log2(self.vocabulary_size)

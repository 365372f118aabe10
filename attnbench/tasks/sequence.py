"""What the tasks have in common whose source is a string of symbols and whose target holds the same ones."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase

import torch
from torch import Generator, Tensor

from attnbench.batch import Batch
from attnbench.ranges import Count
from attnbench.tasks.base import LengthRange, MarkableTask, Split
from attnbench.vocabulary import EOS, SPECIAL_TOKENS, WordVocabulary

FIRST_SYMBOL = len(SPECIAL_TOKENS)


def symbol_names(count: int) -> list[str]:
    """Return readable names of symbols: letters as long as they last, then s0, s1 and so on."""
    return list(ascii_lowercase[:count]) if count <= len(ascii_lowercase) else [f"s{i}" for i in range(count)]


@dataclass(frozen=True, kw_only=True)
class SymbolTask(MarkableTask):
    """Symbols, uniform and independent if nothing else is said, to be written again in the same or another order.

    Attributes:
        vocabulary_size: how many symbols there are.
    """

    length_unit = "tokens"

    vocabulary_size: Count

    @abstractmethod
    def target_order(self, source: Tensor) -> Tensor:
        """Return which source position each target position repeats.

        Args:
            source: (batch, length).

        Returns:
            positions (batch, length), or (1, length) where they are the same for every source.
        """

    def draw_sources(self, length: int, count: int, generator: Generator) -> Tensor:
        """Return sources, (count, length)."""
        return self.draw_symbols(length, count, generator)

    def possible_positions(self, source: Tensor) -> Tensor | None:
        """Return where else each answer may stand, (batch or 1, length, length); None where nowhere."""
        return None

    @cached_property
    def source_vocabulary(self) -> WordVocabulary:
        return WordVocabulary(symbol_names(self.vocabulary_size))

    @property
    def target_vocabulary(self) -> WordVocabulary:
        return self.source_vocabulary

    def draw_symbols(self, length: int, count: int, generator: Generator) -> Tensor:
        """Return uniform independent symbols, (count, length)."""
        return torch.randint(
            FIRST_SYMBOL, FIRST_SYMBOL + self.vocabulary_size, (count, length), generator=generator
        )

    def sample(self, split: Split, length: int, count: int, generator: Generator) -> Batch:
        source = self.draw_sources(length, count, generator)
        target = self._rearranged(source)
        sure = self.target_order(source).unsqueeze(2) == torch.arange(length)
        possible = self.possible_positions(source)
        return Batch(
            source=source,
            source_lengths=torch.full((count,), length),
            target=target,
            scored=torch.ones_like(target, dtype=torch.bool),
            alignment_sure=self._aligned(sure, count),
            alignment_possible=self._aligned(sure if possible is None else sure | possible, count),
        )

    def solve(self, batch: Batch) -> Tensor:
        return self._rearranged(batch.source)

    def _rearranged(self, source: Tensor) -> Tensor:
        target = source.gather(1, self.target_order(source).expand_as(source))
        return torch.nn.functional.pad(target, (0, 1), value=EOS) if self.eos else target

    def _aligned(self, positions: Tensor, count: int) -> Tensor:
        """Return the alignment of all examples; the end mark, which the source does not hold, has none."""
        aligned = torch.nn.functional.pad(positions, (0, 0, 0, 1)) if self.eos else positions
        return aligned.expand(count, -1, -1)

    def chance_accuracy(self, lengths: LengthRange) -> float:
        """Return the accuracy of guessing: any symbol is as good as another.

        With an end mark a uniform guesser has one answer more to choose from, and one who always says "end"
        right once per example; a majority answerer who sticks to a symbol is right as often as a guesser.
        """
        if not self.eos:
            return 1 / self.vocabulary_size
        length = lengths.maximum
        best_constant = max(length / self.vocabulary_size, 1.0) / (length + 1)
        return max(1 / (self.vocabulary_size + 1), best_constant)

    def information_bits(self, lengths: LengthRange) -> float:
        return lengths.maximum * math.log2(self.vocabulary_size)


@dataclass(frozen=True, kw_only=True)
class RearrangementTask(SymbolTask):
    """Symbols to be written again in an order that depends on the length alone."""

    @abstractmethod
    def source_positions(self, length: int) -> Tensor:
        """Return which source position each target position repeats; (length,)."""

    def target_order(self, source: Tensor) -> Tensor:
        return self.source_positions(source.shape[1]).unsqueeze(0)

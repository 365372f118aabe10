"""Tasks on a string of symbols: to be written again, in the same or another order."""

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
from attnbench.tasks.ceiling import UniformAnswers
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

    def uniform_answers(self, lengths: LengthRange) -> UniformAnswers | None:
        """Return all symbols of the target where its entropy is the largest there can be: else they are not that."""
        length, most = lengths.maximum, SymbolTask.information_bits(self, lengths)
        if not math.isclose(self.information_bits(lengths), most):
            return None
        return UniformAnswers(length, self.vocabulary_size, known=int(self.eos))


@dataclass(frozen=True, kw_only=True)
class RearrangementTask(SymbolTask):
    """Symbols to be written again in an order that depends on the length alone."""

    @abstractmethod
    def source_positions(self, length: int) -> Tensor:
        """Return which source position each target position repeats; (length,)."""

    def target_order(self, source: Tensor) -> Tensor:
        return self.source_positions(source.shape[1]).unsqueeze(0)


@dataclass(frozen=True, kw_only=True)
class Copy(RearrangementTask):
    """Write the source again.

    >>> Copy(name="copy", vocabulary_size=16, eos=False).source_positions(4).tolist()
    [0, 1, 2, 3]

        source   c a f b
        target   c a f b
    """

    def source_positions(self, length: int) -> Tensor:
        return torch.arange(length)


@dataclass(frozen=True, kw_only=True)
class Reverse(RearrangementTask):
    """Write the source backwards.

    >>> Reverse(name="reverse", vocabulary_size=16, eos=False).source_positions(4).tolist()
    [3, 2, 1, 0]

        source   c a f b
        target   b f a c
    """

    def source_positions(self, length: int) -> Tensor:
        return torch.arange(length - 1, -1, -1)


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


@dataclass(frozen=True, kw_only=True)
class Sort(SymbolTask):
    """Write the symbols of the source in order. How often each one comes is all that needs to be remembered.

        source   c a f a b
        target   a a b c f

    Equal symbols keep their order, so each has one sure place; every place with the same symbol is possible.
    """

    def target_order(self, source: Tensor) -> Tensor:
        return source.argsort(dim=1, stable=True)

    def possible_positions(self, source: Tensor) -> Tensor:
        return source.sort(dim=1).values.unsqueeze(2) == source.unsqueeze(1)

    def information_bits(self, lengths: LengthRange) -> float:
        """Return the entropy of the multiset of symbols.

        A sequence of L symbols is its multiset and one of the L! / (n_1! … n_V!) orders, all equally likely:
        H = L log2 V − log2 L! + V E[log2 n!], where n, how often a symbol comes, is binomial (L, 1/V).
        """
        length, size = lengths.maximum, self.vocabulary_size
        orders_lost = sum(
            math.comb(length, n) * (size - 1) ** (length - n) / size**length * _log2_factorial(n)
            for n in range(length + 1)
        )
        return length * math.log2(size) - _log2_factorial(length) + size * orders_lost


def _log2_factorial(number: int) -> float:
    return math.lgamma(number + 1) / math.log(2)

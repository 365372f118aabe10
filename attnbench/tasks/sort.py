"""The source again, its symbols in the order of the alphabet."""

import math
from dataclasses import dataclass

from torch import Tensor

from attnbench.tasks.base import LengthRange
from attnbench.tasks.sequence import SymbolTask


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

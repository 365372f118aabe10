"""Which source tokens hold which target tokens, kept flat, and the masks cut from them."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, chain
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attnbench.tasks.text_pair import Block, Pair
from attnbench.vocabulary import Vocabulary, words_of

Indexes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EncodedBlocks:
    """The blocks of many pairs in one array: pair i has blocks[starts[i]:starts[i + 1]].

    Attributes:
        blocks: starts and stops, (blocks, 4), in the order of `Block`.
        starts: (pairs + 1,).
    """

    blocks: NDArray[np.int32]
    starts: Indexes

    @classmethod
    def of(cls, lists: Sequence[Sequence[Block]]) -> Self:
        """Lay the blocks of each pair end to end."""
        starts = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        numbers = chain.from_iterable(chain.from_iterable(lists))
        return cls(np.fromiter(numbers, dtype=np.int32, count=4 * starts[-1]).reshape(-1, 4), starts)

    def mask(self, indexes: Indexes, shape: tuple[int, int, int]) -> Tensor:
        """Return True inside the blocks of the chosen pairs; (batch, target_len, source_len)."""
        counts = self.starts[indexes + 1] - self.starts[indexes]
        chosen = self.blocks[_runs(self.starts[indexes], counts)].astype(np.int64)
        heights, widths = chosen[:, 1] - chosen[:, 0], chosen[:, 3] - chosen[:, 2]
        cells = heights * widths
        rows = np.repeat(np.repeat(np.arange(len(indexes)), counts), cells)
        down, across = np.divmod(_runs(np.zeros_like(cells), cells), np.repeat(widths, cells))
        mask = np.zeros(shape, dtype=np.bool_)
        mask[rows, np.repeat(chosen[:, 0], cells) + down, np.repeat(chosen[:, 2], cells) + across] = True
        return torch.from_numpy(mask)


def _runs(starts: Indexes, counts: Indexes) -> Indexes:
    """Return starts[i], starts[i] + 1, … for each i as many as counts[i], end to end."""
    return np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())


class BlockEncoder:
    """Turns blocks of words into blocks of tokens: what holds for a word holds for all its pieces."""

    def __init__(self, source: Vocabulary, target: Vocabulary) -> None:
        self._source_pieces = _piece_counter(source)
        self._target_pieces = _piece_counter(target)

    def given_tokens(self, pair: Pair) -> int:
        """Return how many target tokens the question takes."""
        return sum(map(self._target_pieces, words_of(pair.question)))

    def encode(self, pairs: Sequence[Pair]) -> tuple[EncodedBlocks, EncodedBlocks]:
        """Return the sure blocks of all pairs, and the possible ones."""
        source = _WordStarts.of((0, map(self._source_pieces, words_of(pair.source))) for pair in pairs)
        target = _WordStarts.of(
            (self.given_tokens(pair), map(self._target_pieces, words_of(pair.target))) for pair in pairs
        )
        sure, possible = ([pair.sure for pair in pairs], [pair.possible for pair in pairs])
        return _in_tokens(sure, source, target), _in_tokens(possible, source, target)


@dataclass(frozen=True, eq=False)
class _WordStarts:
    """At which token each word starts, and at which the last one stops, pair after pair.

    Attributes:
        tokens: (words + pairs,).
        first: where in `tokens` each pair begins, (pairs,).
    """

    tokens: NDArray[np.int32]
    first: Indexes

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, Iterable[int]]]) -> Self:
        """Count through the pairs: the token at which the first word starts, and how many each word has."""
        tokens, first = array("i"), array("q")
        for start, counts in pairs:
            first.append(len(tokens))
            tokens.extend(accumulate(counts, initial=start))
        return cls(np.array(tokens, dtype=np.int32), np.array(first, dtype=np.int64))

    def __call__(self, pair: Indexes, word: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return at which token a word of a pair starts; elementwise."""
        return self.tokens[self.first[pair] + word]


def _in_tokens(lists: Sequence[Sequence[Block]], source: _WordStarts, target: _WordStarts) -> EncodedBlocks:
    words = EncodedBlocks.of(lists)
    pair = np.repeat(np.arange(len(lists)), np.diff(words.starts))
    sides = (target, target, source, source)
    columns = [side(pair, column) for side, column in zip(sides, words.blocks.T, strict=True)]
    return EncodedBlocks(np.stack(columns, axis=1), words.starts)


def _piece_counter(vocabulary: Vocabulary) -> Callable[[str], int]:
    """Return a function from a word to how many tokens it has; the same wherever the word stands."""
    return cache(lambda word: len(vocabulary.encode(word)))

"""Which source tokens hold which target tokens, kept flat, and the masks cut from them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attnbench.tasks.text_pair import Block, Pair
from attnbench.vocabulary import Vocabulary

Indexes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EncodedBlocks:
    """The blocks of many pairs in one array: pair i has blocks[starts[i]:starts[i + 1]].

    Attributes:
        blocks: starts and stops counted in tokens, (blocks, 4), in the order of `Block`.
        starts: (pairs + 1,).
    """

    blocks: NDArray[np.int32]
    starts: Indexes

    @classmethod
    def of(cls, lists: Sequence[Sequence[Block]]) -> Self:
        """Lay the blocks of each pair end to end."""
        starts = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        blocks = np.array([block for each in lists for block in each], dtype=np.int32)
        return cls(blocks.reshape(-1, 4), starts)

    def mask(self, indexes: Indexes, shape: tuple[int, int, int]) -> Tensor:
        """Return True inside the blocks of the chosen pairs; (batch, target_len, source_len)."""
        mask = np.zeros(shape, dtype=np.bool_)
        for row, index in enumerate(indexes):
            own = self.blocks[self.starts[index] : self.starts[index + 1]]
            for target_start, target_stop, source_start, source_stop in own.tolist():
                mask[row, target_start:target_stop, source_start:source_stop] = True
        return torch.from_numpy(mask)


class BlockEncoder:
    """Turns blocks of words into blocks of tokens: what holds for a word holds for all its pieces."""

    def __init__(self, source: Vocabulary, target: Vocabulary) -> None:
        self._source_pieces = _piece_counter(source)
        self._target_pieces = _piece_counter(target)

    def given_tokens(self, pair: Pair) -> int:
        """Return how many target tokens the question takes."""
        return sum(map(self._target_pieces, pair.question.split()))

    def encode(self, pairs: Sequence[Pair]) -> tuple[EncodedBlocks, EncodedBlocks]:
        """Return the sure blocks of all pairs, and the possible ones."""
        encoded = list(map(self._encode_pair, pairs))
        return EncodedBlocks.of([sure for sure, _ in encoded]), EncodedBlocks.of(
            [every for _, every in encoded]
        )

    def _encode_pair(self, pair: Pair) -> tuple[list[Block], list[Block]]:
        if not pair.possible:
            return [], []
        source = list(accumulate(map(self._source_pieces, pair.source.split()), initial=0))
        given = self.given_tokens(pair)
        target = list(accumulate(map(self._target_pieces, pair.target.split()), initial=given))
        return list(_in_tokens(pair.sure, source, target)), list(_in_tokens(pair.possible, source, target))


def _in_tokens(blocks: Sequence[Block], source: list[int], target: list[int]) -> Iterator[Block]:
    """Move blocks from words to tokens; `source` and `target` say at which token each word starts."""
    for block in blocks:
        yield Block(
            target[block.target_start],
            target[block.target_stop],
            source[block.source_start],
            source[block.source_stop],
        )


def _piece_counter(vocabulary: Vocabulary) -> Callable[[str], int]:
    """Return a function from a word to how many tokens it has; the same wherever the word stands."""
    return cache(lambda word: len(vocabulary.encode(word)))

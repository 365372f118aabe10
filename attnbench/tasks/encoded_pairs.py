"""Pairs as numbers, kept flat, and the batches cut from them."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attnbench.batch import Batch
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange
from attnbench.tasks.encoded_blocks import EncodedBlocks, Indexes
from attnbench.vocabulary import PAD


@dataclass(frozen=True, eq=False)
class TokenLists:
    """Many token lists in one array: list i is tokens[starts[i]:starts[i + 1]]."""

    tokens: NDArray[np.int32]
    starts: Indexes

    @classmethod
    def of(cls, lists: Iterable[Sequence[int]]) -> Self:
        """Lay lists of token numbers end to end."""
        tokens, starts = array("i"), [0]
        for numbers in lists:
            tokens.extend(numbers)
            starts.append(len(tokens))
        return cls(np.array(tokens, dtype=np.int32), np.array(starts, dtype=np.int64))

    @property
    def lengths(self) -> Indexes:
        """Tokens in each list."""
        return np.diff(self.starts)

    def count(self, number: int) -> int:
        """Return how often a token occurs."""
        return int((self.tokens == number).sum())

    def padded(self, indexes: Indexes) -> tuple[Tensor, Tensor]:
        """Return the chosen lists padded on the right, (batch, longest), and their lengths, (batch,)."""
        starts = self.starts[indexes]
        lengths = self.starts[indexes + 1] - starts
        positions = np.arange(lengths.max())
        inside = positions < lengths[:, None]
        rows = np.full(inside.shape, PAD, dtype=np.int64)
        rows[inside] = self.tokens[(starts[:, None] + positions)[inside]]
        return torch.from_numpy(rows), torch.from_numpy(lengths)


@dataclass(frozen=True, eq=False)
class EncodedPairs:
    """The pairs of one split.

    Attributes:
        sources: token numbers.
        targets: token numbers: the question, the target, and the end mark where the task has one.
        given: how many tokens of each target are told to the decoder, (pairs,).
        lengths: of each source in the task's unit, (pairs,).
        references: the targets as people write them; None where nobody compares whole texts.
        sure: which source tokens hold the target's; None where the files do not say.
        possible: which may hold them, the sure ones included.
    """

    sources: TokenLists
    targets: TokenLists
    given: Indexes
    lengths: Indexes
    references: tuple[str, ...] | None = None
    sure: EncodedBlocks | None = None
    possible: EncodedBlocks | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def scored(self) -> NDArray[np.bool_]:
        """Whether the model must answer each token of `targets.tokens`."""
        first_scored = self.targets.starts[:-1] + self.given
        return np.arange(len(self.targets.tokens)) >= np.repeat(first_scored, self.targets.lengths)

    def within(self, lengths: LengthRange) -> NDArray[np.bool_]:
        """Return which pairs have a source of such a length, (pairs,)."""
        return (lengths.minimum <= self.lengths) & (self.lengths <= lengths.maximum)

    def batch(self, indexes: Indexes) -> Batch:
        """Return the chosen pairs as one batch."""
        source, source_lengths = self.sources.padded(indexes)
        target, _ = self.targets.padded(indexes)
        given = torch.from_numpy(self.given[indexes])
        shape = (*target.shape, source.shape[1])
        return Batch(
            source=source,
            source_lengths=source_lengths,
            target=target,
            scored=(target != PAD) & (torch.arange(target.shape[1]) >= given.unsqueeze(1)),
            alignment_sure=self.sure.mask(indexes, shape) if self.sure else None,
            alignment_possible=self.possible.mask(indexes, shape) if self.possible else None,
            references=tuple(self.references[index] for index in indexes) if self.references else None,
        )

    def batches_by_length(self, chosen: Indexes, batch_size: int) -> list[Indexes]:
        """Cut the chosen pairs into batches of similar lengths, short ones first, equal ones in the order given."""
        by_length = np.lexsort((self.targets.lengths[chosen], self.sources.lengths[chosen]))
        ordered = chosen[by_length]
        return [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]


@lru_cache(maxsize=16)
def count_batches(pairs: EncodedPairs, lengths: LengthRange, batch_size: int) -> int:
    """Return how many batches an epoch has; the last one may be short."""
    return -(-int(pairs.within(lengths).sum()) // batch_size)


# A run reads one epoch at a time; a few are kept because several runs may take turns.
@lru_cache(maxsize=4)
def epoch_batches(
    pairs: EncodedPairs, lengths: LengthRange, batch_size: int, seed: int, epoch: int
) -> list[Indexes]:
    """Return the batches of one epoch: every pair in the range once, similar lengths together, in random order."""
    generator = generator_for("epoch", seed, epoch)
    chosen = np.flatnonzero(pairs.within(lengths))
    shuffled = chosen[torch.randperm(len(chosen), generator=generator).numpy()]
    batches = pairs.batches_by_length(shuffled, batch_size)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

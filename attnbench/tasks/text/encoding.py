"""Texts as token numbers: vocabularies learnt from the training, pairs kept flat, and the batches cut from them."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import accumulate, chain, pairwise
from typing import Literal, NamedTuple, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attnbench.batch import Batch
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange, Split
from attnbench.tasks.text.pairs import Block, Pair
from attnbench.tasks.text.splits import TextSplits
from attnbench.tasks.text.subwords import FrequentWords, SubwordVocabulary
from attnbench.vocabulary import EOS, PAD, Vocabulary, words_of

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


class BatchSize(NamedTuple):
    """How much a batch holds: so many examples, or tokens of source and target together, padding included."""

    examples: int
    tokens: int | None = None


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

    def batches_by_length(self, chosen: Indexes, size: BatchSize) -> list[Indexes]:
        """Cut the chosen pairs into batches of similar lengths, short ones first, equal ones in the order given."""
        by_length = np.lexsort((self.targets.lengths[chosen], self.sources.lengths[chosen]))
        ordered = chosen[by_length]
        if size.tokens is None:
            bounds = [*range(0, len(ordered), size.examples), len(ordered)]
        else:
            sources, targets = self.sources.lengths[ordered].tolist(), self.targets.lengths[ordered].tolist()
            bounds = _bounds_by_tokens(sources, targets, size.tokens)
        return [ordered[start:end] for start, end in pairwise(bounds)]


def _bounds_by_tokens(sources: list[int], targets: list[int], most: int) -> list[int]:
    """Return where batches begin and end that hold so many tokens with padding, or one pair that has more."""
    bounds, source, target = [0], 0, 0
    for place, (own_source, own_target) in enumerate(zip(sources, targets, strict=True)):
        source, target = max(source, own_source), max(target, own_target)
        if place > bounds[-1] and (place + 1 - bounds[-1]) * (source + target) > most:
            bounds.append(place)
            source, target = own_source, own_target
    return [*bounds, len(sources)]


@lru_cache(maxsize=16)
def count_batches(pairs: EncodedPairs, lengths: LengthRange, size: BatchSize) -> int:
    """Return how many batches an epoch has, the same in every one; the last one may be short."""
    return len(pairs.batches_by_length(np.flatnonzero(pairs.within(lengths)), size))


# A run reads one epoch at a time; a few are kept because several runs may take turns.
@lru_cache(maxsize=4)
def epoch_batches(
    pairs: EncodedPairs, lengths: LengthRange, size: BatchSize, seed: int, epoch: int
) -> list[Indexes]:
    """Return the batches of one epoch: every pair in the range once, similar lengths together, in random order."""
    generator = generator_for("epoch", seed, epoch)
    chosen = np.flatnonzero(pairs.within(lengths))
    shuffled = chosen[torch.randperm(len(chosen), generator=generator).numpy()]
    batches = pairs.batches_by_length(shuffled, size)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


LearntVocabulary = SubwordVocabulary | FrequentWords


@dataclass(frozen=True)
class Encoding:
    """How texts become numbers.

    Attributes:
        units: whether tokens are pieces of words or whole words.
        source_size: tokens of the source vocabulary at most, special ones included; None for every word.
        target_size: the same for the target.
        eos: whether each target closes with an end mark.
        keeps_references: whether whole targets are compared as text too, by BLEU and chrF.
    """

    units: Literal["subword", "word"]
    source_size: int | None
    target_size: int | None
    eos: bool
    keeps_references: bool = True

    @property
    def vocabulary_class(self) -> type[LearntVocabulary]:
        """What learns the vocabularies."""
        return SubwordVocabulary if self.units == "subword" else FrequentWords

    def vocabularies(self, texts: "VocabularyTexts") -> tuple[LearntVocabulary, LearntVocabulary]:
        """Make the vocabularies of both sides again.

        Raises:
            ValueError: where a text is none of a vocabulary.
        """
        try:
            read = self.vocabulary_class.from_json
            return read(texts.source), read(texts.target)
        except Exception as error:  # tokenizers raises no class of its own
            raise ValueError(f"not a vocabulary: {error}") from error


class VocabularyTexts(NamedTuple):
    """The vocabularies of both sides as JSON."""

    source: str
    target: str

    @classmethod
    def of(cls, source: LearntVocabulary, target: LearntVocabulary) -> Self:
        """Write two vocabularies down."""
        return cls(source.to_json(), target.to_json())


@dataclass(frozen=True, eq=False)
class Numbers:
    """Vocabularies and token numbers.

    Attributes:
        source_vocabulary: learnt from the training sources.
        target_vocabulary: learnt from the training questions and targets.
        sources: of every split.
        targets: of every split: question, target, end mark where there is one.
    """

    source_vocabulary: LearntVocabulary
    target_vocabulary: LearntVocabulary
    sources: dict[Split, TokenLists]
    targets: dict[Split, TokenLists]


def learn_numbers(splits: TextSplits, encoding: Encoding) -> Numbers:
    """Learn the vocabularies from the training split, unless that was done to measure it, and encode all."""
    source, target = splits.vocabularies or (
        _learn((pair.source for pair in splits.train), encoding, encoding.source_size),
        _learn((pair.written for pair in splits.train), encoding, encoding.target_size),
    )
    return encode_numbers(splits, encoding, source, target)


def encode_numbers(
    splits: TextSplits, encoding: Encoding, source: LearntVocabulary, target: LearntVocabulary
) -> Numbers:
    """Encode all with vocabularies that are there already."""
    ending = [EOS] if encoding.eos else []
    pairs = {split: splits.pairs(split) for split in get_args(Split)}
    return Numbers(
        source_vocabulary=source,
        target_vocabulary=target,
        sources={
            split: TokenLists.of(source.encode(pair.source) for pair in each) for split, each in pairs.items()
        },
        targets={
            split: TokenLists.of(target.encode(pair.written) + ending for pair in each)
            for split, each in pairs.items()
        },
    )


def _learn(texts: Iterable[str], encoding: Encoding, size: int | None) -> LearntVocabulary:
    if encoding.units == "word":
        return FrequentWords.train(texts, size)
    if size is None:
        raise ValueError("pieces of words need a size of their vocabulary")
    return SubwordVocabulary.train(texts, size)

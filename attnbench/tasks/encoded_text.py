"""All that a text task holds in memory: vocabularies learnt from the training, and every split as numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np

from attnbench.tasks.base import LengthRange, Split
from attnbench.tasks.encoded_pairs import EncodedPairs, TokenLists
from attnbench.tasks.subwords import FrequentWords, SubwordVocabulary
from attnbench.tasks.text_files import Pair
from attnbench.tasks.text_splits import SplitFiles, TextSplits, read_splits
from attnbench.vocabulary import EOS, Vocabulary


@dataclass(frozen=True)
class Encoding:
    """How texts become numbers.

    Attributes:
        units: whether tokens are pieces of words or whole words.
        source_size: tokens of the source vocabulary at most, special ones included.
        target_size: the same for the target.
        eos: whether each target closes with an end mark.
    """

    units: Literal["subword", "word"]
    source_size: int
    target_size: int
    eos: bool


@dataclass(frozen=True, eq=False)
class EncodedText:
    """Vocabularies and encoded splits.

    Attributes:
        source_vocabulary: learnt from the training sources.
        target_vocabulary: learnt from the training targets.
        splits: the pairs of each split as numbers.
    """

    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    splits: dict[Split, EncodedPairs]

    @cached_property
    def most_frequent_target(self) -> int:
        """The target token that a majority answerer always says: the most frequent of the training."""
        return int(np.bincount(self.splits["train"].targets.tokens).argmax())

    def majority_accuracy(self, lengths: LengthRange) -> float:
        """Return the share of test target tokens that the majority answerer gets right; 0 where there are none."""
        test = self.splits["test"]
        is_counted = np.repeat(test.within(lengths), test.targets.lengths)
        is_right = test.targets.tokens[is_counted] == self.most_frequent_target
        return float(is_right.mean()) if len(is_right) else 0.0


# The content's hash is part of the key, so a file that changes is read again. A worker runs many runs of one data
# set, hence one or two entries suffice.
@lru_cache(maxsize=2)
def loaded_splits(files: SplitFiles, fingerprint: str) -> TextSplits:
    """Read the splits of files whose content has this fingerprint; once per process.

    Raises:
        UserError: where a file is not what it should be.
    """
    del fingerprint
    return read_splits(files)


@lru_cache(maxsize=2)
def encoded_text(files: SplitFiles, encoding: Encoding, fingerprint: str) -> EncodedText:
    """Read the files, learn the vocabularies from the training split and encode all; once per process."""
    splits = loaded_splits(files, fingerprint)
    source = _vocabulary((pair.source for pair in splits.train), encoding.units, encoding.source_size)
    target = _vocabulary((pair.target for pair in splits.train), encoding.units, encoding.target_size)
    ending = [EOS] if encoding.eos else []

    def encode(pairs: tuple[Pair, ...]) -> EncodedPairs:
        return EncodedPairs(
            sources=TokenLists.of(source.encode(pair.source) for pair in pairs),
            targets=TokenLists.of(target.encode(pair.target) + ending for pair in pairs),
            source_words=np.array([pair.source_words for pair in pairs], dtype=np.int64),
            references=tuple(pair.target for pair in pairs),
        )

    encoded: dict[Split, EncodedPairs] = {
        "train": encode(splits.train),
        "validation": encode(splits.validation),
        "test": encode(splits.test),
    }
    return EncodedText(source, target, encoded)


def _vocabulary(texts: Iterable[str], units: str, size: int) -> Vocabulary:
    learner = SubwordVocabulary if units == "subword" else FrequentWords
    return learner.train(texts, size)

"""All that a text task holds in memory: vocabularies learnt from the training, and every split as numbers."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import get_args

import numpy as np

from attnbench.tasks.base import LengthRange, Split
from attnbench.tasks.encoded_blocks import BlockEncoder
from attnbench.tasks.encoded_cache import numbers_of
from attnbench.tasks.encoded_numbers import (
    Encoding,
    LearntVocabulary,
    Numbers,
    VocabularyTexts,
    encode_numbers,
)
from attnbench.tasks.encoded_pairs import EncodedPairs
from attnbench.tasks.text_splits import SplitFiles, TextSplits, read_splits


@dataclass(frozen=True, eq=False)
class EncodedText:
    """Vocabularies and encoded splits.

    Attributes:
        source_vocabulary: learnt from the training sources.
        target_vocabulary: learnt from the training questions and targets.
        splits: the pairs of each split as numbers.
    """

    source_vocabulary: LearntVocabulary
    target_vocabulary: LearntVocabulary
    splits: dict[Split, EncodedPairs]

    @cached_property
    def most_frequent_answer(self) -> int:
        """The token that a majority answerer always says: the most frequent scored one of the training."""
        train = self.splits["train"]
        return int(np.bincount(train.targets.tokens[train.scored]).argmax())

    @cached_property
    def seen_answers(self) -> tuple[int, ...]:
        """The different tokens that are scored in the training."""
        train = self.splits["train"]
        return tuple(np.unique(train.targets.tokens[train.scored]).tolist())

    def majority_accuracy(self, lengths: LengthRange) -> float:
        """Return the share of scored test tokens that the majority answerer gets right; 0 where there are none."""
        test = self.splits["test"]
        is_counted = np.repeat(test.within(lengths), test.targets.lengths) & test.scored
        is_right = test.targets.tokens[is_counted] == self.most_frequent_answer
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
def encoded_text(
    files: SplitFiles, encoding: Encoding, fingerprint: str, kept: VocabularyTexts | None = None
) -> EncodedText:
    """Read the files, learn the vocabularies from the training split and encode all; once per process.

    Args:
        files: of every split.
        encoding: how texts become numbers.
        fingerprint: of the files' content.
        kept: vocabularies in place of those learnt. Another version of a library may learn others from the same
            text, and the weights of a run are of no use but with its own.
    """
    splits = loaded_splits(files, fingerprint)
    numbers = numbers_of(splits, encoding)
    if kept is not None and kept != VocabularyTexts.of(numbers.source_vocabulary, numbers.target_vocabulary):
        numbers = encode_numbers(splits, encoding, *encoding.vocabularies(kept))
    encoded: dict[Split, EncodedPairs] = {}
    for split in get_args(Split):
        pairs = _encoded(splits, numbers, split)
        encoded[split] = pairs if encoding.keeps_references else replace(pairs, references=None)
    return EncodedText(numbers.source_vocabulary, numbers.target_vocabulary, encoded)


def _encoded(splits: TextSplits, numbers: Numbers, split: Split) -> EncodedPairs:
    pairs = splits.pairs(split)
    encoder = BlockEncoder(numbers.source_vocabulary, numbers.target_vocabulary)
    sure, possible = encoder.encode(pairs) if split in splits.aligned else (None, None)
    return EncodedPairs(
        sources=numbers.sources[split],
        targets=numbers.targets[split],
        given=np.array([encoder.given_tokens(pair) for pair in pairs], dtype=np.int64),
        lengths=np.array([pair.length for pair in pairs], dtype=np.int64),
        references=tuple(pair.target for pair in pairs),
        sure=sure,
        possible=possible,
    )

"""Vocabularies learnt from the training, and the token numbers of every split: what takes time to make."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self, get_args

from attnbench.tasks.base import Split
from attnbench.tasks.encoded_pairs import TokenLists
from attnbench.tasks.subwords import FrequentWords, SubwordVocabulary
from attnbench.tasks.text_splits import TextSplits
from attnbench.vocabulary import EOS

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

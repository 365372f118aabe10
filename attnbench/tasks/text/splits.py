"""Training, validation and test examples: from files of their own, or split off the training files."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from attnbench.tasks.base import Split
from attnbench.tasks.text.files import check_they_exist
from attnbench.tasks.text.pairs import (
    LONGEST_WORD,
    Pair,
    PairReader,
    PairsRead,
    blank_remarks,
    without_long_words,
    word_count,
)
from attnbench.tasks.text.subwords import SubwordVocabulary

NO_FILES = ["none", "none"]
Vocabularies = tuple[SubwordVocabulary, SubwordVocabulary]


@dataclass(frozen=True)
class SplitFiles:
    """Where the pairs of each split come from.

    Attributes:
        train: files of the training.
        validation: files of the validation; None where it is split off the training files.
        test: files of the test; None where it is split off the training files.
        validation_share: how much is split off for the validation, 0–1.
        test_share: how much is split off for the test, 0–1.
        maximum_length: longest source of training and validation, in the task's unit.
        maximum_target_length: longest target of training and validation, in `unit`; None for any.
        unit: what lengths count; None: what the readers have counted for sources, and words for targets.
        vocabulary_sizes: of source and target, where `unit` is "subwords".
    """

    train: PairReader
    validation: PairReader | None
    test: PairReader | None
    validation_share: float
    test_share: float
    maximum_length: int
    maximum_target_length: int | None = None
    unit: Literal["subwords", "characters"] | None = None
    vocabulary_sizes: tuple[int, int] | None = None

    @property
    def readers(self) -> list[PairReader]:
        """The files of the splits that have any."""
        return [reader for reader in (self.train, self.validation, self.test) if reader]

    def fingerprint(self) -> str:
        """Return the SHA-256 of the content of all files in the order of their roles, wherever they lie.

        Raises:
            UserError: where a file cannot be read.
        """
        check_they_exist(path for reader in self.readers for path in reader.paths)
        roles = [self.train, self.validation, self.test]
        hashes = [each for reader in roles for each in (reader.hashes() if reader else NO_FILES)]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()

    @property
    def longest_word(self) -> int:
        """How many characters a word may have; where words are no measure, as many as a whole source may have."""
        return max(LONGEST_WORD, self.maximum_length) if self.unit else LONGEST_WORD

    def split_of(self, pair: Pair) -> Split:
        """Return the split that a pair of the training files belongs to.

        It hangs on what the model is told alone, so that equal sources with equal questions never stand on two
        sides, and on neither its place in the file nor on which other files there are.
        """
        share = _share_of(pair.told)
        if share < self.test_share:
            return "train" if self.test else "test"
        if share < self.test_share + self.validation_share:
            return "train" if self.validation else "validation"
        return "train"


@dataclass(frozen=True)
class TextSplits:
    """The pairs of each split, and the count of what was left out.

    Attributes:
        train: pairs short enough.
        validation: pairs short enough.
        test: all pairs; the evaluated buckets choose among them.
        empty: pairs left out because a side is empty, all files together.
        joined: pairs with a JSON list of several strings on a side, joined with blanks.
        too_long: pairs left out because of their length, by split.
        repeated: pairs with files of their own that stand word for word in training too, by split.
        aligned: the splits whose files say where the targets stand in the sources.
        remarks: what a person should know about how the files were read.
        vocabularies: learnt from all pairs of the training, also from those too long, where lengths count subwords;
            otherwise None.
    """

    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    test: tuple[Pair, ...]
    empty: int
    joined: int
    too_long: dict[Split, int]
    repeated: dict[Split, int]
    aligned: frozenset[Split]
    remarks: tuple[str, ...] = ()
    vocabularies: Vocabularies | None = None

    @property
    def total(self) -> int:
        """How many pairs there are, all splits together."""
        return len(self.train) + len(self.validation) + len(self.test)

    @property
    def different(self) -> int:
        """How many of them a model can tell apart by what it is told."""
        return len({pair.told for pair in (*self.train, *self.validation, *self.test)})

    def repeats(self, split: Split) -> int:
        """Return how many pairs of a split stand in it before, word for word."""
        pairs = self.pairs(split)
        return len(pairs) - len(set(pairs))

    def pairs(self, split: Split) -> tuple[Pair, ...]:
        """Return the pairs of a split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


def read_splits(files: SplitFiles) -> TextSplits:
    """Read every split, and leave out of training and validation what is too long.

    Raises:
        UserError: where a file is not what it should be.
    """
    read: dict[Split, PairsRead] = {"train": _read(files.train, files)}
    if files.validation:
        read["validation"] = _read(files.validation, files)
    if files.test:
        read["test"] = _read(files.test, files)
    found = _divide(read, files)
    ruler = _Ruler.of(files, found["train"])
    found = {split: ruler.measure(pairs) for split, pairs in found.items()}
    train, validation = (tuple(filter(ruler.allows, found[split])) for split in ("train", "validation"))
    return TextSplits(
        train=train,
        validation=validation,
        test=tuple(found["test"]),
        empty=sum(part.empty for part in read.values()),
        joined=sum(part.joined for part in read.values()),
        too_long={
            "train": len(found["train"]) - len(train),
            "validation": len(found["validation"]) - len(validation),
        },
        repeated={split: _count_repeated(found[split], train) for split in read if split != "train"},
        aligned=frozenset(split for split in found if read.get(split, read["train"]).is_aligned),
        remarks=tuple(dict.fromkeys(said for part in read.values() for said in part.remarks)),
        vocabularies=ruler.vocabularies,
    )


def _read(reader: PairReader, files: SplitFiles) -> PairsRead:
    read = reader.read()
    pairs, long_words = without_long_words(read.pairs, files.longest_word)
    remarks = [f"{reader.source}: {said}" for said in (*long_words, *blank_remarks(pairs))]
    return replace(read, pairs=pairs, remarks=(*read.remarks, *remarks))


@dataclass(frozen=True)
class _Ruler:
    """Measures sources and targets in the unit of their lengths.

    Attributes:
        files: with the unit, and with the longest that is allowed.
        vocabularies: of source and target, where the unit is subwords.
    """

    files: SplitFiles
    vocabularies: Vocabularies | None

    @classmethod
    def of(cls, files: SplitFiles, train: list[Pair]) -> "_Ruler":
        if files.vocabulary_sizes is None:
            return cls(files, None)
        source_size, target_size = files.vocabulary_sizes
        source = SubwordVocabulary.train((pair.source for pair in train), source_size)
        target = SubwordVocabulary.train((pair.written for pair in train), target_size)
        return cls(files, (source, target))

    def measure(self, pairs: list[Pair]) -> list[Pair]:
        """Return the pairs with the lengths of their sources."""
        if self.files.unit is None:
            return pairs
        return [replace(pair, length=self._length(pair.source, side=0)) for pair in pairs]

    def allows(self, pair: Pair) -> bool:
        """Say whether a measured pair is short enough to train on."""
        limit = self.files.maximum_target_length
        if pair.length > self.files.maximum_length:
            return False
        return limit is None or self._length(pair.target, side=1) <= limit

    def _length(self, text: str, side: int) -> int:
        if self.vocabularies:
            return len(self.vocabularies[side].encode(text))
        return len(text) if self.files.unit == "characters" else word_count(text)


def _divide(read: dict[Split, PairsRead], files: SplitFiles) -> dict[Split, list[Pair]]:
    """Return the pairs of every split; those without files of their own come out of the training files."""
    found: dict[Split, list[Pair]] = {"train": [], "validation": [], "test": []}
    for pair in read["train"].pairs:
        found[files.split_of(pair)].append(pair)
    for split in read:
        if split != "train":
            found[split] = list(read[split].pairs)
    return found


def _count_repeated(pairs: Iterable[Pair], train: Iterable[Pair]) -> int:
    known = set(train)
    return sum(pair in known for pair in pairs)


def _share_of(text: str) -> float:
    """Return a number in [0, 1) that depends on the text alone, evenly spread over different texts."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64

"""Training, validation and test examples: from files of their own, or split off the training files."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from attnbench.tasks.base import Split
from attnbench.tasks.text_pair import Pair, PairReader, PairsRead, word_count

NO_FILES = ["none", "none"]


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
        maximum_target_words: longest target of training and validation; None for any.
    """

    train: PairReader
    validation: PairReader | None
    test: PairReader | None
    validation_share: float
    test_share: float
    maximum_length: int
    maximum_target_words: int | None = None

    def fingerprint(self) -> str:
        """Return the SHA-256 of the content of all files in the order of their roles, wherever they lie.

        Raises:
            UserError: where a file cannot be read.
        """
        readers = [self.train, self.validation, self.test]
        hashes = [each for reader in readers for each in (reader.hashes() if reader else NO_FILES)]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()

    def allow(self, pair: Pair) -> bool:
        """Say whether a pair is short enough to train on."""
        has_fitting_target = (
            self.maximum_target_words is None or word_count(pair.target) <= self.maximum_target_words
        )
        return pair.length <= self.maximum_length and has_fitting_target

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
    """

    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    test: tuple[Pair, ...]
    empty: int
    joined: int
    too_long: dict[Split, int]
    repeated: dict[Split, int]
    aligned: frozenset[Split]

    def pairs(self, split: Split) -> tuple[Pair, ...]:
        """Return the pairs of a split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


def read_splits(files: SplitFiles) -> TextSplits:
    """Read every split, and leave out of training and validation what is too long.

    Raises:
        UserError: where a file is not what it should be.
    """
    read: dict[Split, PairsRead] = {"train": files.train.read()}
    if files.validation:
        read["validation"] = files.validation.read()
    if files.test:
        read["test"] = files.test.read()
    found = _divide(read, files)
    train = tuple(filter(files.allow, found["train"]))
    validation = tuple(filter(files.allow, found["validation"]))
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
    )


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

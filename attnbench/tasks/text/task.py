"""What all tasks read from files share: splits, batches, lengths, chance and notes."""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self, get_args

import torch

from attnbench.batch import Batch
from attnbench.errors import UserError
from attnbench.randomness import generator_for
from attnbench.ranges import Count, Fraction
from attnbench.tasks.base import LengthRange, Split, Task, refuse_length
from attnbench.tasks.text.encoded_text import EncodedText, encoded_text, loaded_splits
from attnbench.tasks.text.encoding import (
    BatchSize,
    Encoding,
    Indexes,
    TokenLists,
    VocabularyTexts,
    count_batches,
    epoch_batches,
)
from attnbench.tasks.text.splits import SplitFiles, TextSplits
from attnbench.vocabulary import EOS, UNKNOWN, Vocabulary

IS_PATH = {"path": True}
BUCKETS = 6  # ten words each at the default maximum length of text_pairs, as in Bahdanau's Figure 2


@dataclass(frozen=True, kw_only=True)
class TextTask(Task):
    """A task whose examples stand in a person's files. Evaluated lengths are upper bounds of buckets.

    Vocabularies are learnt from the training split alone.

    Attributes:
        source: file of the training.
        validation_source: file of the validation; None: it is split off the training files.
        test_source: file of the test; None: it is split off the training files.
        validation_share: how much of the training files goes to the validation without files of its own.
        test_share: the same for the test.
        maximum_length: longest source that is trained and validated on, in the task's unit.
        batch_tokens: tokens of source and target together, with padding, that a training batch holds at most; None:
            as many examples as the training says.
    """

    reads_files = True
    _kept: ClassVar[VocabularyTexts | None] = None  # a task that was given some holds its own

    source: str | None = field(metadata=IS_PATH)
    validation_source: str | None = field(metadata=IS_PATH)
    test_source: str | None = field(metadata=IS_PATH)
    validation_share: Fraction
    test_share: Fraction
    maximum_length: Count
    batch_tokens: Count | None = None

    @property
    @abstractmethod
    def names(self) -> "ExampleNames":
        """How messages speak of its examples."""

    @property
    @abstractmethod
    def _split_files(self) -> SplitFiles:
        """Where the examples of each split stand.

        Raises:
            UserError: where files are missing, or do not fit together.
        """

    @property
    @abstractmethod
    def _encoding(self) -> Encoding:
        """How the texts become numbers."""

    @property
    def source_vocabulary(self) -> Vocabulary:
        return self._vocabularies[0]

    @property
    def target_vocabulary(self) -> Vocabulary:
        return self._vocabularies[1]

    @cached_property
    def _vocabularies(self) -> tuple[Vocabulary, Vocabulary]:
        if self._kept is not None:
            return self._encoding.vocabularies(self._kept)  # the files need not be there
        return self._text.source_vocabulary, self._text.target_vocabulary

    def learnt(self) -> dict[str, Any]:
        text = self._text
        return VocabularyTexts.of(text.source_vocabulary, text.target_vocabulary)._asdict()

    def with_learnt(self, learnt: Mapping[str, Any]) -> Self:
        task = replace(self)
        task.__dict__["_kept"] = VocabularyTexts(learnt["source"], learnt["target"])
        _ = task._vocabularies  # which refuses what is none
        return task

    @cached_property
    def _splits(self) -> TextSplits:
        return loaded_splits(self._split_files, self.data_fingerprint())

    @cached_property
    def _text(self) -> EncodedText:
        self.check_ready()
        return encoded_text(self._split_files, self._encoding, self.data_fingerprint(), self._kept)

    def data_fingerprint(self) -> str:
        return self._split_files.fingerprint()

    def check_length(self, length: int) -> None:
        if length < 1:
            raise refuse_length(self, length, "the shortest source has length 1.", "Use lengths from 1.")

    def check_information(self, lengths: Collection[int]) -> None:
        """Refuse training files whose targets are all one; the bits of real text are not known."""
        pairs = self._splits.pairs("train")
        if all(pair.target == pairs[0].target for pair in pairs):
            raise UserError(
                f"{self._split_files.train.source}: all {len(pairs):,} {self.names.one}s of the training have the same "
                "target, so there is nothing to know. Give files whose targets differ."
            )

    def check_ready(self) -> None:
        files = self._split_files
        self._check_shares(files)
        splits = self._splits
        for split in get_args(Split):
            if not splits.pairs(split):
                raise self._nothing_left(split, files, splits)

    def _check_shares(self, files: SplitFiles) -> None:
        shares = {
            "validation": 0.0 if files.validation else self.validation_share,
            "test": 0.0 if files.test else self.test_share,
        }
        if sum(shares.values()) >= 1:
            raise UserError(
                f"task.validation_share and task.test_share take {sum(shares.values()):g} of the training files, "
                "so that nothing is left to train on: expected less than 1 together."
            )
        for split, share in shares.items():
            if share == 0 and getattr(files, split) is None:
                raise UserError(
                    f"There is nothing for the {split}: give task.{split}_source, or a task.{split}_share above 0."
                )

    def _nothing_left(self, split: Split, files: SplitFiles, splits: TextSplits) -> UserError:
        own = getattr(files, split)
        where = own.source if own else f"what is split off {files.train.source}"
        remedy = "Check the files, or raise task.maximum_length."
        if own is None:
            remedy = f"Give task.{split}_source, or raise task.{split}_share (now {getattr(self, split + '_share'):g})."
        if own is None and splits.different == 1:
            remedy = (
                f"All {splits.total:,} {self.names.one}s have one source, and equal sources stay in one split: "
                f"expected different {self.names.one}s. Give others, or task.{split}_source."
            )
        left_out = "".join(f" {said}" for said in splits.remarks)
        return UserError(
            f"No {split} {self.names.one} is left in {where}: {splits.empty} {self.names.one}s have an empty side, "
            f"{splits.too_long.get(split, 0)} are too long for task.maximum_length={self.maximum_length} "
            f"({self.names.measure}). {remedy}{left_out}"
        )

    def training_batch(self, seed: int, step: int, batch_size: int, lengths: LengthRange) -> Batch:
        pairs, size = self._text.splits["train"], BatchSize(batch_size, self.batch_tokens)
        batches_per_epoch = count_batches(pairs, lengths, size)
        if not batches_per_epoch:
            raise self._nothing_within("training", lengths)
        epoch, position = divmod(step, batches_per_epoch)
        return pairs.batch(epoch_batches(pairs, lengths, size, seed, epoch)[position])

    def _nothing_within(self, split: str, lengths: LengthRange) -> UserError:
        return UserError(
            f"No {split} {self.names.one} has {lengths.minimum} to {lengths.maximum} {self.names.measure} "
            f"(task.maximum_length={self.maximum_length}). Choose other lengths."
        )

    def evaluation_batches(
        self, split: Split, seed: int, lengths: LengthRange, examples: int, batch_size: int
    ) -> Iterator[Batch]:
        """Yield the same examples for every seed, short ones first; nothing where the test has none so long."""
        pairs = self._text.splits[split]
        order = torch.randperm(len(pairs), generator=generator_for("evaluation", split)).numpy()
        chosen: Indexes = order[pairs.within(lengths)[order]][:examples]
        if split == "validation" and not len(chosen):
            raise self._nothing_within(split, lengths)
        for batch in pairs.batches_by_length(chosen, BatchSize(batch_size)):
            yield pairs.batch(batch)

    def training_range(self, requested: Sequence[int] | None, length: int | None) -> LengthRange:
        """Return the range asked for, or all sources up to the maximum length."""
        if length is not None:
            raise UserError(
                f"task.length={length}: {self.name} takes its lengths from its files. Use "
                "task.maximum_length for the longest source to train on, test_lengths for the buckets."
            )
        if requested is None:
            return LengthRange(1, self.maximum_length)
        if len(requested) != 2 or not 1 <= requested[0] <= requested[1] <= self.maximum_length:
            raise UserError(
                f"train_range={list(requested)}: expected [shortest, longest] from 1 to "
                f"task.maximum_length={self.maximum_length}. Longer sources need a higher task.maximum_length."
            )
        return LengthRange(requested[0], requested[1])

    def default_test_lengths(self, lengths: LengthRange) -> list[int]:
        """Return the upper bounds of equal buckets up to the longest source trained on."""
        bounds = {-(-lengths.maximum * k // BUCKETS) for k in range(1, BUCKETS + 1)}
        return sorted(bound for bound in bounds if bound >= lengths.minimum)

    def validation_ranges(self, lengths: LengthRange) -> list[LengthRange]:
        return [lengths]

    def evaluation_range(self, length: int, lengths: Sequence[int]) -> LengthRange:
        """Return the bucket that ends at `length`: from the next shorter evaluated length on, or from 1."""
        return LengthRange(1 + max((other for other in lengths if other < length), default=0), length)

    def chance_accuracy(self, lengths: LengthRange) -> float:
        """Return the accuracy on the test of always saying the training's most frequent answer, or of guessing."""
        return max(self._text.majority_accuracy(lengths), 1 / len(self.answers))

    def count_outside(self, lengths: Sequence[int]) -> int:
        """Return how many test examples are longer than every bucket of these lengths."""
        return int((self._text.splits["test"].lengths > max(lengths)).sum())

    def evaluation_notes(self, lengths: Sequence[int]) -> list[str]:
        """Return what evaluating at these lengths leaves out: test examples beyond them, empty buckets."""
        test = self._text.splits["test"]
        buckets = [self.evaluation_range(length, lengths) for length in sorted(set(lengths))]
        empty = [f"{each.minimum}-{each.maximum}" for each in buckets if not test.within(each).any()]
        outside = self.count_outside(lengths)
        notes = []
        if outside:
            notes.append(
                f"{outside:,} of {len(test):,} test {self.names.one}s have more than {max(lengths)} "
                f"{self.names.measure}: not evaluated."
            )
        if empty:
            buckets_named = " or ".join(empty)
            notes.append(
                f"No test {self.names.one} has {buckets_named} {self.names.measure}: these buckets have no row."
            )
        return notes

    def notes(self) -> list[str]:
        return describe(self._splits, self._split_files, self._text, self._encoding, self.names)


MOSTLY = 0.9  # of the lines; a text of words has hardly any line of one word
SPLIT_NAMES: dict[Split, str] = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class ExampleNames:
    """How messages speak of a task's examples.

    Attributes:
        one: an example, such as "pair"; more of them take an s.
        measure: what their length counts, such as "source words".
        target_measure: what the length of their targets counts.
    """

    one: str
    measure: str
    target_measure: str = "target words"


def describe(
    splits: TextSplits, files: SplitFiles, text: EncodedText, encoding: Encoding, names: ExampleNames
) -> list[str]:
    """Return the notes, one sentence or two each; nothing that was left out goes unsaid."""
    return [
        _counts(splits, files, names),
        _longest(splits, files, names),
        *splits.remarks,
        *_left_out(splits, files, names),
        *_repeated(splits, names),
        *_single_words(splits, files, names),
        *_aligned(splits, names),
        *_unknown_words(text),
        *_small_vocabularies(text, encoding),
    ]


def _counts(splits: TextSplits, files: SplitFiles, names: ExampleNames) -> str:
    split_off = [name for name in ("validation", "test") if getattr(files, name) is None]
    origin = f" (split off the training files by a hash of the source: {', '.join(split_off)})"
    return (
        f"{names.one.capitalize()}s: {len(splits.train):,} training, {len(splits.validation):,} validation, "
        f"{len(splits.test):,} test{origin if split_off else ''}."
    )


def _left_out(splits: TextSplits, files: SplitFiles, names: ExampleNames) -> Iterator[str]:
    if any(splits.too_long.values()):
        counts = " and ".join(
            f"{count:,} of {SPLIT_NAMES[split]}" for split, count in splits.too_long.items()
        )
        target = files.maximum_target_length
        limit = f"{files.maximum_length} {names.measure}" + (
            f" or {target} {names.target_measure}" if target else ""
        )
        yield f"Left out as too long: {counts} (more than {limit})."
    if splits.empty:
        yield f"Left out because a side is empty: {splits.empty:,} {names.one}s."
    if splits.joined:
        yield (
            f"{splits.joined:,} {names.one}s have a list of several strings on a side, joined with blanks. "
            "If they are alternatives, take one: name.0 instead of name as the field."
        )


def _longest(splits: TextSplits, files: SplitFiles, names: ExampleNames) -> str:
    longest = max(pair.length for pair in splits.train)
    return (
        f"The training keeps {names.one}s of up to {files.maximum_length} {names.measure} (task.maximum_length); "
        f"its longest has {longest}."
    )


def _single_words(splits: TextSplits, files: SplitFiles, names: ExampleNames) -> Iterator[str]:
    """Say where words tell no lengths apart, as in a language that is written without blanks."""
    if files.maximum_target_length is None or files.unit is not None:
        return  # a task that counts something else, or a unit chosen by a person
    for side in ("source", "target"):
        single = sum(" " not in getattr(pair, side) for pair in splits.train)
        if single < MOSTLY * len(splits.train):
            continue
        what = f"Warning: {single:,} of {len(splits.train):,} training {side}s are one word without a blank"
        if side == "source":
            yield f"{what}, so that lengths hardly differ. Count them with task.length_unit=characters or subwords."
        else:
            yield f"{what}: BLEU, which counts words, says little here; see chrF."


def _repeated(splits: TextSplits, names: ExampleNames) -> Iterator[str]:
    counts = {split: splits.repeats(split) for split in SPLIT_NAMES}
    said = ", ".join(
        f"{count:,} of {len(splits.pairs(split)):,} {SPLIT_NAMES[split]}"
        for split, count in counts.items()
        if count
    )
    if said:
        yield f"Duplicates: {said} {names.one}s repeat an earlier one of their split word for word, and are kept."
    for split, count in splits.repeated.items():
        if count:
            total = len(splits.pairs(split))
            yield (
                f"Warning: {count:,} of {total:,} {split} {names.one}s stand word for word in the training too."
            )


def _aligned(splits: TextSplits, names: ExampleNames) -> Iterator[str]:
    if splits.aligned:
        counts = ", ".join(
            f"{sum(bool(pair.possible) for pair in splits.pairs(split)):,} of {len(splits.pairs(split)):,} {name}"
            for split, name in SPLIT_NAMES.items()
        )
        yield f"Where the target stands in the source is known for {counts} {names.one}s."


def _unknown_words(text: EncodedText) -> Iterator[str]:
    for side in ("sources", "targets"):
        if not any(getattr(pairs, side).count(UNKNOWN) for pairs in text.splits.values()):
            yield f"Unknown words of the {side}: none."
            continue
        parts = [
            f"{_share(getattr(text.splits[split], side))} in {SPLIT_NAMES[split]}" for split in text.splits
        ]
        yield f"Unknown words of the {side}: {', '.join(parts)}."


def _share(lists: TokenLists) -> str:
    unknown = lists.count(UNKNOWN)
    tokens = len(lists.tokens) - lists.count(EOS)
    return f"{unknown:,} ({unknown / tokens:.1%})" if tokens else "0"


def _small_vocabularies(text: EncodedText, encoding: Encoding) -> Iterator[str]:
    sides: list[tuple[str, Vocabulary, int | None]] = [
        ("source", text.source_vocabulary, encoding.source_size),
        ("target", text.target_vocabulary, encoding.target_size),
    ]
    small = [each for each in sides if each[2] is not None and len(each[1].tokens) < each[2]]
    for side, vocabulary, size in small:
        yield f"The {side} vocabulary has {len(vocabulary.tokens):,} tokens of {size:,}: the text has no more."
    if small and encoding.units == "subword":
        yield "A small text: rare words are read in pieces (subwords). task.units=word keeps them whole."

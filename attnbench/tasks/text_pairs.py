"""Pairs of texts from a person's files: translations, summaries, whatever answers a source with a target."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import torch

from attnbench.batch import Batch
from attnbench.errors import UserError
from attnbench.randomness import generator_for
from attnbench.ranges import Count, Fraction
from attnbench.tasks.base import LengthRange, Split, Task, refuse_length
from attnbench.tasks.encoded_pairs import Indexes, count_batches, epoch_batches
from attnbench.tasks.encoded_text import EncodedText, Encoding, encoded_text, loaded_splits
from attnbench.tasks.subwords import SMALLEST_SUBWORD_VOCABULARY
from attnbench.tasks.text_files import PairFiles, content_hash, holds_both_sides
from attnbench.tasks.text_notes import describe
from attnbench.tasks.text_splits import SplitFiles, TextSplits
from attnbench.vocabulary import BOS, PAD, SPECIAL_TOKENS, Vocabulary

IS_PATH = {"path": True}
BUCKETS = 6  # ten words each at the default maximum length, as in Bahdanau's Figure 2


@dataclass(frozen=True, kw_only=True)
class TextPairs(Task):
    """Write the target that belongs to the source. The length counts the source's words, blanks between them.

        source   ▁in ▁the ▁beginning ▁god ▁created ▁the ▁heaven s
        target   ▁en ▁la ▁komenco ▁dio ▁kre is ▁la ▁cxielo n <eos>

    Vocabularies are learnt from the training split alone. Evaluated lengths are upper bounds of buckets.

    Attributes:
        source: file of the training sources, or a .tsv or .jsonl with both sides.
        target: file of the training targets, line for line; None where `source` holds both sides.
        validation_source: the same for the validation; None: it is split off the training files.
        validation_target: see `target`.
        test_source: the same for the test; None: it is split off the training files.
        test_target: see `target`.
        source_field: field of a .jsonl that holds the source; `name.0` is the first string of a list.
        target_field: the same for the target.
        validation_share: how much of the training files goes to the validation without files of its own.
        test_share: the same for the test.
        units: whether tokens are pieces of words or the most frequent words.
        source_vocabulary_size: tokens at most, special ones included.
        target_vocabulary_size: the same for the target.
        maximum_length: longest source that is trained and validated on, in words.
        eos: whether the target closes with an end mark.
    """

    length_unit = "words"
    reads_files = True

    source: str | None = field(metadata=IS_PATH)
    target: str | None = field(metadata=IS_PATH)
    validation_source: str | None = field(metadata=IS_PATH)
    validation_target: str | None = field(metadata=IS_PATH)
    test_source: str | None = field(metadata=IS_PATH)
    test_target: str | None = field(metadata=IS_PATH)
    source_field: str
    target_field: str
    validation_share: Fraction
    test_share: Fraction
    units: Literal["subword", "word"]
    source_vocabulary_size: Count
    target_vocabulary_size: Count
    maximum_length: Count
    eos: bool

    @property
    def source_vocabulary(self) -> Vocabulary:
        return self._text.source_vocabulary

    @property
    def target_vocabulary(self) -> Vocabulary:
        return self._text.target_vocabulary

    @property
    def ends_with_mark(self) -> bool:
        return self.eos

    @property
    def answers(self) -> Sequence[int]:
        numbers = range(len(self.target_vocabulary.tokens))
        return [number for number in numbers if number not in (PAD, BOS)]

    @property
    def _split_files(self) -> SplitFiles:
        return SplitFiles(
            train=self._files_of("", self.source, self.target),
            validation=self._optional_files_of("validation_", self.validation_source, self.validation_target),
            test=self._optional_files_of("test_", self.test_source, self.test_target),
            validation_share=self.validation_share,
            test_share=self.test_share,
            maximum_length=self.maximum_length,
        )

    def _optional_files_of(self, role: str, source: str | None, target: str | None) -> PairFiles | None:
        return self._files_of(role, source, target) if source or target else None

    def _files_of(self, role: str, source: str | None, target: str | None) -> PairFiles:
        if not source:
            raise UserError(
                f"{self.name} needs task.{role}source=FILE with task.{role}target=FILE, line for line; or "
                f"task.{role}source alone, a .tsv (source, tab, target) or a .jsonl with both sides."
            )
        if holds_both_sides(source) and target:
            raise UserError(
                f"task.{role}source={source} holds both sides by its name: leave task.{role}target={target} out."
            )
        if not holds_both_sides(source) and not target:
            raise UserError(
                f"task.{role}source={source} holds sources only: expected task.{role}target=FILE beside it, "
                "or a .tsv or .jsonl with both sides."
            )
        target_path = Path(target).expanduser() if target else None
        return PairFiles(Path(source).expanduser(), target_path, self.source_field, self.target_field)

    @property
    def _encoding(self) -> Encoding:
        return Encoding(self.units, self.source_vocabulary_size, self.target_vocabulary_size, self.eos)

    @cached_property
    def _splits(self) -> TextSplits:
        return loaded_splits(self._split_files, self.data_fingerprint())

    @cached_property
    def _text(self) -> EncodedText:
        self.check_ready()
        return encoded_text(self._split_files, self._encoding, self.data_fingerprint())

    def data_fingerprint(self) -> str:
        """Return the SHA-256 of the content of all files in the order of their roles, wherever they lie.

        Raises:
            UserError: when a file cannot be read, or none is named.
        """
        files = self._split_files
        named = [files.train, files.validation, files.test]
        paths = [path for each in named for path in ((each.source, each.target) if each else (None, None))]
        hashes = [content_hash(path) if path else "none" for path in paths]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()

    def check_length(self, length: int) -> None:
        if length < 1:
            raise refuse_length(self, length, "a source has at least one word.", "Use lengths from 1.")

    def check_ready(self) -> None:
        files = self._split_files
        self._check_shares(files)
        self._check_vocabulary_sizes()
        splits = self._splits
        for split in get_args(Split):
            if not getattr(splits, split):
                raise self._no_pairs(split, files, splits)

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

    def _check_vocabulary_sizes(self) -> None:
        smallest = SMALLEST_SUBWORD_VOCABULARY if self.units == "subword" else len(SPECIAL_TOKENS) + 1
        for side in ("source", "target"):
            size = getattr(self, f"{side}_vocabulary_size")
            if size < smallest:
                raise UserError(
                    f"task.{side}_vocabulary_size={size} is too small for task.units={self.units}: "
                    f"expected at least {smallest}."
                )

    def _no_pairs(self, split: Split, files: SplitFiles, splits: TextSplits) -> UserError:
        own = getattr(files, split)
        where = own.source if own else f"what is split off {files.train.source}"
        remedy = "Check the files, or raise task.maximum_length."
        if own is None:
            remedy = f"Give task.{split}_source, or raise task.{split}_share (now {getattr(self, split + '_share'):g})."
        return UserError(
            f"No {split} pair is left in {where}: {splits.empty} pairs have an empty side, "
            f"{splits.too_long.get(split, 0)} are too long for task.maximum_length={self.maximum_length}. {remedy}"
        )

    def training_batch(self, seed: int, step: int, batch_size: int, lengths: LengthRange) -> Batch:
        pairs = self._text.splits["train"]
        batches_per_epoch = count_batches(pairs, lengths, batch_size)
        if not batches_per_epoch:
            raise self._nothing_within("training", lengths)
        epoch, position = divmod(step, batches_per_epoch)
        return pairs.batch(epoch_batches(pairs, lengths, batch_size, seed, epoch)[position])

    def _nothing_within(self, split: str, lengths: LengthRange) -> UserError:
        return UserError(
            f"No {split} pair has {lengths.minimum} to {lengths.maximum} source words "
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
        for batch in pairs.batches_by_length(chosen, batch_size):
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
        """Return the accuracy on the test of always saying the training's most frequent token, or of guessing."""
        return max(self._text.majority_accuracy(lengths), 1 / len(self.answers))

    def count_outside(self, lengths: Sequence[int]) -> int:
        """Return how many test pairs are longer than every bucket of these lengths."""
        return int((self._text.splits["test"].source_words > max(lengths)).sum())

    def evaluation_notes(self, lengths: Sequence[int]) -> list[str]:
        """Return what evaluating at these lengths leaves out: test pairs beyond them, buckets without pairs."""
        test = self._text.splits["test"]
        buckets = [self.evaluation_range(length, lengths) for length in sorted(set(lengths))]
        empty = [f"{each.minimum}-{each.maximum}" for each in buckets if not test.within(each).any()]
        outside = self.count_outside(lengths)
        notes = []
        if outside:
            notes.append(
                f"{outside:,} of {len(test):,} test pairs have more than {max(lengths)} source words: not evaluated."
            )
        if empty:
            notes.append(f"No test pair has {' or '.join(empty)} source words: these buckets have no row.")
        return notes

    def notes(self) -> list[str]:
        return describe(self._splits, self._split_files, self._text, self._encoding)

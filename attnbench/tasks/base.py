"""What every task offers: batches, the exact information in them, and the words to show them."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Generator, Tensor

from attnbench.batch import Batch
from attnbench.errors import UserError
from attnbench.randomness import generator_for
from attnbench.tasks.ceiling import UniformAnswers
from attnbench.vocabulary import EOS, SPECIAL_TOKENS, Vocabulary

LONG = 64
"""Longer sources hold some bits where one of this length does; to count those of millions of tokens takes hours."""
_NO_BITS = 1e-9  # what rounding leaves of none

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, order=True)
class LengthRange:
    """Source lengths from `minimum` to `maximum`, both included, in the task's unit."""

    minimum: int
    maximum: int

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= self.maximum:
            raise ValueError(f"expected 1 <= minimum <= maximum, got {self.minimum} and {self.maximum}")


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A source of batches. Its fields are its configuration; their defaults live in conf/task/.

    Attributes:
        name: the name of the yaml that composed it.
    """

    reads_files: ClassVar[bool] = False

    name: str

    @property
    @abstractmethod
    def length_unit(self) -> str:
        """What a length counts, such as "words"."""

    @property
    @abstractmethod
    def source_vocabulary(self) -> Vocabulary:
        """The words of the source."""

    @property
    @abstractmethod
    def target_vocabulary(self) -> Vocabulary:
        """The words of the target."""

    @property
    def ends_with_mark(self) -> bool:
        """Whether the model decides itself where its answer ends (EOS), instead of being told the length."""
        return False

    @property
    def gives_key_just_ahead(self) -> bool:
        """Whether the token given just ahead of an answer says what is asked for."""
        return False

    @property
    @abstractmethod
    def answers(self) -> Sequence[int]:
        """The target tokens that a guesser would choose from."""

    def check_length(self, length: int) -> None:
        """Refuse a length that this task cannot make.

        Raises:
            UserError: with the reason and what to change.
        """

    def check_information(self, lengths: Collection[int]) -> None:
        """Refuse lengths at which the answer is known without the source: there is nothing to know.

        Raises:
            UserError: naming such a length and what to change.
        """
        for length in sorted({min(lengths), max(lengths)}):
            looked_at = min(length, LONG)
            bits = self.information_bits(LengthRange(looked_at, looked_at))
            if bits is not None and bits < _NO_BITS:
                size = getattr(self, "vocabulary_size", None)
                remedy = "Change its keys" if size is None else f"Raise task.vocabulary_size, now {size}"
                raise UserError(
                    f"{self.name} at length {length} ({self.length_unit}): the answer is known without the source, "
                    f"0 bits, so there is nothing to know. {remedy}."
                )

    def check_ready(self) -> None:
        """Refuse what cannot work before anything starts (missing files, for instance).

        Raises:
            UserError: with the reason and what to change.
        """

    def data_fingerprint(self) -> str | None:
        """Return a hash of the content of the files that the task reads; None where it reads none."""
        return None

    def learnt(self) -> dict[str, Any] | None:
        """Return what the task learnt from its files, as plain values; None where nothing is worth keeping.

        A run keeps it, so that it can be opened where these files are not.
        """
        return None

    def with_learnt(self, learnt: Mapping[str, Any]) -> Self:
        """Return the same task with what `learnt` returned, in place of learning it from the files.

        Raises:
            KeyError, ValueError: where the values are not those that `learnt` returned.
        """
        del learnt
        return self

    @abstractmethod
    def training_batch(self, seed: int, step: int, batch_size: int, lengths: LengthRange) -> Batch:
        """Return the batch of one training step: a function of its arguments and of nothing else."""

    @abstractmethod
    def evaluation_batches(
        self, split: Split, seed: int, lengths: LengthRange, examples: int, batch_size: int
    ) -> Iterator[Batch]:
        """Yield held-out batches whose source lengths lie in the range.

        Args:
            split: "validation" or "test".
            seed: of the run; every arm of one seed sees the same examples.
            lengths: of the sources.
            examples: how many at most; a task of files may have fewer.
            batch_size: examples per batch.
        """

    @abstractmethod
    def validation_ranges(self, lengths: LengthRange) -> list[LengthRange]:
        """Return the ranges at which a model trained on `lengths` is validated."""

    @abstractmethod
    def training_range(self, requested: Sequence[int] | None, length: int | None) -> LengthRange:
        """Return the source lengths to train on.

        Args:
            requested: shortest and longest, where a person named them.
            length: the length of the configuration, where the task has one.

        Raises:
            UserError: where these make no range.
        """

    @abstractmethod
    def default_test_lengths(self, lengths: LengthRange) -> list[int]:
        """Return where a model trained on `lengths` is evaluated if nobody says where."""

    def evaluation_range(self, length: int, lengths: Sequence[int]) -> LengthRange:
        """Return which source lengths the row `length` stands for when `lengths` are evaluated together."""
        return LengthRange(length, length)

    @abstractmethod
    def chance_accuracy(self, lengths: LengthRange) -> float:
        """Return the better token accuracy of a uniform guesser and a majority answerer on these sources."""

    def information_bits(self, lengths: LengthRange) -> float | None:
        """Return the entropy of the scored target given what the decoder is given anyway.

        In bits per example; None where it is not known.
        """
        return None

    def uniform_answers(self, lengths: LengthRange) -> UniformAnswers | None:
        """Return how many independent uniform answers are scored, where they are that; None elsewhere.

        It makes the ceiling of the accuracy behind a channel of known size exact.
        """
        return None

    def notes(self) -> list[str]:
        """Return what a person should know about the data: what was left out and why."""
        return []

    def evaluation_notes(self, lengths: Sequence[int]) -> list[str]:
        """Return what evaluating at these lengths leaves out, and which of them have no examples."""
        return []


@dataclass(frozen=True, kw_only=True)
class SyntheticTask(Task):
    """A task that draws its examples; one batch holds one length."""

    @abstractmethod
    def sample(self, split: Split, length: int, count: int, generator: Generator) -> Batch:
        """Draw `count` independent examples of one length.

        The splits are independent streams of one distribution: the generator tells them apart.
        """

    @abstractmethod
    def solve(self, batch: Batch) -> Tensor:
        """Return the right target computed from source and given tokens alone; (batch, target_len)."""

    def training_batch(self, seed: int, step: int, batch_size: int, lengths: LengthRange) -> Batch:
        generator = generator_for("batch", seed, "train", step)
        length = lengths.minimum
        if lengths.maximum > lengths.minimum:
            length = _draw_length(lengths, generator)
        return self.sample("train", length, batch_size, generator)

    def evaluation_batches(
        self, split: Split, seed: int, lengths: LengthRange, examples: int, batch_size: int
    ) -> Iterator[Batch]:
        if lengths.minimum != lengths.maximum:
            raise ValueError("a synthetic task is evaluated at single lengths")
        generator = generator_for("batch", seed, split, lengths.minimum)
        for start in range(0, examples, batch_size):
            yield self.sample(split, lengths.minimum, min(batch_size, examples - start), generator)

    def training_range(self, requested: Sequence[int] | None, length: int | None) -> LengthRange:
        match [length, length] if requested is None else list(requested):
            case [int(first), int(last)] if 1 <= first <= last and not isinstance(length, bool):
                return LengthRange(first, last)
        given = f"task.length={length}" if requested is None else f"train_range={list(requested)}"
        raise UserError(f"{given}: lengths are whole numbers of at least 1; a range is [shortest, longest].")

    def default_test_lengths(self, lengths: LengthRange) -> list[int]:
        return [each.maximum for each in self.validation_ranges(lengths)]

    def validation_ranges(self, lengths: LengthRange) -> list[LengthRange]:
        middle = round((lengths.minimum * lengths.maximum) ** 0.5)
        chosen = sorted({lengths.minimum, middle, lengths.maximum})
        return [LengthRange(length, length) for length in chosen]


@dataclass(frozen=True, kw_only=True)
class MarkableTask(SyntheticTask):
    """A task any word of whose target vocabulary may be an answer, and whose targets may close with an end mark.

    Attributes:
        eos: whether they do, so that the model must know where to stop.
    """

    eos: bool

    @property
    def ends_with_mark(self) -> bool:
        return self.eos

    @property
    def answers(self) -> Sequence[int]:
        words = range(len(SPECIAL_TOKENS), len(self.target_vocabulary.tokens))
        return [*words, EOS] if self.eos else words


def _draw_length(lengths: LengthRange, generator: Generator) -> int:
    return int(torch.randint(lengths.minimum, lengths.maximum + 1, (1,), generator=generator))


def refuse_length(task: Task, length: int, reason: str, remedy: str) -> UserError:
    """Return the error for a length that the task cannot make."""
    return UserError(f"{task.name} cannot make length {length} ({task.length_unit}): {reason} {remedy}")

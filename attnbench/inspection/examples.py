"""Examples to look at: of the test, kept in the run, or a person's own words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from attnbench.batch import Batch
from attnbench.errors import UserError
from attnbench.formatting import length_span
from attnbench.inspection.decode import example_alone
from attnbench.inspection.load import TrainedRun
from attnbench.runs.data import KeptTest, training_examples
from attnbench.tasks.base import LengthRange, Task
from attnbench.vocabulary import SPECIAL_TOKENS, UNKNOWN, Vocabulary, words_of


@dataclass(frozen=True)
class NumberedExample:
    """One test example.

    Attributes:
        index: its number among the test examples of its length, counted from 0.
        batch: it alone, without padding.
    """

    index: int
    batch: Batch


@dataclass(frozen=True)
class HeldOut:
    """Test examples of one length or bucket. Runs side by side share one, so that they are asked the same.

    Attributes:
        run: whose examples they are.
        lengths: of the sources, in the task's unit.
        examples: how many at most.
        batch_size: examples per batch. A task's draws hang on both, so they are those of the run's own evaluation.
        kept: the first of them, which stand in the run's folder; None where none do.
    """

    run: TrainedRun
    lengths: LengthRange
    examples: int
    batch_size: int
    kept: KeptTest | None = None

    @property
    def task(self) -> Task:
        """The task, for its words; its files may be elsewhere."""
        return self.run.spec.task

    @property
    def seed(self) -> int:
        """Of the run."""
        return self.run.spec.seed

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return self.kept.count == 0 if self.kept else next(self.batches(), None) is None

    def fewer(self, examples: int) -> "HeldOut":
        """Return test examples of the same kind, fewer and drawn anew: the numbers stand for others."""
        return replace(self, examples=min(examples, self.examples), kept=None)

    def batches(self) -> Iterator[tuple[int, Batch]]:
        """Yield batches on the device, each with the number of its first example.

        Raises:
            UserError: where the task reads files, and they are not found.
        """
        start = 0
        for batch in self.run.task_with_files.evaluation_batches(
            "test", self.seed, self.lengths, self.examples, self.batch_size
        ):
            yield start, batch.to(self.run.device)
            start += len(batch)

    def pick(self, indexes: Sequence[int]) -> list[NumberedExample]:
        """Return the examples of these numbers, in their order.

        Raises:
            UserError: naming the first number that is out of range.
        """
        found: dict[int, NumberedExample] = {}
        count = 0
        if self.kept:
            self._check(indexes, self.kept.count)
        for start, batch in self._alone(indexes) or self.batches():
            count = start + len(batch)
            for index in indexes:
                if start <= index < count:
                    found[index] = NumberedExample(index, example_alone(batch, index - start))
        self._check(indexes, count)
        return [found[index] for index in indexes]

    def first(self, count: int) -> list[NumberedExample]:
        """Return the first examples, as many as there are.

        Raises:
            UserError: where there are none.
        """
        if self.kept and len(self.kept.examples) >= min(count, self.kept.count):
            return self.pick(range(min(count, self.kept.count)) or [0])
        found: list[NumberedExample] = []
        for start, batch in self.batches():
            wanted = range(min(len(batch), count - len(found)))
            found += [NumberedExample(start + row, example_alone(batch, row)) for row in wanted]
            if len(found) == count:
                break
        return found or self.pick([0])  # which says why there is none

    def _alone(self, indexes: Sequence[int]) -> list[tuple[int, Batch]]:
        """Return what `batches` yields of these numbers, from the run's folder; nothing where it lacks one."""
        examples = self.kept.examples if self.kept else ()
        if not all(0 <= index < len(examples) for index in indexes):
            return []
        return [(index, example.to(self.run.device)) for index, example in enumerate(examples)]

    def _check(self, indexes: Sequence[int], count: int) -> None:
        for index in indexes:
            if not 0 <= index < count:
                raise UserError(f"No example {index}: {self._described(count)}")

    def _described(self, count: int) -> str:
        span, unit = length_span(self.lengths.minimum, self.lengths.maximum), self.task.length_unit
        numbers = f"counted from 0 to {count - 1}" if count else "so choose another length"
        return f"the test at {span} {unit} has {count:,} examples, {numbers}."


def held_out(run: TrainedRun, length: int | None = None) -> HeldOut:
    """Return the test examples of a run at one of its lengths.

    Args:
        run: opened.
        length: in the task's unit; by default the longest one that it was evaluated at.

    Raises:
        UserError: for a length that the task cannot make.
    """
    task, known = run.spec.task, evaluated_lengths(run)
    chosen = known[-1] if length is None else length
    task.check_length(chosen)
    if chosen < 1:
        raise UserError(f"length {chosen}: expected a whole number of at least 1.")
    lengths = task.evaluation_range(chosen, [*known, chosen])
    return HeldOut(
        run=run,
        lengths=lengths,
        examples=run.spec.training.test_examples,
        batch_size=run.spec.training.evaluation_batch_size,
        kept=run.kept.tests.get(lengths) if run.kept else None,
    )


def evaluated_lengths(run: TrainedRun) -> list[int]:
    """Return the lengths at which the run was evaluated, ascending; the longest trained on where at none."""
    outcome = run.folder.read_outcome()
    return sorted(outcome.lengths if outcome else []) or [run.spec.lengths.maximum]


UNANSWERED = UNKNOWN
"""Stands in the target where the model is to answer; nothing reads it there."""


@dataclass(frozen=True)
class OwnText:
    """What a person asks.

    Attributes:
        batch: of one example without an expected answer: its target holds the question, if any, and UNANSWERED.
        unknown: words of text and question that are not in the vocabulary, in their order; the model reads <unk>.
    """

    batch: Batch
    unknown: tuple[str, ...]


def custom_text(
    run: TrainedRun, text: str, question: str | None = None, answer_tokens: int | None = None
) -> OwnText:
    """Return a person's text as the model of a run reads it.

    Args:
        run: opened.
        text: the source, words with blanks between.
        question: given to the decoder ahead of its answer; of a task whose question stands ahead of the source,
            put there.
        answer_tokens: how many the model is to write; by default one to a question, and otherwise as many as in the
            task's own examples: as the source has, or the number that they all have. Of no effect where the model
            decides itself when to end.

    Raises:
        UserError: for an empty text, a question to a task that has none, a missing one, or a number below 1.
    """
    task = run.spec.task
    own = training_examples(run.spec, run.kept)
    told_first = getattr(task, "question", None) == "before"
    _check(task, own, text, question, told_first, answer_tokens)
    if question is not None and told_first:
        text, question = f"{question} {text}", None
    source, unknown = _encode(task.source_vocabulary, text)
    given, unknown_given = _encode(task.target_vocabulary, question) if question else ([], [])
    wanted = answer_tokens or (1 if given else _usual_tokens(own, len(source)))
    target = torch.tensor([[*given, *[UNANSWERED] * wanted]])
    batch = Batch(
        source=torch.tensor([source]),
        source_lengths=torch.tensor([len(source)]),
        target=target,
        scored=torch.arange(target.shape[1]).unsqueeze(0) >= len(given),
    )
    return OwnText(batch.to(run.device), (*unknown, *unknown_given))


def _check(
    task: Task,
    own: Sequence[Batch],
    text: str,
    question: str | None,
    told_first: bool,
    answer_tokens: int | None,
) -> None:
    if not text.strip():
        raise UserError("The text is empty: expected words with blanks between.")
    if answer_tokens is not None and answer_tokens < 1:
        raise UserError(f"{answer_tokens} tokens to answer: expected at least 1.")
    is_asked = told_first or any(bool((~each.scored).any()) for each in own)
    if question is not None and not is_asked:
        raise UserError(f"The task {task.name} asks no questions: leave the question out.")
    if is_asked and not (question or "").strip():
        shown = "" if told_first else f", such as '{_first_question(own, task)}'"
        raise UserError(f"The task {task.name} answers questions: expected one beside the text{shown}.")


def _first_question(own: Sequence[Batch], task: Task) -> str:
    """Return what stands ahead of the first answer of the task's own example."""
    before = int(own[0].scored[0].int().argmax())
    return task.target_vocabulary.decode(own[0].target[0, :before].tolist())


def _usual_tokens(own: Sequence[Batch], source_tokens: int) -> int:
    """Return how many tokens the task's own examples answer with: as many as their sources, or always so many."""
    answers = [int(each.scored.sum()) for each in own]
    is_constant = len(set(answers)) == 1 and any(int(each.source_lengths[0]) != answers[0] for each in own)
    return answers[0] if is_constant else source_tokens


def _encode(vocabulary: Vocabulary, text: str) -> tuple[list[int], list[str]]:
    """Return token numbers and the words that have none; the names of special tokens are no words."""
    numbers = [number if number >= len(SPECIAL_TOKENS) else UNKNOWN for number in vocabulary.encode(text)]
    words = words_of(text)
    if len(words) != len(numbers):
        return numbers, []  # pieces of words, which can write everything
    return numbers, [word for word, number in zip(words, numbers, strict=True) if number == UNKNOWN]

"""A person's own words, made a batch of one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from attnbench.batch import Batch
from attnbench.errors import UserError
from attnbench.inspection.loading import TrainedRun
from attnbench.runs.data import training_examples
from attnbench.tasks.base import Task
from attnbench.vocabulary import SPECIAL_TOKENS, UNKNOWN, Vocabulary, words_of

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


def own_text(
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

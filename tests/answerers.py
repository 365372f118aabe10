"""Answerers that are no models: what they score shows what the scores mean."""

from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from attnbench.batch import NOT_GIVEN, Batch
from attnbench.models.seq2seq import Generated, Seq2SeqOutput
from attnbench.tasks.base import SyntheticTask, Task
from attnbench.vocabulary import EOS, PAD


class Speaker(ABC):
    """Says a token at each position, from the source and the given tokens alone, under both ways of answering."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @abstractmethod
    def say(self, source: Tensor, source_lengths: Tensor, given: Tensor) -> Tensor:
        """Return what is said at each position of `given`; (batch, target_len)."""

    def __call__(self, batch: Batch) -> Seq2SeqOutput:
        said = self.say(batch.source, batch.source_lengths, batch.given)
        vocabulary_size = len(self.task.target_vocabulary.tokens)
        return Seq2SeqOutput(torch.nn.functional.one_hot(said, vocabulary_size).float() * 100, None)

    def generate(
        self,
        source: Tensor,
        source_lengths: Tensor,
        given: Tensor,
        steps: int | None = None,
        ends_with_mark: bool = False,
    ) -> Generated:
        width = given.shape[1] if steps is None else steps
        given = _wide(given, width, NOT_GIVEN)
        said = self.say(source, source_lengths, given)
        written = said.where(given == NOT_GIVEN, given)
        if ends_with_mark:
            ends = (written == EOS).int()
            written = written.masked_fill(ends.cumsum(dim=1) - ends > 0, PAD)
        return Generated(written, None)


class Oracle(Speaker):
    """Solves the task."""

    task: SyntheticTask

    def say(self, source: Tensor, source_lengths: Tensor, given: Tensor) -> Tensor:
        question = Batch(source, source_lengths, target=given, scored=given == NOT_GIVEN)
        return _wide(self.task.solve(question), given.shape[1], PAD)


class UniformGuesser(Speaker):
    """Picks among the task's answers without looking."""

    def __init__(self, task: Task, seed: int = 0) -> None:
        super().__init__(task)
        self.generator = torch.Generator().manual_seed(seed)

    def say(self, source: Tensor, source_lengths: Tensor, given: Tensor) -> Tensor:
        answers = torch.tensor(list(self.task.answers))
        return answers[torch.randint(len(answers), given.shape, generator=self.generator)]


class MajorityAnswerer(Speaker):
    """Always says the answer that was right most often in training, behind the same given words."""

    def __init__(self, task: Task, training: Iterable[Batch]) -> None:
        super().__init__(task)
        seen: Counter[int] = Counter()
        behind: defaultdict[Question, Counter[int]] = defaultdict(Counter)
        for batch in training:
            for given, target in zip(batch.given.tolist(), batch.target.tolist(), strict=True):
                for place, question in _questions(given):
                    if target[place] != PAD:  # padding is not given either
                        seen[target[place]] += 1
                        behind[question][target[place]] += 1
        self.answer = _most_common(seen)
        self.answers = {question: _most_common(answers) for question, answers in behind.items()}

    def say(self, source: Tensor, source_lengths: Tensor, given: Tensor) -> Tensor:
        said = torch.full_like(given, self.answer)
        for row, each in zip(said, given.tolist(), strict=True):
            for place, question in _questions(each):
                row[place] = self.answers.get(question, self.answer)
        return said


Question = tuple[int, ...]
"""The words that are given between two answers."""


def _questions(given: Sequence[int]) -> Iterator[tuple[int, Question]]:
    """Yield each place that is to be answered with the words that are given since the one before."""
    question: Question = ()
    for place, token in enumerate(given):
        if token == NOT_GIVEN:
            yield place, question
            question = ()
        else:
            question += (token,)


def _most_common(seen: Counter[int]) -> int:
    return seen.most_common(1)[0][0]


def _wide(tokens: Tensor, width: int, filling: int) -> Tensor:
    return torch.nn.functional.pad(tokens, (0, max(0, width - tokens.shape[1])), value=filling)[:, :width]

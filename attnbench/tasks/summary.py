"""Summaries: the content of the sentences of a document that carry a cue."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Generator, Tensor

from attnbench.batch import Batch
from attnbench.ranges import Count
from attnbench.tasks.base import LengthRange, MarkableTask, Split, refuse_length
from attnbench.tasks.examples import Example, Link, batch_of, draws_from
from attnbench.vocabulary import EOS, SPECIAL_TOKENS, WordVocabulary

PEOPLE = """farmer teacher baker sailor doctor king queen miller painter soldier widow hunter singer judge tailor
student gardener butcher thief nurse captain cook poet priest driver dancer dentist fisher mayor lawyer clerk pilot"""
DEEDS = """sold bought found painted cleaned repaired visited opened closed burned guarded measured described
photographed forgot remembered saved moved drew admired inherited rented watched liked hid built destroyed
protected touched reached owned lost"""
THINGS = """mill bridge boat house garden castle tower chapel village market school shop wagon forest island road
fountain statue library harbour orchard vineyard kitchen theatre cottage field palace barn gate lighthouse temple
station"""
KINDS = (PEOPLE.split(), DEEDS.split(), THINGS.split())
CUES = (
    ("note", "that"),
    ("remember", "that"),
    ("importantly", ","),
    ("crucially", ","),
    ("notably", ","),
)
PLACES = (1, 2, 4)
"""Of the person, the deed and the thing in `the farmer sold the mill .`"""


@dataclass(frozen=True, kw_only=True)
class Summary(MarkableTask):
    """Repeat the content of the sentences that carry a cue, in their order. The length counts sentences.

    Any sentences of the document may be the cued ones; all sentences, cued or not, are drawn alike:

        source   note that the cook lost the mill . the poet hid the gate . notably , the king sold the boat . notably , the poet built the barn .
        target   cook lost mill king sold boat poet built barn

    The summary holds equally many bits at every length: a longer document does not ask for more to be remembered,
    but for more to be passed over. What this task tests is selection, not capacity.

    Every word of the summary is surely aligned with itself in the document, and possibly with its whole sentence.

    Attributes:
        vocabulary_size: how many people, deeds and things there are, each.
        cued: how many sentences carry a cue.
    """  # noqa: E501  (an example is drawn on one line)

    length_unit = "sentences"

    vocabulary_size: Annotated[int, Ge(1), Le(min(map(len, KINDS)))]
    cued: Count

    @cached_property
    def source_vocabulary(self) -> WordVocabulary:
        cues = sorted({word for cue in CUES for word in cue})
        return WordVocabulary([*self.target_vocabulary.tokens[len(SPECIAL_TOKENS) :], "the", ".", *cues])

    @cached_property
    def target_vocabulary(self) -> WordVocabulary:
        return WordVocabulary([word for kind in self._kinds for word in kind])

    @property
    def _kinds(self) -> list[list[str]]:
        return [kind[: self.vocabulary_size] for kind in KINDS]

    def check_length(self, length: int) -> None:
        if length < self.cued:
            reason = f"{self.cued} sentences are to carry a cue."
            raise refuse_length(
                self, length, reason, f"Use lengths from {self.cued}, or task.cued={max(length, 1)}."
            )

    def sample(self, split: Split, length: int, count: int, generator: Generator) -> Batch:
        random = draws_from(generator)
        documents = [self._document(length, random) for _ in range(count)]
        references = tuple(" ".join(document.summary) for document in documents)
        return replace(batch_of([self._example(each) for each in documents]), references=references)

    def _document(self, length: int, random: Random) -> "_Document":
        cued = set(random.sample(range(length), self.cued))
        document = _Document([], [], [], [])
        for number in range(length):
            content = [random.choice(kind) for kind in self._kinds]
            if number in cued:
                document.append_cued(random.choice(CUES), content)
            else:
                document.words += _sentence(content)
        return document

    def _example(self, document: "_Document") -> Example:
        target = self._target(document.summary)
        return Example(
            source=self.source_vocabulary.encode(" ".join(document.words)),
            target=target,
            scored=[True] * len(target),
            sure=document.sure,
            possible=document.possible,
        )

    def _target(self, summary: Sequence[str]) -> list[int]:
        return self.target_vocabulary.encode(" ".join(summary)) + [EOS] * self.eos

    def solve(self, batch: Batch) -> Tensor:
        documents = [self.source_vocabulary.decode(row) for row in batch.source.tolist()]
        return torch.tensor([self._target(_summarised(document)) for document in documents])

    def chance_accuracy(self, lengths: LengthRange) -> float:
        """Return the accuracy of guessing: any word is as good as another; only the end mark is commoner."""
        words = 3 * self.cued
        if not self.eos:
            return 1 / len(self.answers)
        best_constant = max(self.cued / self.vocabulary_size, 1.0) / (words + 1)
        return max(1 / len(self.answers), best_constant)

    def information_bits(self, lengths: LengthRange) -> float:
        return self.cued * len(KINDS) * math.log2(self.vocabulary_size)


@dataclass
class _Document:
    """The words of a document and of its summary, and the links from the second to the first."""

    words: list[str]
    summary: list[str]
    sure: list[Link]
    possible: list[Link]

    def append_cued(self, cue: Sequence[str], content: Sequence[str]) -> None:
        start = len(self.words) + len(cue)
        self.words += [*cue, *_sentence(content)]
        for place, word in zip(PLACES, content, strict=True):
            self.sure.append((len(self.summary), start + place))
            self.possible += [(len(self.summary), each) for each in range(start - len(cue), len(self.words))]
            self.summary.append(word)


def _sentence(content: Sequence[str]) -> list[str]:
    person, deed, thing = content
    return ["the", person, deed, "the", thing, "."]


def _summarised(document: str) -> list[str]:
    """Return the words of the cued sentences, read from the text alone."""
    sentences = [sentence.split() for sentence in document.split(".")]
    cued = [words for words in sentences if tuple(words[:2]) in CUES]
    return [word for words in cued for word in words[2:] if word != "the"]

"""Stories of people, then questions about what was told of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Generator, Tensor
from torch.nn.utils.rnn import pad_sequence

from attnbench.batch import NOT_GIVEN, Batch
from attnbench.tasks.base import LengthRange, Split, SyntheticTask, refuse_length
from attnbench.tasks.story_words import (
    MOST_OBJECTS,
    OBJECT,
    PEOPLE,
    PERSON,
    RELATIONS,
    plain_tellings,
    varied_tellings,
)
from attnbench.vocabulary import PAD, SPECIAL_TOKENS, WordVocabulary

FIRST_PERSON = len(SPECIAL_TOKENS)
PERSON_SLOT, OBJECT_SLOT = -1, -2
"""Stand for person and object where the words of a statement or a question are numbers already."""


@dataclass(frozen=True)
class Story:
    """Who is said to do what, and in which words; one sentence tells one fact of one person.

    Attributes:
        people: token numbers, (batch, length), all different within a story.
        relations: counted from 0, (batch, length).
        objects: token numbers, (batch, length).
        sentences: token numbers, padded, (batch, length, words).
    """

    people: Tensor
    relations: Tensor
    objects: Tensor
    sentences: Tensor


@dataclass(frozen=True, kw_only=True)
class StoryQA(SyntheticTask):
    """Answer questions about a story. The length counts its sentences; each tells one fact of another person.

    With `question: after` the questions come when the story has been read; their words are given, the answers
    scored. All people are asked about, in random order, or with `questions: one` any one of them:

        source   Alice lives in Paris . Bob works at the bank these days .
        target   Where does Bob work ? bank Where does Alice live ? Paris      (bank and Paris are scored)

    With `question: before`, the control, one question stands ahead of the story whatever `questions` says, so
    that one word is all that needs to be remembered:

        source   What does Bob like ? Alice lives in Paris they say . Bob likes tea .
        target   tea

    With `wording: varied` facts are told in several ways and people described in between, which attention too
    takes much longer to learn:

        source   Alice who is tall lives in Paris . the bank pays Bob every month .
        target   Where does Bob work ? bank Where does Alice live ? Paris

    The word of the answer is the sure place to look, and any word of its sentence a possible one.

    Attributes:
        vocabulary_size: objects of each relation (cities, instruments …); no two relations share one.
        people: how many names there are; the longest story has as many sentences.
        relations: how many kinds of fact there are.
        wording: "plain" or "varied".
        question: "after" or "before".
        questions: "all" or "one".
    """

    length_unit = "sentences"

    vocabulary_size: Annotated[int, Ge(1), Le(MOST_OBJECTS)]
    people: Annotated[int, Ge(1), Le(len(PEOPLE))]
    relations: Annotated[int, Ge(1), Le(len(RELATIONS))]
    wording: Literal["plain", "varied"]
    question: Literal["after", "before"]
    questions: Literal["all", "one"]

    @cached_property
    def source_vocabulary(self) -> WordVocabulary:
        objects = [
            word
            for relation in RELATIONS[: self.relations]
            for word in relation.objects[: self.vocabulary_size]
        ]
        texts = [*self._question_texts, *chain.from_iterable(self._statement_texts)]
        words = dict.fromkeys(word for text in texts for word in text.split())
        others = [word for word in words if word not in (PERSON, OBJECT)]
        return WordVocabulary([*PEOPLE[: self.people], *objects, *others])

    @property
    def target_vocabulary(self) -> WordVocabulary:
        return self.source_vocabulary

    @property
    def answers(self) -> Sequence[int]:
        return range(self._first_object, self._first_object + self.relations * self.vocabulary_size)

    @property
    def _question_texts(self) -> list[str]:
        return [relation.question for relation in RELATIONS[: self.relations]]

    @property
    def _statement_texts(self) -> list[list[str]]:
        """Every way to tell each relation."""
        tellings = plain_tellings if self.wording == "plain" else varied_tellings
        return [tellings(relation) for relation in RELATIONS[: self.relations]]

    @property
    def _first_object(self) -> int:
        return FIRST_PERSON + self.people

    def check_length(self, length: int) -> None:
        if length > self.people:
            reason = f"every sentence tells of another person and there are {self.people}."
            more = f", or task.people={length}" if length <= len(PEOPLE) else ""
            raise refuse_length(self, length, reason, f"Use lengths up to {self.people}{more}.")

    @cached_property
    def _statements(self) -> Tensor:
        """Every way to tell each relation, with its slots, (relations, ways, words)."""
        texts = list(chain.from_iterable(self._statement_texts))
        return self._with_slots(texts).unflatten(0, (self.relations, -1))

    @cached_property
    def _questions(self) -> Tensor:
        """The question of each relation with its slot, (relations, words)."""
        return self._with_slots(self._question_texts)

    def _with_slots(self, texts: Sequence[str]) -> Tensor:
        slots = {PERSON: PERSON_SLOT, OBJECT: OBJECT_SLOT}
        encode = self.source_vocabulary.encode
        rows = [
            [slots[word] if word in slots else encode(word)[0] for word in text.split()] for text in texts
        ]
        return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD)

    def sample(self, split: Split, length: int, count: int, generator: Generator) -> Batch:
        story = self._draw_story(length, count, generator)
        asked = torch.rand(count, length, generator=generator).argsort(dim=1)
        if self.question == "before":
            return self._question_before(story, asked[:, :1])
        return self._questions_after(story, asked if self.questions == "all" else asked[:, :1])

    def _draw_story(self, length: int, count: int, generator: Generator) -> Story:
        def draw(choices: int) -> Tensor:
            return torch.randint(choices, (count, length), generator=generator)

        order = torch.rand(count, self.people, generator=generator).argsort(dim=1)
        people, relations = FIRST_PERSON + order[:, :length], draw(self.relations)
        objects = self._first_object + relations * self.vocabulary_size + draw(self.vocabulary_size)
        statements = self._statements[relations, draw(self._statements.shape[1])]
        return Story(people, relations, objects, _filled(statements, people, objects))

    def _asked(self, story: Story, asked: Tensor) -> Tensor:
        """Return the questions about these sentences, (batch, questions, words)."""
        people = story.people.gather(1, asked)
        return _filled(self._questions[story.relations.gather(1, asked)], people, people)

    def _question_before(self, story: Story, asked: Tensor) -> Batch:
        question = _widened(self._asked(story, asked), story.sentences.shape[2])
        target = story.objects.gather(1, asked)
        rows = torch.cat([question, story.sentences], dim=1)
        return self._batch(rows, target, torch.ones_like(target, dtype=torch.bool), asked + 1)

    def _questions_after(self, story: Story, asked: Tensor) -> Batch:
        answers = story.objects.gather(1, asked).unsqueeze(2)
        target = torch.cat([self._asked(story, asked), answers], dim=2)
        scored = torch.zeros_like(target, dtype=torch.bool)
        scored[:, :, -1] = True
        rows = asked.repeat_interleave(target.shape[2], dim=1)
        return self._batch(story.sentences, target.flatten(1), scored.flatten(1), rows)

    def _batch(self, rows: Tensor, target: Tensor, scored: Tensor, row_of_target: Tensor) -> Batch:
        """Return the batch of sentences (batch, rows, words) and of a target that asks for some of them."""
        sentences = rows.flatten(1)
        source_lengths = (sentences != PAD).sum(dim=1)
        order = (sentences == PAD).int().argsort(dim=1, stable=True)[:, : int(source_lengths.max())]
        source = sentences.gather(1, order)
        row_of_source = (order // rows.shape[2]).masked_fill(source == PAD, -1)
        possible = scored.unsqueeze(2) & (row_of_target.unsqueeze(2) == row_of_source.unsqueeze(1))
        return Batch(
            source=source,
            source_lengths=source_lengths,
            target=target,
            scored=scored,
            alignment_sure=possible & (target.unsqueeze(2) == source.unsqueeze(1)),
            alignment_possible=possible,
        )

    def solve(self, batch: Batch) -> Tensor:
        rows = zip(batch.source.tolist(), batch.given.tolist(), strict=True)
        return torch.tensor([self._answered(source, given) for source, given in rows])

    def _answered(self, source: list[int], given: list[int]) -> list[int]:
        """Return the target of one example: what is given of it, and behind each question mark its answer."""
        question_mark = self.source_vocabulary.encode("?")[0]
        object_of = self._facts(source)
        if self.question == "before":
            return [object_of[next(word for word in source if self._is_person(word))]]
        target: list[int] = []
        person = PAD
        for word in given:
            person = word if self._is_person(word) else person
            is_answer = target[-1:] == [question_mark]
            target.append(object_of[person] if is_answer else PAD if word == NOT_GIVEN else word)
        return target

    def _facts(self, source: list[int]) -> dict[int, int]:
        """Return the object of each person that the story names."""
        full_stop = self.source_vocabulary.encode(".")[0]
        facts, person, told = {}, PAD, PAD
        for word in source:
            person = word if self._is_person(word) else person
            told = word if word in self.answers else told
            if word == full_stop:
                facts[person] = told
        return facts

    def _is_person(self, word: int) -> bool:
        return FIRST_PERSON <= word < self._first_object

    def chance_accuracy(self, lengths: LengthRange) -> float:
        """Return the accuracy of one who has read no story but heeds the question, where the decoder is given it.

        Of the objects of the relation asked for each is as likely. With `question: before` the question stands in the
        source: without that, any object of any relation is as good.
        """
        return 1 / (self.vocabulary_size if self.question == "after" else len(self.answers))

    def information_bits(self, lengths: LengthRange) -> float:
        """Return what is left to know of the answers when the decoder has been given the questions.

        With `question: before` it is given none, so that the relation is left to know too.
        """
        if self.question == "before":
            return math.log2(len(self.answers))
        asked = lengths.maximum if self.questions == "all" else 1
        return asked * math.log2(self.vocabulary_size)


def _filled(words: Tensor, people: Tensor, objects: Tensor) -> Tensor:
    """Put people and objects (batch, rows) into the slots of (batch, rows, words)."""
    named = words.where(words != PERSON_SLOT, people.unsqueeze(2))
    return named.where(words != OBJECT_SLOT, objects.unsqueeze(2))


def _widened(rows: Tensor, words: int) -> Tensor:
    return torch.nn.functional.pad(rows, (0, words - rows.shape[2]), value=PAD)

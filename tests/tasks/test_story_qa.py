import math
from collections import Counter
from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor

from attnbench.batch import Batch
from attnbench.config.run_request import request_run
from attnbench.errors import UserError
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange
from attnbench.tasks.story_qa import StoryQA
from attnbench.tasks.story_words import (
    ADJUNCTS,
    APPOSITIONS,
    MOST_OBJECTS,
    OBJECT,
    PEOPLE,
    PERSON,
    RELATIONS,
    plain_tellings,
    varied_tellings,
)
from attnbench.vocabulary import PAD
from tests.configuration import CONFIGURATION

ASIDES = (*APPOSITIONS, *ADJUNCTS)


def story_qa(**changed: Any) -> StoryQA:
    values = {
        "vocabulary_size": 16,
        "people": 64,
        "relations": 4,
        "wording": "varied",
        "question": "after",
        "questions": "all",
    }
    return StoryQA(name="story_qa", **{**values, **changed})


VOCABULARY = story_qa().source_vocabulary


def numbers(text: str) -> Tensor:
    return torch.tensor([VOCABULARY.encode(text)])


def words(tokens: Tensor) -> list[str]:
    return [VOCABULARY.decode(row) for row in tokens.tolist()]


def sentences(source: str) -> list[list[str]]:
    return [sentence.split() for sentence in source.split(" .") if sentence]


STORY = (
    "the home of Bob is in Rome . Alice who has a dog likes tea . the violin is what Carol my cousin plays ."
)


class TestWords:
    def test_there_are_enough_of_them(self) -> None:
        assert len(set(PEOPLE)) == 64
        assert len(set(ASIDES)) == 24
        assert [len(set(relation.objects)) for relation in RELATIONS] == [32] * 6
        assert MOST_OBJECTS == 32

    def test_an_object_stands_in_one_relation_and_nowhere_else(self) -> None:
        texts = [*ASIDES, *chain.from_iterable((each.question, *each.statements) for each in RELATIONS)]
        seen = Counter([*PEOPLE, *{word for text in texts for word in text.split()}])
        seen.update(chain.from_iterable(each.objects for each in RELATIONS))
        assert set(seen.values()) == {1}

    def test_a_statement_names_person_and_object_once_and_ends_with_its_only_full_stop(self) -> None:
        for statement in chain.from_iterable(each.statements for each in RELATIONS):
            counts = Counter(statement.split())
            assert (counts[PERSON], counts[OBJECT], counts["."]) == (1, 1, 1)
            assert statement.endswith(" .")
        for question in (each.question for each in RELATIONS):
            counts = Counter(question.split())
            assert (counts[PERSON], counts[OBJECT], counts["?"]) == (1, 0, 1)
            assert question.endswith(" ?")

    def test_plain_stories_leave_name_and_object_together(self) -> None:
        told = plain_tellings(RELATIONS[2])
        assert told[0] == "{person} likes {object} as everybody knows ."
        assert told.count("{person} likes {object} .") == 18
        assert len(set(told)) == 19

    def test_varied_stories_describe_people_and_turn_sentences(self) -> None:
        told = varied_tellings(RELATIONS[2])
        assert "{person} who is tall likes {object} ." in told
        assert "it is {object} that {person} likes most by chance ." in told
        assert told.count("{person} is fond of {object} .") == 24
        assert (len(told), len(set(told))) == (3 * 48, 3 * 25)

    def test_every_relation_has_as_many_wordings(self) -> None:
        assert {len(each.statements) for each in RELATIONS} == {3}

    def test_with_all_relations_no_word_is_there_twice(self) -> None:
        task = story_qa(relations=6, vocabulary_size=32)
        assert len(task.answers) == 6 * 32
        answers = [task.target_vocabulary.tokens[number] for number in task.answers]
        assert answers == list(chain.from_iterable(each.objects for each in RELATIONS))

    def test_smaller_sizes_take_the_first_words(self) -> None:
        task = story_qa(people=2, relations=2, vocabulary_size=3)
        tokens = task.source_vocabulary.tokens[4:12]
        assert tokens == ("Alice", "Bob", "Paris", "London", "Berlin", "bakery", "bank", "hospital")
        assert "fond" not in story_qa(wording="plain").source_vocabulary.tokens
        assert "plays" not in task.source_vocabulary.tokens


class TestByHand:
    def test_questions_after_the_story(self) -> None:
        target = numbers("What does Carol play ? tea Where does Bob live ? tea What does Alice like ? Rome")
        scored = torch.arange(18).unsqueeze(0) % 6 == 5
        solved = story_qa().solve(Batch(numbers(STORY), torch.tensor([25]), target, scored))
        assert words(solved) == [
            "What does Carol play ? violin Where does Bob live ? Rome What does Alice like ? tea"
        ]

    def test_a_question_before_the_story(self) -> None:
        source = numbers("What does Alice like ? " + STORY)
        batch = Batch(source, torch.tensor([30]), numbers("Rome"), torch.ones(1, 1).bool())
        assert words(story_qa(question="before").solve(batch)) == ["tea"]

    def test_a_shorter_example_of_a_batch_is_padded(self) -> None:
        source, target = numbers(STORY).repeat(2, 1), numbers("What does Carol play ? tea")
        target = torch.cat([target, target], dim=1).repeat(2, 1)
        target[1, 6:] = PAD
        scored = (torch.arange(12) % 6 == 5) & (target != PAD)
        solved = story_qa().solve(Batch(source, torch.tensor([25, 25]), target, scored))
        assert words(solved) == [" ".join(["What does Carol play ? violin"] * asked) for asked in (2, 1)]


class TestStories:
    batch = story_qa().sample("test", 4, 2000, generator_for(0))
    told = tuple(sentences(source) for source in words(batch.source))

    def test_every_sentence_tells_of_another_person(self) -> None:
        for story in self.told:
            people = [word for sentence in story for word in sentence if word in PEOPLE]
            assert len(story) == len(people) == len(set(people)) == 4
            assert all(any(word in PEOPLE for word in sentence) for sentence in story)

    def test_people_objects_and_relations_come_equally_often(self) -> None:
        seen = Counter(word for story in self.told for sentence in story for word in sentence)
        objects = [each.objects[:16] for each in RELATIONS[:4]]
        for kinds in (PEOPLE, list(chain.from_iterable(objects))):
            counts = torch.tensor([seen[kind] for kind in kinds])
            assert counts.sum() == 8000
            assert (counts - 8000 / len(kinds)).abs().max() < 4 * (8000 / len(kinds)) ** 0.5
        for relation in objects:
            assert abs(sum(seen[word] for word in relation) - 2000) < 4 * (8000 * 0.25 * 0.75) ** 0.5

    def test_half_of_the_people_are_told_something_beside_the_point_of(self) -> None:
        with_aside = sum(
            any(f" {aside} " in f" {' '.join(sentence)} " for aside in ASIDES)
            for story in self.told
            for sentence in story
        )
        assert abs(with_aside - 4000) < 4 * (8000 / 4) ** 0.5

    def test_stories_do_not_repeat(self) -> None:
        assert len(set(words(self.batch.source))) == 2000

    def test_everybody_is_asked_about_once_in_any_order(self) -> None:
        first_asked = Counter[int]()
        for story, target in zip(self.told, words(self.batch.target), strict=True):
            people = [word for sentence in story for word in sentence if word in PEOPLE]
            asked = [word for word in target.split() if word in PEOPLE]
            assert sorted(asked) == sorted(people)
            first_asked[people.index(asked[0])] += 1
        assert len(first_asked) == 4
        assert all(abs(count - 500) < 4 * (2000 * 0.25 * 0.75) ** 0.5 for count in first_asked.values())

    def test_the_question_asks_for_the_relation_that_was_told(self) -> None:
        questions = {word: each.question for each in RELATIONS for word in each.objects}
        for target in words(self.batch.target):
            said = target.split()
            for start in range(0, 24, 6):
                person, answer = said[start + 2], said[start + 5]
                assert " ".join(said[start : start + 5]) == questions[answer].replace(PERSON, person)

    def test_answers_alone_are_scored(self) -> None:
        assert self.batch.scored.tolist() == [[False, False, False, False, False, True] * 4] * 2000


@pytest.mark.parametrize("changed", [{}, {"questions": "one"}, {"question": "before"}])
def test_the_answers_word_is_sure_and_its_whole_sentence_is_possible(changed: dict[str, str]) -> None:
    batch = story_qa(**changed).sample("test", 5, 50, generator_for(0))
    assert batch.alignment_sure is not None
    assert batch.alignment_possible is not None
    for example, position in batch.scored.nonzero().tolist():
        answer = batch.target[example, position]
        assert torch.equal(
            batch.source[example][batch.alignment_sure[example, position]], answer.unsqueeze(0)
        )
        possible = words(batch.source[example][batch.alignment_possible[example, position]].unsqueeze(0))[0]
        story = words(batch.source[example : example + 1])[0].rpartition("? ")[2]
        assert possible in {f"{' '.join(sentence)} ." for sentence in sentences(story)}
        assert words(answer.view(1, 1))[0] in possible.split()


def test_one_question_after_the_story_asks_about_any_of_its_people() -> None:
    batch = story_qa(questions="one").sample("test", 4, 2000, generator_for(0))
    assert batch.target.shape == (2000, 6)
    asked = [
        [word for word in source.split() if word in PEOPLE].index(target.split()[2])
        for source, target in zip(words(batch.source), words(batch.target), strict=True)
    ]
    assert all(abs(count - 500) < 4 * (2000 * 0.25 * 0.75) ** 0.5 for count in Counter(asked).values())


@pytest.mark.parametrize("questions", ["all", "one"])
def test_a_question_before_the_story_leaves_one_answer_whatever_questions_says(questions: str) -> None:
    batch = story_qa(question="before", questions=questions).sample("test", 4, 20, generator_for(0))
    assert batch.target.shape == (20, 1)
    assert batch.scored.all()
    assert all(source.split()[4] == "?" for source in words(batch.source))


@pytest.mark.parametrize(
    ("changed", "bits"),
    [({}, 32.0), ({"questions": "one"}, 4.0), ({"question": "before"}, 6.0), ({"vocabulary_size": 8}, 24.0)],
)
def test_the_bits_are_those_of_the_objects_that_are_asked_for(changed: dict[str, Any], bits: float) -> None:
    """A question that is not given to the decoder leaves the relation to know too: 64 objects in all."""
    assert story_qa(**changed).information_bits(LengthRange(8, 8)) == pytest.approx(bits)


def test_chance_is_one_object_of_the_relation_that_is_asked_for() -> None:
    assert story_qa().chance_accuracy(LengthRange(8, 8)) == 1 / 16
    assert math.isclose(story_qa(relations=6, vocabulary_size=32).chance_accuracy(LengthRange(1, 1)), 1 / 32)


def test_before_the_story_no_question_is_given_and_chance_is_one_object_of_all_relations() -> None:
    assert story_qa(question="before").chance_accuracy(LengthRange(8, 8)) == 1 / 64


@pytest.mark.parametrize("questions", ["all", "one"])
def test_a_blind_answerer_who_heeds_the_question_reaches_chance_and_no_more(questions: str) -> None:
    task = story_qa(questions=questions)
    batch = task.sample("test", 8, 4000, torch.Generator().manual_seed(0))
    asked = {relation: task.answers[16 * relation] for relation in range(4)}
    right = total = 0
    for target, scored in zip(batch.target.tolist(), batch.scored.tolist(), strict=True):
        for answer, is_scored in zip(target, scored, strict=True):
            if is_scored:
                # The question tells the relation, here read off the answer; its first object is as good as any.
                relation = (answer - task.answers[0]) // 16
                right += answer == asked[relation]
                total += 1
    share, error = right / total, (1 / 16 * 15 / 16 / total) ** 0.5
    assert abs(share - task.chance_accuracy(LengthRange(8, 8))) < 4 * error


class TestLimits:
    def test_as_many_sentences_as_people_are_possible(self) -> None:
        story_qa(people=7).check_length(7)
        assert story_qa(people=7).sample("test", 7, 3, generator_for(0)).scored.sum() == 21

    def test_more_are_refused_with_a_way_out(self) -> None:
        with pytest.raises(
            UserError, match=r"length 8 \(sentences\).* there are 7.*up to 7, or task\.people=8\."
        ):
            story_qa(people=7).check_length(8)
        with pytest.raises(UserError, match=r"length 65 \(sentences\).* there are 64.*up to 64\.$"):
            story_qa().check_length(65)

    @pytest.mark.parametrize(
        ("override", "most"),
        [("vocabulary_size=33", 32), ("people=65", 64), ("relations=7", 6)],
    )
    def test_more_words_than_there_are_are_refused(self, override: str, most: int) -> None:
        with pytest.raises(UserError, match=rf"{override.partition('=')[0]}.*less than or equal to {most}"):
            request_run(CONFIGURATION, ["task=story_qa", f"task.{override}"])

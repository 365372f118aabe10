from typing import Literal

import pytest
import torch

from attnbench.batch import Batch
from attnbench.errors import UserError
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange
from attnbench.tasks.recall import Recall

FIRST_KEY = 4 + 3


def recall(question: Literal["after", "before"] = "after", keys: int = 6) -> Recall:
    return Recall(name="recall", vocabulary_size=3, keys=keys, question=question)


def numbers(text: str) -> torch.Tensor:
    return torch.tensor([recall().source_vocabulary.encode(text)])


class TestByHand:
    def test_a_question_after_the_source(self) -> None:
        target = numbers("k5 a k0 a k3 a")
        batch = Batch(numbers("k0 b k3 c k5 a"), torch.tensor([6]), target, target < FIRST_KEY)
        assert recall().solve(batch).tolist() == numbers("k5 a k0 b k3 c").tolist()

    def test_a_question_before_the_source(self) -> None:
        target = numbers("a")
        batch = Batch(numbers("k3 k0 b k3 c k5 a"), torch.tensor([7]), target, torch.ones(1, 1).bool())
        assert recall("before").solve(batch).tolist() == numbers("c").tolist()


class TestQuestionAfter:
    batch = recall().sample("test", 4, 3000, generator_for(0))
    keys, values = batch.source[:, 0::2], batch.source[:, 1::2]

    def test_source_and_target_are_pairs_of_key_and_value(self) -> None:
        for pairs in (self.batch.source, self.batch.target):
            assert pairs.shape == (3000, 8)
            assert (pairs[:, 0::2] >= FIRST_KEY).all()
            assert (pairs[:, 1::2] < FIRST_KEY).all()

    def test_the_keys_of_an_example_are_distinct(self) -> None:
        ordered = self.keys.sort(dim=1).values
        assert (ordered[:, 1:] > ordered[:, :-1]).all()

    def test_every_key_is_asked_once(self) -> None:
        assert torch.equal(self.batch.target[:, 0::2].sort(dim=1).values, self.keys.sort(dim=1).values)

    def test_keys_are_given_and_values_scored(self) -> None:
        assert self.batch.scored[0].tolist() == [False, True] * 4
        assert self.batch.scored.unique(dim=0).shape[0] == 1

    def test_the_alignment_is_the_place_of_the_value(self) -> None:
        assert self.batch.alignment_sure is not None
        looked_at = self.batch.alignment_sure.int().argmax(dim=2)[:, 1::2]
        assert torch.equal(self.batch.source.gather(1, looked_at - 1), self.batch.target[:, 0::2])

    def test_questions_come_in_any_order_and_keys_and_values_equally_often(self) -> None:
        asked_first = (self.batch.target[:, :1] == self.keys).int().argmax(dim=1).bincount()
        first_key = self.keys[:, 0].bincount()[FIRST_KEY:]
        first_value = self.values[:, 0].bincount()[4:]
        for counts, kinds in ((asked_first, 4), (first_key, 6), (first_value, 3)):
            assert len(counts) == kinds
            assert (counts - 3000 / kinds).abs().max() < 4 * (3000 / kinds * (1 - 1 / kinds)) ** 0.5

    def test_all_keys_can_be_used(self) -> None:
        assert recall().sample("test", 6, 5, generator_for(0)).source.shape == (5, 12)


class TestQuestionBefore:
    batch = recall("before").sample("test", 4, 3000, generator_for(0))

    def test_one_key_is_named_ahead_and_its_value_is_all_that_is_asked(self) -> None:
        assert self.batch.source.shape == (3000, 9)
        assert self.batch.target.shape == (3000, 1)
        assert self.batch.scored.all()

    def test_the_alignment_is_behind_the_second_time_that_the_key_stands_there(self) -> None:
        assert self.batch.alignment_sure is not None
        looked_at = self.batch.alignment_sure.int().argmax(dim=2)
        assert looked_at.min() >= 2
        assert torch.equal(self.batch.source.gather(1, looked_at - 1), self.batch.source[:, :1])

    def test_any_pair_may_be_asked(self) -> None:
        assert self.batch.alignment_sure is not None
        counts = self.batch.alignment_sure.int().argmax(dim=2).flatten().bincount()
        assert counts.nonzero().flatten().tolist() == [2, 4, 6, 8]
        assert (counts[2::2] - 750).abs().max() < 4 * (3000 * 0.25 * 0.75) ** 0.5


@pytest.mark.parametrize(("question", "bits"), [("after", 24.0), ("before", 4.0)])
def test_six_values_of_sixteen_are_24_bits_and_one_is_four(
    question: Literal["after", "before"], bits: float
) -> None:
    task = Recall(name="recall", vocabulary_size=16, keys=64, question=question)
    assert task.information_bits(LengthRange(6, 6)) == bits
    assert task.chance_accuracy(LengthRange(6, 6)) == 1 / 16


def test_more_pairs_than_keys_are_refused_with_a_way_out() -> None:
    recall().check_length(6)
    with pytest.raises(UserError, match=r"length 7 \(pairs\).* there are 6.*task\.keys=7"):
        recall().check_length(7)

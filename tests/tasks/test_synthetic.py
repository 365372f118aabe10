"""What every synthetic task promises: those of conf/task/, with every combination of their options."""

import math
from collections import Counter
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from attnbench.batch import Batch
from attnbench.errors import UserError
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange, SyntheticTask
from attnbench.vocabulary import BOS, EOS, PAD
from tests.tasks.synthetic import every_synthetic_task, synthetic_names, tiny

LENGTHS = (1, 2, 7)


def sampled(task: SyntheticTask, length: int, count: int = 40) -> Batch:
    return task.sample("test", length, count, generator_for("test of a task"))


def same(left: Batch, right: Batch) -> bool:
    pairs = [(getattr(left, field.name), getattr(right, field.name)) for field in fields(Batch)]
    return all(
        torch.equal(mine, other) if isinstance(mine, Tensor) else mine == other for mine, other in pairs
    )


def test_there_are_tasks_to_test() -> None:
    assert {"copy", "reverse", "recall"} <= set(synthetic_names())


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("task", every_synthetic_task())
class TestExamples:
    def test_nothing_is_padded(self, task: SyntheticTask, length: int) -> None:
        batch = sampled(task, length)
        assert len(batch) == 40
        assert (batch.source_lengths == batch.source.shape[1]).all()
        assert not torch.isin(batch.source, torch.tensor([PAD, BOS, EOS])).any()
        assert not torch.isin(batch.target, torch.tensor([PAD, BOS])).any()

    def test_every_number_is_a_token(self, task: SyntheticTask, length: int) -> None:
        batch = sampled(task, length)
        assert batch.source.max() < len(task.source_vocabulary.tokens)
        assert batch.target.max() < len(task.target_vocabulary.tokens)

    def test_every_scored_token_is_among_the_answers(self, task: SyntheticTask, length: int) -> None:
        batch = sampled(task, length)
        assert batch.scored.any(dim=1).all()
        assert torch.isin(batch.target[batch.scored], torch.tensor(list(task.answers))).all()

    def test_an_end_mark_closes_the_target_where_there_is_one(self, task: SyntheticTask, length: int) -> None:
        batch = sampled(task, length)
        is_end = batch.target == EOS
        assert is_end.sum() == (len(batch) if task.ends_with_mark else 0)
        assert is_end[:, -1].all() == task.ends_with_mark
        assert batch.scored[is_end].all()

    def test_the_solution_is_the_target(self, task: SyntheticTask, length: int) -> None:
        batch = sampled(task, length)
        assert torch.equal(task.solve(batch), batch.target)

    def test_the_solution_is_not_read_from_the_answers(self, task: SyntheticTask, length: int) -> None:
        batch = sampled(task, length)
        hidden = replace(batch, target=batch.target.masked_fill(batch.scored, BOS))
        assert torch.equal(task.solve(hidden), batch.target)

    def test_alignments_point_at_the_answer(self, task: SyntheticTask, length: int) -> None:
        batch = sampled(task, length)
        if batch.alignment_sure is None:
            pytest.skip("the task knows no alignments")
        assert batch.alignment_sure.shape == (*batch.target.shape, batch.source.shape[1])
        rows, answers, sources = batch.alignment_sure.nonzero(as_tuple=True)
        assert torch.equal(batch.target[rows, answers], batch.source[rows, sources])

    def test_every_answer_but_the_end_mark_is_aligned_and_nothing_else(
        self, task: SyntheticTask, length: int
    ) -> None:
        batch = sampled(task, length)
        if batch.alignment_sure is None or batch.alignment_possible is None:
            pytest.skip("the task knows no alignments")
        assert torch.equal(batch.alignment_sure.any(dim=2), batch.scored & (batch.target != EOS))
        assert not (batch.alignment_sure & ~batch.alignment_possible).any()

    def test_accuracies_and_bits_lie_in_their_ranges(self, task: SyntheticTask, length: int) -> None:
        lengths = LengthRange(length, length)
        bits = task.information_bits(lengths)
        assert 0 < task.chance_accuracy(lengths) < 1
        assert bits is None or 0 <= bits <= sampled(task, length).scored[0].sum() * math.log2(
            len(task.answers)
        )


@pytest.mark.parametrize("task", every_synthetic_task())
class TestBatches:
    def test_a_training_batch_is_a_function_of_seed_and_step(self, task: SyntheticTask) -> None:
        lengths = LengthRange(2, 9)
        forward = [task.training_batch(0, step, 4, lengths) for step in range(5)]
        torch.rand(1)
        for step in (3, 0, 4):
            assert same(replace(task).training_batch(0, step, 4, lengths), forward[step])

    def test_seeds_and_steps_and_splits_differ(self, task: SyntheticTask) -> None:
        lengths = LengthRange(7, 7)
        streams = [
            task.training_batch(0, 0, 4, lengths),
            task.training_batch(0, 1, 4, lengths),
            task.training_batch(1, 0, 4, lengths),
            *(
                next(task.evaluation_batches(split, seed, lengths, 4, 4))
                for split in ("validation", "test")
                for seed in (0, 1)
            ),
        ]
        assert len({str(batch.source.tolist()) for batch in streams}) == len(streams)

    def test_held_out_examples_are_a_function_of_seed_and_split(self, task: SyntheticTask) -> None:
        lengths = LengthRange(7, 7)
        once, again = (list(task.evaluation_batches("test", 3, lengths, 5, 2)) for _ in range(2))
        assert [len(batch) for batch in once] == [2, 2, 1]
        assert all(same(left, right) for left, right in zip(once, again, strict=True))
        assert not torch.equal(once[0].source, once[1].source)

    def test_a_batch_holds_one_length_and_every_length_comes(self, task: SyntheticTask) -> None:
        lengths = LengthRange(2, 5)
        seen = Counter(task.training_batch(0, step, 1, lengths).source.shape[1] for step in range(200))
        expected = {sampled(task, length, 1).source.shape[1] for length in range(2, 6)}
        assert set(seen) == expected
        assert min(seen.values()) > 25  # 50 expected, four standard deviations are 24.5

    def test_the_global_random_state_is_neither_read_nor_moved(self, task: SyntheticTask) -> None:
        before = torch.get_rng_state()
        task.training_batch(0, 0, 4, LengthRange(2, 5))
        list(task.evaluation_batches("test", 0, LengthRange(3, 3), 4, 2))
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("task", every_synthetic_task())
def test_the_bits_are_the_entropy_of_the_answers_given_the_rest(task: SyntheticTask) -> None:
    task, length, count = tiny(task), 3, 20_000
    batch = sampled(task, length, count)

    def entropy(tokens: Tensor) -> float:
        shares = torch.unique(tokens, dim=0, return_counts=True)[1] / count
        return float(-(shares * shares.log2()).sum())

    # The plug-in estimate is low by (cells − 1) / (2 · count · ln 2), here under .002 bits.
    assert entropy(batch.target) - entropy(batch.given) == pytest.approx(
        task.information_bits(LengthRange(length, length)), abs=0.01
    )


@pytest.mark.parametrize("task", every_synthetic_task())
class TestLengths:
    def test_one_length_is_trained_on_unless_a_range_is_asked_for(self, task: SyntheticTask) -> None:
        assert task.training_range(None, 8) == LengthRange(8, 8)
        assert task.training_range([4, 32], 8) == LengthRange(4, 32)

    @pytest.mark.parametrize("requested", [[], [4], [4, 8, 9], [8, 4], [0, 4], [-2, -1]])
    def test_what_is_no_range_is_refused(self, task: SyntheticTask, requested: list[int]) -> None:
        with pytest.raises(UserError, match="train_range"):
            task.training_range(requested, 8)

    @pytest.mark.parametrize("length", [0, -1, None, 2.5, "8", True])
    def test_what_is_no_length_is_refused(self, task: SyntheticTask, length: object) -> None:
        with pytest.raises(UserError, match=r"task\.length"):
            task.training_range(None, length)

    def test_a_range_is_validated_at_its_ends_and_its_geometric_middle(self, task: SyntheticTask) -> None:
        validated = task.validation_ranges(LengthRange(4, 16))
        assert validated == [LengthRange(length, length) for length in (4, 8, 16)]
        assert task.validation_ranges(LengthRange(5, 5)) == [LengthRange(5, 5)]
        assert task.default_test_lengths(LengthRange(4, 16)) == [4, 8, 16]

    def test_an_evaluated_length_stands_for_itself(self, task: SyntheticTask) -> None:
        assert task.evaluation_range(8, [4, 8, 16]) == LengthRange(8, 8)

    def test_a_range_is_not_evaluated_as_one(self, task: SyntheticTask) -> None:
        with pytest.raises(ValueError, match="single lengths"):
            next(task.evaluation_batches("test", 0, LengthRange(2, 3), 4, 2))


@pytest.mark.parametrize(("minimum", "maximum"), [(0, 4), (5, 4), (-1, -1)])
def test_no_length_range_is_empty_or_starts_below_one(minimum: int, maximum: int) -> None:
    with pytest.raises(ValueError, match="minimum <= maximum"):
        LengthRange(minimum, maximum)

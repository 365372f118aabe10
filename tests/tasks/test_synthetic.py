"""What every synthetic task promises: those of conf/task/, with every combination of their options."""

import math
from collections import Counter
from dataclasses import fields, replace

import pytest
import torch
from torch import Generator, Tensor

from attnbench.batch import Batch
from attnbench.errors import UserError
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange, Split, SyntheticTask
from attnbench.vocabulary import BOS, EOS, PAD, UNKNOWN
from tests.tasks.synthetic import (
    LONGEST,
    can_make,
    every_synthetic_task,
    every_synthetic_task_at,
    nearest_length,
    nearest_range,
    synthetic_names,
    tiny,
)

LENGTHS = (1, 2, 7)
SYMBOLS = {"copy", "reverse", "recall", "sort", "repeat", "periodic"}


def sampled(task: SyntheticTask, length: int, count: int = 40) -> Batch:
    return task.sample("test", length, count, generator_for("test of a task"))


def same(left: Batch, right: Batch) -> bool:
    pairs = [(getattr(left, field.name), getattr(right, field.name)) for field in fields(Batch)]
    return all(
        torch.equal(mine, other) if isinstance(mine, Tensor) else mine == other for mine, other in pairs
    )


def test_there_are_tasks_to_test() -> None:
    assert set(synthetic_names()) >= SYMBOLS


@pytest.mark.parametrize(("task", "length"), every_synthetic_task_at(LENGTHS))
class TestExamples:
    def test_padding_stands_behind_the_words_and_no_further_than_needed(
        self, task: SyntheticTask, length: int
    ) -> None:
        batch = sampled(task, length)
        assert len(batch) == 40
        for tokens, lengths in (
            (batch.source, batch.source_lengths),
            (batch.target, batch.target_mask.sum(dim=1)),
        ):
            assert torch.equal(tokens != PAD, torch.arange(tokens.shape[1]) < lengths.unsqueeze(1))
            assert (lengths.min() >= 1) & (lengths.max() == tokens.shape[1])

    def test_symbols_need_no_padding(self, task: SyntheticTask, length: int) -> None:
        if task.name not in SYMBOLS:
            pytest.skip("a task of words")
        batch = sampled(task, length)
        assert (batch.source != PAD).all()
        assert (batch.target != PAD).all()

    def test_special_tokens_are_no_words(self, task: SyntheticTask, length: int) -> None:
        batch = sampled(task, length)
        assert not torch.isin(batch.source, torch.tensor([BOS, EOS, UNKNOWN])).any()
        assert not torch.isin(batch.target, torch.tensor([BOS, UNKNOWN])).any()

    def test_every_number_is_a_token(self, task: SyntheticTask, length: int) -> None:
        batch = sampled(task, length)
        assert batch.source.max() < len(task.source_vocabulary.tokens)
        assert batch.target.max() < len(task.target_vocabulary.tokens)

    def test_every_scored_token_is_among_the_answers(self, task: SyntheticTask, length: int) -> None:
        batch = sampled(task, length)
        assert batch.scored.any(dim=1).all()
        assert not (batch.scored & ~batch.target_mask).any()
        assert torch.isin(batch.target[batch.scored], torch.tensor(list(task.answers))).all()

    def test_an_end_mark_closes_the_target_where_there_is_one(self, task: SyntheticTask, length: int) -> None:
        batch = sampled(task, length)
        is_end = batch.target == EOS
        last = batch.target.gather(1, batch.target_mask.sum(dim=1, keepdim=True) - 1)
        assert is_end.sum() == (len(batch) if task.ends_with_mark else 0)
        assert (last == EOS).all() == task.ends_with_mark
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
        assert batch.alignment_sure is not None
        assert batch.alignment_sure.shape == (*batch.target.shape, batch.source.shape[1])
        if task.source_vocabulary.tokens != task.target_vocabulary.tokens:
            pytest.skip("answers are other words than those they stand for")
        rows, answers, sources = batch.alignment_sure.nonzero(as_tuple=True)
        assert torch.equal(batch.target[rows, answers], batch.source[rows, sources])

    def test_every_answer_but_the_end_mark_is_aligned_and_nothing_else(
        self, task: SyntheticTask, length: int
    ) -> None:
        batch = sampled(task, length)
        assert batch.alignment_sure is not None
        assert batch.alignment_possible is not None
        is_answer = batch.scored & (batch.target != EOS)
        assert torch.equal(batch.alignment_sure.any(dim=2), is_answer)
        assert torch.equal(batch.alignment_possible.any(dim=2), is_answer)
        assert not (batch.alignment_sure & ~batch.alignment_possible).any()
        assert not (batch.alignment_possible & (batch.source == PAD).unsqueeze(1)).any()

    def test_accuracies_and_bits_lie_in_their_ranges(self, task: SyntheticTask, length: int) -> None:
        lengths = LengthRange(length, length)
        bits = task.information_bits(lengths)
        assert 0 < task.chance_accuracy(lengths) < 1
        most_answers = sampled(task, length).scored.sum(dim=1).max()
        assert bits is None or 0 <= bits <= most_answers * math.log2(len(task.answers))


@pytest.mark.parametrize("task", every_synthetic_task())
class TestBatches:
    def test_a_training_batch_is_a_function_of_seed_and_step(self, task: SyntheticTask) -> None:
        lengths = nearest_range(task, 2, 9)
        forward = [task.training_batch(0, step, 4, lengths) for step in range(5)]
        torch.rand(1)
        for step in (3, 0, 4):
            assert same(replace(task).training_batch(0, step, 4, lengths), forward[step])

    def test_seeds_and_steps_and_splits_differ(self, task: SyntheticTask) -> None:
        lengths = nearest_range(task, 7, 7)
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
        lengths = nearest_range(task, 7, 7)
        once, again = (list(task.evaluation_batches("test", 3, lengths, 5, 2)) for _ in range(2))
        assert [len(batch) for batch in once] == [2, 2, 1]
        assert all(same(left, right) for left, right in zip(once, again, strict=True))
        assert not torch.equal(once[0].source, once[1].source)

    def test_a_batch_holds_one_length_and_every_length_comes(
        self, task: SyntheticTask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lengths, seen, sample = nearest_range(task, 2, 5), Counter[int](), type(task).sample

        def counted(
            self: SyntheticTask, split: Split, length: int, count: int, generator: Generator
        ) -> Batch:
            seen[length] += 1
            return sample(self, split, length, count, generator)

        monkeypatch.setattr(type(task), "sample", counted)
        assert all(len(task.training_batch(0, step, 3, lengths)) == 3 for step in range(200))
        assert seen.total() == 200
        assert set(seen) == set(range(lengths.minimum, lengths.maximum + 1))
        assert min(seen.values()) > 25  # 50 expected, four standard deviations are 24.5

    def test_a_greater_length_makes_a_longer_source(self, task: SyntheticTask) -> None:
        lengths = [nearest_length(task, wished) for wished in (2, 7, 20)]
        widths = [float(sampled(task, length).source_lengths.float().mean()) for length in lengths]
        assert widths == sorted(set(widths))

    def test_the_global_random_state_is_neither_read_nor_moved(self, task: SyntheticTask) -> None:
        before = torch.get_rng_state()
        task.training_batch(0, 0, 4, nearest_range(task, 2, 5))
        list(task.evaluation_batches("test", 0, nearest_range(task, 3, 3), 4, 2))
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("task", every_synthetic_task())
def test_the_bits_are_the_entropy_of_the_answers_given_the_rest(task: SyntheticTask) -> None:
    small, count = tiny(task), 20_000
    length = nearest_length(small, 3)
    if small.information_bits(LengthRange(length, length)) is None:
        pytest.skip("the task does not know its bits")
    if small == task:
        pytest.skip("the examples are too many to be counted")
    batch = sampled(small, length, count)

    def entropy(tokens: Tensor) -> float:
        counts = torch.unique(tokens, dim=0, return_counts=True)[1]
        shares = counts / count
        # The plug-in estimate is low by about (cells − 1) / (2 · count), in nats (Miller 1955).
        return float(-(shares * shares.log2()).sum()) + (len(counts) - 1) / (2 * count * math.log(2))

    # Without an end mark the decoder is told how many words to write, so that their number is no information.
    told = batch.given if small.ends_with_mark else torch.cat([batch.given, batch.target_mask], dim=1)
    assert entropy(batch.target) - entropy(told) == pytest.approx(
        small.information_bits(LengthRange(length, length)), abs=0.01
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

    def test_a_length_that_cannot_be_made_is_refused_by_name(self, task: SyntheticTask) -> None:
        for length in range(1, LONGEST + 1):
            if not can_make(task, length):
                with pytest.raises(
                    UserError, match=rf"{task.name} cannot make length {length} \({task.length_unit}"
                ):
                    task.check_length(length)

    def test_a_length_at_which_there_is_nothing_to_know_is_refused(self, task: SyntheticTask) -> None:
        # The longest is not counted bit by bit: that would take hours.
        task.check_information([nearest_length(task, 4), 10**9])
        single = {key: 1 for key in ("vocabulary_size", "relations") if hasattr(task, key)}
        shortest = nearest_length(task, 1)
        with pytest.raises(UserError, match=rf"{task.name} at length {shortest} .*nothing to know"):
            replace(task, **single).check_information([10**9, shortest])

    def test_a_range_is_not_evaluated_as_one(self, task: SyntheticTask) -> None:
        with pytest.raises(ValueError, match="single lengths"):
            next(task.evaluation_batches("test", 0, LengthRange(2, 3), 4, 2))


@pytest.mark.parametrize(("minimum", "maximum"), [(0, 4), (5, 4), (-1, -1)])
def test_no_length_range_is_empty_or_starts_below_one(minimum: int, maximum: int) -> None:
    with pytest.raises(ValueError, match="minimum <= maximum"):
        LengthRange(minimum, maximum)

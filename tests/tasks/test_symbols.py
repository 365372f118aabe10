"""Copy and reverse."""

import itertools
import math
from collections import Counter

import pytest
import torch

from attnbench.batch import Batch
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange
from attnbench.tasks.symbols import Copy, Periodic, RearrangementTask, Repeat, Reverse, Sort, symbol_names
from attnbench.vocabulary import EOS


def reverse(vocabulary_size: int = 16, eos: bool = False) -> Reverse:
    return Reverse(name="reverse", vocabulary_size=vocabulary_size, eos=eos)


def copy(vocabulary_size: int = 16, eos: bool = False) -> Copy:
    return Copy(name="copy", vocabulary_size=vocabulary_size, eos=eos)


def question(source: list[int]) -> Batch:
    tokens = torch.tensor([source])
    return Batch(
        tokens, torch.tensor([len(source)]), torch.zeros_like(tokens), torch.ones_like(tokens).bool()
    )


@pytest.mark.parametrize(
    ("task", "target"),
    [
        (copy(), [6, 4, 9]),
        (reverse(), [9, 4, 6]),
        (copy(eos=True), [6, 4, 9, EOS]),
        (reverse(eos=True), [9, 4, 6, EOS]),
    ],
)
def test_an_example_worked_by_hand(task: RearrangementTask, target: list[int]) -> None:
    assert task.solve(question([6, 4, 9])).tolist() == [target]


def test_each_symbol_of_a_reversed_source_is_aligned_with_its_mirror_image() -> None:
    batch = reverse(eos=True).sample("test", 3, 1, generator_for(0))
    assert batch.alignment_sure is not None
    assert batch.alignment_sure[0].int().tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_every_symbol_comes_equally_often_at_every_position() -> None:
    count = 8000
    source = copy(vocabulary_size=5).sample("train", 3, count, generator_for(0)).source
    for position in range(3):
        counts = source[:, position].bincount()
        assert counts[:4].sum() == 0
        assert len(counts) == 4 + 5
        assert (counts[4:] - count / 5).abs().max() < 4 * (count * 0.2 * 0.8) ** 0.5


@pytest.mark.parametrize(("length", "bits"), [(1, 4.0), (4, 16.0), (32, 128.0)])
def test_sixteen_symbols_are_four_bits_each_and_the_end_mark_none(length: int, bits: float) -> None:
    lengths = LengthRange(length, length)
    assert reverse().information_bits(lengths) == bits
    assert copy(eos=True).information_bits(lengths) == bits


@pytest.mark.parametrize(
    ("size", "eos", "length", "chance"),
    [
        (16, False, 4, 1 / 16),
        (16, True, 4, 1 / 5),  # always "end"
        (2, True, 8, 4 / 9),  # always the same symbol
        (16, True, 16, 1 / 17),  # all the same
        (1, False, 3, 1.0),
    ],
)
def test_chance_worked_by_hand(size: int, eos: bool, length: int, chance: float) -> None:
    assert copy(size, eos).chance_accuracy(LengthRange(length, length)) == chance


def test_symbols_are_letters_as_long_as_they_last() -> None:
    assert symbol_names(3) == ["a", "b", "c"]
    assert symbol_names(26)[-1] == "z"
    assert symbol_names(27)[::26] == ["s0", "s26"]


def repeat(eos: bool = False) -> Repeat:
    return Repeat(name="repeat", vocabulary_size=16, eos=eos)


def periodic(period: int = 2, eos: bool = False) -> Periodic:
    return Periodic(name="periodic", vocabulary_size=16, period=period, eos=eos)


@pytest.mark.parametrize("length", [1, 2, 5, 64])
def test_a_repeated_symbol_of_sixteen_is_four_bits_at_any_length(length: int) -> None:
    assert repeat().information_bits(LengthRange(length, length)) == 4.0


@pytest.mark.parametrize(
    ("period", "length", "bits"), [(2, 1, 4.0), (2, 2, 8.0), (2, 64, 8.0), (3, 64, 12.0), (9, 5, 20.0)]
)
def test_a_period_of_sixteen_symbols_is_four_bits_for_each_that_is_shown(
    period: int, length: int, bits: float
) -> None:
    assert periodic(period).information_bits(LengthRange(length, length)) == bits


def test_every_symbol_is_repeated_and_comes_equally_often() -> None:
    source = repeat().sample("test", 5, 8000, generator_for(0)).source
    assert (source == source[:, :1]).all()
    counts = source[:, 0].bincount()[4:]
    assert len(counts) == 16
    assert (counts - 500).abs().max() < 4 * (8000 / 16 * 15 / 16) ** 0.5


def test_a_periodic_source_repeats_after_its_period_and_its_symbols_are_independent() -> None:
    source = periodic(period=3).sample("test", 8, 8000, generator_for(0)).source
    assert torch.equal(source[:, 3:], source[:, :-3])
    for first, second in ((0, 1), (1, 2), (0, 2)):
        shared = int((source[:, first] == source[:, second]).sum())
        assert abs(shared - 500) < 4 * (8000 / 16 * 15 / 16) ** 0.5


def test_the_end_mark_closes_both() -> None:
    for task in (repeat(eos=True), periodic(eos=True)):
        batch = task.sample("test", 3, 2, generator_for(0))
        assert torch.equal(batch.target[:, :3], batch.source)
        assert (batch.target[:, 3] == EOS).all()


def test_a_repeated_symbol_may_be_read_anywhere_but_stands_at_its_own_position() -> None:
    batch = repeat(eos=True).sample("test", 2, 3, generator_for(0))
    assert batch.alignment_sure is not None
    assert batch.alignment_possible is not None
    for row in range(3):
        assert batch.alignment_sure[row].int().tolist() == [[1, 0], [0, 1], [0, 0]]
        assert batch.alignment_possible[row].int().tolist() == [[1, 1], [1, 1], [0, 0]]


def test_a_periodic_symbol_may_be_read_whole_periods_away() -> None:
    batch = periodic().sample("test", 4, 3, generator_for(0))
    assert batch.alignment_sure is not None
    assert batch.alignment_possible is not None
    congruent = [[1, 0, 1, 0], [0, 1, 0, 1]] * 2
    for row in range(3):
        assert torch.equal(batch.alignment_sure[row], torch.eye(4, dtype=torch.bool))
        assert batch.alignment_possible[row].int().tolist() == congruent


def sort(vocabulary_size: int = 16, eos: bool = False) -> Sort:
    return Sort(name="sort", vocabulary_size=vocabulary_size, eos=eos)


def question_of(text: str) -> Batch:
    tokens = torch.tensor([sort().source_vocabulary.encode(text)])
    return Batch(tokens, torch.tensor([tokens.shape[1]]), torch.zeros_like(tokens), tokens > 0)


def bits(length: int, vocabulary_size: int = 16) -> float:
    return sort(vocabulary_size).information_bits(LengthRange(length, length))


def test_a_sorted_example_worked_by_hand() -> None:
    ordered = sort().source_vocabulary.encode("a a b c f")
    assert sort().solve(question_of("c a f a b")).tolist() == [ordered]
    assert sort(eos=True).solve(question_of("c a f a b")).tolist() == [[*ordered, EOS]]


def test_equal_symbols_keep_their_order_and_may_each_stand_for_the_other() -> None:
    task = sort(vocabulary_size=2, eos=True)
    batch = task.sample("test", 3, 50, generator_for(0))
    assert batch.alignment_sure is not None
    assert batch.alignment_possible is not None
    row = batch.source.tolist().index(task.source_vocabulary.encode("b a b"))
    assert batch.alignment_sure[row].int().tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert batch.alignment_possible[row].int().tolist() == [[0, 1, 0], [1, 0, 1], [1, 0, 1], [0, 0, 0]]


def test_every_source_position_is_used_once() -> None:
    batch = sort(vocabulary_size=3).sample("test", 20, 30, generator_for(0))
    assert batch.alignment_sure is not None
    assert (batch.alignment_sure.sum(dim=1) == 1).all()
    assert (batch.alignment_sure.sum(dim=2) == 1).all()


class TestBits:
    def test_of_two_coins_worked_by_hand(self) -> None:
        assert bits(2, vocabulary_size=2) == pytest.approx(1.5)

    def test_one_symbol_has_no_order_to_lose(self) -> None:
        assert bits(1) == pytest.approx(4.0)

    def test_of_one_kind_of_symbol_are_none(self) -> None:
        assert bits(7, vocabulary_size=1) == pytest.approx(0.0)

    @pytest.mark.parametrize(("size", "length"), [(2, 7), (3, 4), (5, 5)])
    def test_are_the_entropy_of_all_multisets_counted_out(self, size: int, length: int) -> None:
        multisets = Counter(tuple(sorted(each)) for each in itertools.product(range(size), repeat=length))
        shares = [count / size**length for count in multisets.values()]
        assert bits(length, size) == pytest.approx(-sum(share * math.log2(share) for share in shares))

    def test_grow_with_the_logarithm_of_long_sources(self) -> None:
        """Counts of a long source are nearly normal: half a bit more for each of V − 1 counts per doubling."""
        assert bits(2048) - bits(1024) == pytest.approx(15 / 2, abs=0.05)

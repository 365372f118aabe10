"""Repeat and periodic: the controls whose information does not grow with the length."""

import pytest
import torch

from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange
from attnbench.tasks.periodic import Periodic
from attnbench.tasks.repeat import Repeat
from attnbench.vocabulary import EOS


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

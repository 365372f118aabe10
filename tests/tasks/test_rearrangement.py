"""Copy and reverse."""

import pytest
import torch

from attnbench.batch import Batch
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange
from attnbench.tasks.copy import Copy
from attnbench.tasks.reverse import Reverse
from attnbench.tasks.sequence import RearrangementTask, symbol_names
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

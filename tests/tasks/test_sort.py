import itertools
import math
from collections import Counter

import pytest
import torch

from attnbench.batch import Batch
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange
from attnbench.tasks.sort import Sort
from attnbench.vocabulary import EOS


def sort(vocabulary_size: int = 16, eos: bool = False) -> Sort:
    return Sort(name="sort", vocabulary_size=vocabulary_size, eos=eos)


def question(text: str) -> Batch:
    tokens = torch.tensor([sort().source_vocabulary.encode(text)])
    return Batch(tokens, torch.tensor([tokens.shape[1]]), torch.zeros_like(tokens), tokens > 0)


def bits(length: int, vocabulary_size: int = 16) -> float:
    return sort(vocabulary_size).information_bits(LengthRange(length, length))


def test_an_example_worked_by_hand() -> None:
    ordered = sort().source_vocabulary.encode("a a b c f")
    assert sort().solve(question("c a f a b")).tolist() == [ordered]
    assert sort(eos=True).solve(question("c a f a b")).tolist() == [[*ordered, EOS]]


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

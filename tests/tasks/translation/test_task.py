import pytest
import torch

from attnbench.errors import UserError
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange
from attnbench.tasks.translation.task import Translation
from attnbench.vocabulary import EOS


def translation(vocabulary_size: int = 40, eos: bool = False) -> Translation:
    return Translation(name="translation", vocabulary_size=vocabulary_size, eos=eos)


def at(length: int) -> LengthRange:
    return LengthRange(length, length)


@pytest.mark.parametrize("length", [2, 13, 120])
def test_every_sentence_has_exactly_so_many_english_words(length: int) -> None:
    batch = translation().sample("test", length, 20, generator_for(0))
    assert batch.source.shape == (20, length)
    assert (batch.source_lengths == length).all()


def test_french_may_be_shorter_or_longer() -> None:
    lengths = translation().sample("test", 12, 500, generator_for(0)).target_mask.sum(dim=1)
    assert lengths.min() < 12 < lengths.max()


@pytest.mark.parametrize("eos", [False, True])
def test_references_are_the_target_as_people_write_it(eos: bool) -> None:
    task = translation(eos=eos)
    batch = task.sample("test", 12, 5, generator_for(0))
    assert batch.references == tuple(task.target_vocabulary.decode(row) for row in batch.target.tolist())
    assert all("<" not in text for text in batch.references)


def test_one_way_to_say_a_thing_holds_no_bits() -> None:
    """With one word of each kind, two words are always `Paul sleeps`."""
    task = translation(vocabulary_size=1)
    assert task.information_bits(at(2)) == 0.0
    assert task.chance_accuracy(at(2)) == 0.5
    assert translation(vocabulary_size=1, eos=True).chance_accuracy(at(2)) == pytest.approx(1 / 3)


def test_two_words_are_a_name_and_an_action() -> None:
    assert translation().information_bits(at(2)) == pytest.approx(4 + 4.321928)  # log2 16 + log2 20
    assert translation().chance_accuracy(at(2)) == pytest.approx(1 / 16 / 2)


def test_telling_the_number_of_words_takes_bits_away() -> None:
    told, untold = (translation(eos=eos).information_bits(at(12)) for eos in (False, True))
    assert 1 < untold - told < 3
    assert translation().information_bits(at(2)) == translation(eos=True).information_bits(at(2))


def test_bits_grow_with_length() -> None:
    bits = [translation().information_bits(at(length)) for length in range(2, 41)]
    assert bits == sorted(bits)
    assert 4 < bits[-1] / 40 < 5


def test_the_end_mark_is_aligned_with_nothing() -> None:
    batch = translation(eos=True).sample("test", 5, 50, generator_for(0))
    assert batch.alignment_sure is not None
    assert torch.equal(batch.alignment_sure.sum(dim=2), (batch.scored & (batch.target != EOS)).long())


@pytest.mark.parametrize("length", [1, 0, -3])
def test_a_sentence_needs_two_words(length: int) -> None:
    translation().check_length(2)
    with pytest.raises(UserError, match=rf"length {length} \(words\).*Use lengths from 2"):
        translation().check_length(length)


def test_a_target_length_whose_share_no_float_can_hold_takes_no_bits(monkeypatch):
    """As from about 600 words on."""
    expected = translation().information_bits(at(12))
    shares = type(translation()._grammar).target_lengths
    monkeypatch.setattr(
        type(translation()._grammar), "target_lengths", lambda *given: {**shares(*given), 99: 0.0}
    )
    assert translation().information_bits(at(12)) == expected

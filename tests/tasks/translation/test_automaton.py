"""Sentences of an exact length: drawn, and their mathematics against counting them all."""

import math
from collections import Counter
from random import Random

import pytest

from attnbench.tasks.translation.automaton import Phrase, PhraseGrammar, Sentence, State, TargetWord

ANY = State("anywhere", "m")
LETTER = Phrase(0.5, (("a", "b"),), (TargetWord(0, ("A", "B")),), ANY, head=0)
PAIR = Phrase(
    0.25,
    (("c",), ("d",)),
    (TargetWord(1, ("D",)), TargetWord(0, ("C",), possible=(1,)), TargetWord(1, ("E",), agrees=True)),
    ANY,
)
GRAMMAR = PhraseGrammar(ANY, {ANY: [LETTER, PAIR]}, {ANY: 0.25})


class TestByHand:
    """Two words are either two letters, 1/2 · 1/2, or a pair, 1/4: equally probable."""

    def test_entropy_of_five_sentences(self) -> None:
        assert GRAMMAR.derivation_bits(2) == pytest.approx(4 * 1 / 8 * 3 + 1 / 2 * 1)

    def test_target_lengths(self) -> None:
        assert GRAMMAR.target_lengths(2) == pytest.approx({2: 0.5, 3: 0.5})

    def test_expected_words(self) -> None:
        expected = {"A": 0.5, "B": 0.5, "C": 0.5, "D": 0.5, "E": 0.5}
        assert GRAMMAR.target_words(2) == pytest.approx(expected)

    def test_one_word_is_a_letter(self) -> None:
        assert GRAMMAR.choices(ANY, 1) == ((LETTER,), (1.0,))
        assert GRAMMAR.derivation_bits(1) == 1.0

    def test_no_words_are_no_phrases(self) -> None:
        assert GRAMMAR.choices(ANY, 0) == ((), ())
        assert GRAMMAR.derivation_bits(0) == 0.0
        assert GRAMMAR.target_lengths(0) == {0: 1.0}


def test_sentences_come_as_often_as_they_are_probable() -> None:
    random, count = Random(0), 8000
    seen = Counter(" ".join(GRAMMAR.draw(2, random).source) for _ in range(count))
    expected = {"a a": 1 / 8, "a b": 1 / 8, "b a": 1 / 8, "b b": 1 / 8, "c d": 1 / 2}
    assert set(seen) == set(expected)
    for sentence, share in expected.items():
        assert abs(seen[sentence] / count - share) < 4 * math.sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("length", [1, 2, 3, 40])
def test_every_sentence_has_the_length_asked_for(length: int) -> None:
    assert len(GRAMMAR.draw(length, Random(length)).source) == length


def test_links_lie_behind_the_phrases_before_and_agreement_at_the_head() -> None:
    sentence = Sentence()
    for phrase in (LETTER, LETTER, PAIR):
        sentence.append(phrase, Random(0))
    assert sentence.target[2:] == ["D", "C", "E"]
    assert sentence.sure == [(0, 0), (1, 1), (2, 3), (3, 2), (4, 3)]
    assert sentence.possible == [(3, 3), (4, 1)]


def test_a_long_sentence_does_not_exhaust_numbers_or_the_stack() -> None:
    assert len(GRAMMAR.draw(3000, Random(0)).source) == 3000
    assert math.isfinite(GRAMMAR.derivation_bits(3000))

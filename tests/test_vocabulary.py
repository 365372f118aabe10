import doctest

import pytest

from attnbench import vocabulary
from attnbench.vocabulary import BOS, EOS, PAD, SPECIAL_TOKENS, UNKNOWN, WordVocabulary


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(vocabulary).attempted > 0
    assert doctest.testmod(vocabulary).failed == 0


def test_special_tokens_have_the_first_numbers() -> None:
    assert [SPECIAL_TOKENS[number] for number in (PAD, BOS, EOS, UNKNOWN)] == [
        "<pad>",
        "<bos>",
        "<eos>",
        "<unk>",
    ]
    assert WordVocabulary(["a"]).tokens == (*SPECIAL_TOKENS, "a")


def test_decoding_undoes_encoding() -> None:
    words = WordVocabulary(["a", "b", "c"])
    assert words.decode(words.encode("c a b a")) == "c a b a"


def test_unknown_words_stay_visible() -> None:
    words = WordVocabulary(["a"])
    assert words.encode("a z") == [4, UNKNOWN]
    assert words.decode([4, UNKNOWN]) == "a <unk>"


def test_marks_and_padding_are_not_text() -> None:
    assert WordVocabulary(["a"]).decode([BOS, 4, EOS, PAD, PAD]) == "a"


def test_no_text_is_no_tokens() -> None:
    words = WordVocabulary([])
    assert words.encode("") == []
    assert words.decode([]) == ""


@pytest.mark.parametrize("twice", [["a", "b", "a"], ["<pad>"]])
def test_a_word_that_stands_twice_is_refused(twice: list[str]) -> None:
    with pytest.raises(ValueError, match="stands twice"):
        WordVocabulary(twice)

import doctest

import pytest

from attnbench import vocabulary
from attnbench.vocabulary import BOS, EOS, PAD, SPECIAL_TOKENS, UNKNOWN, WordVocabulary, words_of


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(vocabulary).attempted > 0
    assert doctest.testmod(vocabulary).failed == 0


@pytest.mark.parametrize("blank", " \t\n\r\v\f")
def test_the_blanks_of_ascii_part_words(blank: str) -> None:
    assert words_of(f"{blank}a{blank}{blank}b{blank}") == ["a", "b"]


@pytest.mark.parametrize("blank", "\u00a0\u3000\u2028\u0085\u202f\x1c")
def test_no_other_blank_parts_words(blank: str) -> None:
    word = f"a{blank}b"
    assert words_of(f"c {word}") == ["c", word]
    vocabulary = WordVocabulary([word, "c"])
    assert vocabulary.encode(f"c {word} c") == [5, 4, 5]
    assert vocabulary.decode([5, 4, 5]) == f"c {word} c"


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

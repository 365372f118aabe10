"""Words and their numbers. The first four numbers mean the same in every vocabulary."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Protocol

PAD, BOS, EOS, UNKNOWN = range(4)
SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<unk>")


def words_of(text: str) -> list[str]:
    r"""Return the words of a text: what stands between the blanks of ASCII (space, tab, the ends of lines and pages).

    This is the one definition of a word: lengths, vocabularies, alignments and marks count by it. Tokenised corpora and
    the aligners that read them split there too. Other blanks of Unicode, such as the non-breaking space before a French
    colon, stay inside their word; `str.split` would split at them, and move every later word by one.

    >>> words_of("dit\u00a0: oui ")
    ['dit\xa0:', 'oui']
    """
    joined = one_line(text)
    return joined.split(" ") if joined else []


def one_line(text: str) -> str:
    """Return a text with single blanks between its words."""
    # Bytes are split at the blanks of ASCII alone, in half the time of a regular expression.
    return b" ".join(text.encode(errors="surrogatepass").split()).decode(errors="surrogatepass")


class Vocabulary(Protocol):
    """What the models and the pages need to know of a vocabulary."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """Every token, in the order of its number; the special tokens come first."""

    def encode(self, text: str) -> list[int]:
        """Return the numbers of a text's tokens, UNKNOWN where there is none."""

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text as people write it, without special tokens."""


class WordVocabulary:
    """One number per word; a text is its words with blanks between.

    >>> letters = WordVocabulary(["a", "b"])
    >>> letters.encode("b a z")
    [5, 4, 3]
    >>> letters.decode([5, 4, 2, 0])
    'b a'
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.tokens = (*SPECIAL_TOKENS, *words)
        if len(set(self.tokens)) != len(self.tokens):
            raise ValueError("a word stands twice in the vocabulary")

    @cached_property
    def _number_of(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}

    def encode(self, text: str) -> list[int]:
        return [self._number_of.get(word, UNKNOWN) for word in words_of(text)]

    def decode(self, numbers: Iterable[int]) -> str:
        return " ".join(
            self.tokens[number] for number in numbers if number == UNKNOWN or number >= len(SPECIAL_TOKENS)
        )

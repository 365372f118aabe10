"""Vocabularies learnt from text: pieces of words, or whole words."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Self

from attnbench.vocabulary import SPECIAL_TOKENS, UNKNOWN, WordVocabulary, one_line, words_of

# Rust threads that tokenizers leaves behind cannot follow into a forked process, and the cores belong to the workers.
# One thread is fast enough here: each distinct word is encoded once.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SMALLEST_SUBWORD_VOCABULARY = len(SPECIAL_TOKENS) + 256
WORD_START = "▁"


class SubwordVocabulary:
    """Byte-pair encoding on bytes (Sennrich et al. 2016; the byte alphabet of GPT-2).

    Every text can be written with it, since each single byte is a token, so nothing is ever unknown; `decode`
    gives the text back as it was, single blanks between words.

        we have overcome   →   ▁we ▁have ▁over come

    Attributes:
        tokens: as they are shown: ▁ stands for the blank before a word, <e2> for a byte that is no character alone.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._split = tokenizer.pre_tokenizer.pre_tokenize_str
        self._tokenize = tokenizer.model.tokenize
        self._bytes = [*_SPECIAL_BYTES, *map(_to_bytes, _ordered_tokens(tokenizer))]
        self._numbers_of: dict[str, list[int]] = {}
        self.tokens = (*SPECIAL_TOKENS, *map(_shown, self._bytes[len(SPECIAL_TOKENS) :]))

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> Self:
        """Learn at most `size` tokens, special ones included; the same from the same texts everywhere.

        Fewer come out where the texts have no more pairs that occur twice.
        """
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        if size < SMALLEST_SUBWORD_VOCABULARY:
            raise ValueError(f"expected a size of at least {SMALLEST_SUBWORD_VOCABULARY}, got {size}")
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=2,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make the vocabulary again that `to_json` wrote down."""
        from tokenizers import Tokenizer

        return cls(Tokenizer.from_str(text))

    def to_json(self) -> str:
        """Return all that was learnt, as JSON."""
        return self._tokenizer.to_str()

    def encode(self, text: str) -> list[int]:
        return [number for word in words_of(text) for number in self._encode_word(word)]

    def _encode_word(self, word: str) -> list[int]:
        # The model is asked directly, since the tokenizer around it takes the text "<pad>" for the special token.
        numbers = self._numbers_of.get(word)
        if numbers is None:
            pieces = [piece for piece, _ in self._split(word)]
            numbers = [token.id for piece in pieces for token in self._tokenize(piece)]
            self._numbers_of[word] = numbers
        return numbers

    def decode(self, numbers: Iterable[int]) -> str:
        content = b"".join(self._bytes[number] for number in numbers)
        return one_line(content.decode("utf-8", errors="replace"))


class FrequentWords(WordVocabulary):
    """The most frequent words of texts; the rest is UNKNOWN."""

    @classmethod
    def train(cls, texts: Iterable[str], size: int | None) -> Self:
        """Take at most `size` tokens, special ones included; of equally frequent words the first by name.

        Without a size every word is taken.
        """
        counts = Counter(word for text in texts for word in words_of(text))
        for special in SPECIAL_TOKENS:
            del counts[special]
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(ranked if size is None else ranked[: size - len(SPECIAL_TOKENS)])

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make the vocabulary again that `to_json` wrote down."""
        return cls(json.loads(text))

    def to_json(self) -> str:
        """Return the words in the order of their numbers, as JSON."""
        return json.dumps(self.tokens[len(SPECIAL_TOKENS) :])

    def encode(self, text: str) -> list[int]:
        # A text may hold the word "<pad>", which is no padding.
        return [max(number, UNKNOWN) for number in super().encode(text)]


def _byte_of_letter() -> dict[str, int]:
    """Return which byte each letter of GPT-2's byte alphabet stands for.

    Printable bytes stand for themselves; the others follow from U+0100 on (Radford et al. 2019, `bytes_to_unicode`).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTE_OF_LETTER = _byte_of_letter()
_SPECIAL_BYTES = [b" <unk>" if number == UNKNOWN else b"" for number, _ in enumerate(SPECIAL_TOKENS)]


def _ordered_tokens(tokenizer: Any) -> Sequence[str]:
    numbers = tokenizer.get_vocab()
    return sorted(numbers, key=numbers.__getitem__)[len(SPECIAL_TOKENS) :]


def _to_bytes(token: str) -> bytes:
    return bytes(_BYTE_OF_LETTER[letter] for letter in token)


def _shown(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return f"<{content.hex()}>"
    return text.replace(" ", WORD_START) if text.isprintable() else f"<{content.hex()}>"

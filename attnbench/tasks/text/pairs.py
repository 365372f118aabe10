"""A source with its target as people write them, and where in the source the target stands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Protocol

from attnbench.formatting import counted
from attnbench.vocabulary import words_of


class Block(NamedTuple):
    """Target words and the source words that hold them: from a start to before a stop, counted from 0.

    A link between two words is a block of one by one; a sentence that holds a whole answer is one block too.
    """

    target_start: int
    target_stop: int
    source_start: int
    source_stop: int


@dataclass(frozen=True)
class Pair:
    """One example: single blanks between words, neither source nor target empty.

    Two are equal where their words are.

    Attributes:
        source: what is read.
        target: what is to be written.
        length: of the source, in the task's unit.
        question: words that stand ahead of the target and are told to the decoder; "" for none.
        sure: where the target's words stand in the source.
        possible: where they may stand; includes the sure blocks.
    """

    source: str
    target: str
    length: int = field(compare=False)
    question: str = ""
    sure: tuple[Block, ...] = field(default=(), compare=False)
    possible: tuple[Block, ...] = field(default=(), compare=False)

    @property
    def told(self) -> str:
        """All that a model is told."""
        return f"{self.source} {self.question}" if self.question else self.source

    @property
    def written(self) -> str:
        """All that stands on the decoder's side."""
        return f"{self.question} {self.target}" if self.question else self.target


@dataclass(frozen=True)
class PairsRead:
    """The pairs of one split in the order of its files.

    Attributes:
        pairs: those with text on both sides.
        empty: how many were left out because a side is empty.
        joined: how many had a side that is a list of several strings, joined with blanks.
        is_aligned: whether the files say where the targets stand in the sources.
        remarks: what a person should know about how the files were read.
    """

    pairs: tuple[Pair, ...]
    empty: int = 0
    joined: int = 0
    is_aligned: bool = False
    remarks: tuple[str, ...] = ()


class PairReader(Protocol):
    """The files of one split, hashable by their names and by how they are to be read."""

    @property
    def source(self) -> Path:
        """The file to name where something is wrong with its pairs."""

    @property
    def paths(self) -> list[Path]:
        """All files."""

    def read(self) -> PairsRead:
        """Read all pairs.

        Raises:
            UserError: where a file is not what it should be; with file, line, and what was expected.
        """

    def hashes(self) -> list[str]:
        """Return the hashes of the files' content, in the order of their roles.

        Raises:
            UserError: where a file cannot be read.
        """


LONGEST_WORD = 1000  # characters; for a word of 100,000 a subword trainer needs 20 s, and a model much memory
OTHER_BLANK = re.compile(r"[^\S \t\n\r\v\f]")


def without_long_words(pairs: Sequence[Pair], longest: int) -> tuple[tuple[Pair, ...], list[str]]:
    """Leave out the pairs that have a word of more characters than `longest`.

    Returns:
        the others, and a remark on those that were left out, if there are any.
    """
    lengths = [_longest_word(pair) for pair in pairs]
    left_out = [length for length in lengths if length > longest]
    if not left_out:
        return tuple(pairs), []
    said = (
        f"Left out because of a word of more than {longest:,} characters: {counted(len(left_out), 'example')}; "
        f"the longest has {max(left_out):,}."
    )
    return tuple(pair for pair, length in zip(pairs, lengths, strict=True) if length <= longest), [said]


def _longest_word(pair: Pair) -> int:
    sides = (pair.source, pair.written)
    if max(map(len, sides)) <= LONGEST_WORD:
        return 0  # the usual case, at once
    return max(len(word) for side in sides for word in words_of(side))


def blank_remarks(pairs: Sequence[Pair]) -> list[str]:
    """Return a remark on blanks of Unicode that stand inside words, if there are any."""
    texts = (f"{pair.source} {pair.written}" for pair in pairs)
    # No blank but the space is printable, and asking that first takes a tenth of the time.
    found = [blanks for text in texts if not text.isprintable() and (blanks := OTHER_BLANK.findall(text))]
    if not found:
        return []
    names = ", ".join(f"U+{ord(blank):04X}" for blank in sorted(set(chain.from_iterable(found))))
    return [
        f"{counted(len(found), 'example has', 'examples have')} other blanks than those of ASCII ({names}). "
        "They stay inside their words: words stand between spaces and tabs."
    ]


def word_count(text: str) -> int:
    """Return how many words a text has, single blanks between them."""
    return text.count(" ") + 1 if text else 0

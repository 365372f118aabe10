"""A source with its target as people write them, and where in the source the target stands."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol


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
    """

    pairs: tuple[Pair, ...]
    empty: int = 0
    joined: int = 0
    is_aligned: bool = False


class PairReader(Protocol):
    """The files of one split, hashable by their names and by how they are to be read."""

    @property
    def source(self) -> Path:
        """The file to name where something is wrong with its pairs."""

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


def one_line(text: str) -> str:
    """Return a text with single blanks between its words."""
    return " ".join(text.split())


def word_count(text: str) -> int:
    """Return how many words a text has, single blanks between them."""
    return text.count(" ") + 1 if text else 0

"""Word alignments as the aligners write them: links such as `0-0 1-2 3p4`, one line for each pair."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from attnbench.errors import UserError
from attnbench.formatting import shortened
from attnbench.tasks.text.files import read_lines
from attnbench.tasks.text.pairs import Block
from attnbench.vocabulary import words_of

# Nine digits are more words than any line has, and fewer than make Python refuse a number.
MOST_OUTSIDE = 0.01  # of the links of a file; an aligner errs in none, and with another text in many
LINK = re.compile(r"([0-9]{1,9})([-p])([0-9]{1,9})")


@dataclass(frozen=True)
class Links:
    """The links of one pair.

    Attributes:
        sure: links of words that belong together.
        possible: those, and links of words that may belong together.
        outside: what is wrong with each link that points beyond the pair, with its place; they link nothing.
    """

    sure: tuple[Block, ...] = ()
    possible: tuple[Block, ...] = ()
    outside: tuple[str, ...] = ()


NO_LINKS = Links()


@dataclass(frozen=True)
class LinkedLine:
    """One line of links.

    Attributes:
        text: links with blanks between; empty where no word has one.
        place: file and line, for messages.
    """

    text: str
    place: str

    def links(self, source_words: int, target_words: int) -> Links:
        """Return the links between the words of a pair.

        `i-j` links source word i with target word j, both counted from 0; `ipj` says that they may belong
        together (the Pharaoh format, with the possible links of Och & Ney 2003).

        Raises:
            UserError: where a link is none.
        """
        if not self.text:
            return NO_LINKS
        sure, every, outside = [], [], []
        for link in words_of(self.text):
            source, mark, target = self._parts(link)
            if source >= source_words:
                outside.append(self._outside(link, "source", source, source_words))
            elif target >= target_words:
                outside.append(self._outside(link, "target", target, target_words))
            else:
                every.append(_word_link(source, target))
                if mark == "-":
                    sure.append(every[-1])
        return Links(tuple(sure), tuple(every), tuple(outside))

    def _parts(self, link: str) -> tuple[int, str, int]:
        found = LINK.fullmatch(link)
        if not found:
            raise UserError(
                f"{self.place}: expected links such as 0-0 or, where possible only, 3p4 (source word, target word, "
                f"counted from 0), got '{shortened(link)}'."
            )
        return int(found[1]), found[2], int(found[3])

    def _outside(self, link: str, side: str, word: int, words: int) -> str:
        return (
            f"{self.place}: the link {link} points at {side} word {word}, expected one below {words}: "
            f"the {side} of that pair has {words} words, counted from 0."
        )


def read_alignment(path: Path, pairs: int, beside: Path) -> list[LinkedLine]:
    """Read the links of every pair.

    Args:
        path: the file of links.
        pairs: how many lines it must have.
        beside: the file of the pairs, for messages.

    Raises:
        UserError: where the file cannot be read, or has another number of lines.
    """
    lines = read_lines(path)
    if len(lines) != pairs:
        raise UserError(
            f"{path} has {len(lines)} lines and {beside} has {pairs}: expected as many, "
            "line n of one being the links of line n of the other."
        )
    return [LinkedLine(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]


def outside_remarks(path: Path, links: Sequence[Links]) -> list[str]:
    """Return what a person should know about links that point beyond their pairs; nothing where none does.

    Raises:
        UserError: where they are more than a few: then links and text do not belong together.
    """
    outside = [said for each in links for said in each.outside]
    if not outside:
        return []
    count = len(outside) + sum(len(each.possible) for each in links)
    if len(outside) > MOST_OUTSIDE * count:
        raise UserError(
            f"{outside[0]} {len(outside):,} of the {count:,} links of {path} point beyond their pairs: expected the "
            "links of this very text, line for line, with words counted between blanks (space, tab)."
        )
    return [
        f"{len(outside):,} of {count:,} links point beyond their pairs and are left out. The first: {outside[0]}"
    ]


# Many sentences link the same places: one object for each spares most of the memory.
@cache
def _word_link(source: int, target: int) -> Block:
    return Block(target, target + 1, source, source + 1)

"""Word alignments as the aligners write them: links such as `0-0 1-2 3p4`, one line for each pair."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from attnbench.errors import UserError
from attnbench.tasks.text_files import read_lines, shortened
from attnbench.tasks.text_pair import Block

# Nine digits are more words than any line has, and fewer than make Python refuse a number.
LINK = re.compile(r"([0-9]{1,9})([-p])([0-9]{1,9})")


@dataclass(frozen=True)
class LinkedLine:
    """One line of links.

    Attributes:
        text: links with blanks between; empty where no word has one.
        place: file and line, for messages.
    """

    text: str
    place: str

    def blocks(self, source_words: int, target_words: int) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
        """Return the sure links, and all of them.

        `i-j` links source word i with target word j, both counted from 0; `ipj` says that they may belong
        together (the Pharaoh format, with the possible links of Och & Ney 2003).

        Raises:
            UserError: where a link is none, or points outside the pair.
        """
        sure, every = [], []
        for link in self.text.split():
            source, mark, target = self._parts(link)
            self._check(link, "source", source, source_words)
            self._check(link, "target", target, target_words)
            every.append(_word_link(source, target))
            if mark == "-":
                sure.append(every[-1])
        return tuple(sure), tuple(every)

    def _parts(self, link: str) -> tuple[int, str, int]:
        found = LINK.fullmatch(link)
        if not found:
            raise UserError(
                f"{self.place}: expected links such as 0-0 or, where possible only, 3p4 (source word, target word, "
                f"counted from 0), got '{shortened(link)}'."
            )
        return int(found[1]), found[2], int(found[3])

    def _check(self, link: str, side: str, word: int, words: int) -> None:
        if word >= words:
            raise UserError(
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


# Many sentences link the same places: one object for each spares most of the memory.
@cache
def _word_link(source: int, target: int) -> Block:
    return Block(target, target + 1, source, source + 1)

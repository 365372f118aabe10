"""Parts of one sweep for people who schedule by themselves: several jobs fill one folder and meet at no run."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from attnbench.errors import UserError

Planned = TypeVar("Planned")


@dataclass(frozen=True)
class Share:
    """One of several parts of a plan, which together are all of it.

    Attributes:
        number: which, from 1 to count.
        count: how many there are.
    """

    number: int
    count: int

    def of(self, planned: Sequence[Planned]) -> list[Planned]:
        """Return one of every `count` runs, dealt out to and fro as cards are.

        A plan begins with the longest runs and goes through its arms in turn: so every share gets long and short
        ones, and of every arm. The third of four shares of the runs 0 to 9 is 2, 5.
        """
        rounds = range(0, len(planned), self.count)
        places = (
            first + (self.number - 1 if turn % 2 == 0 else self.count - self.number)
            for turn, first in enumerate(rounds)
        )
        return [planned[place] for place in places if place < len(planned)]

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_share(text: str) -> Share:
    """Read `2/8` as the second of eight shares.

    Raises:
        UserError: where it is not one.
    """
    found = re.fullmatch(r"([0-9]+)/([0-9]+)", text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError(f"--share {text}: expected I/N with I from 1 to N, such as 2/8, the second of eight.")
    return Share(int(found[1]), int(found[2]))

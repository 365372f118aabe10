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
        """Return every count-th: a plan begins with the longest runs, so that each share has long and short ones.

        The third of four shares of the runs 0 to 9 is 2 and 6.
        """
        return list(planned[self.number - 1 :: self.count])

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

"""Words and numbers as messages, captions and tables write them."""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 run` or `3 runs`; `many` where an s at the end does not make it, as in `run is`, `runs are`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """Return `12 %` of a share between 0 and 1; no line breaks before the sign."""
    return f"{share:.0%}".replace("%", "\u00a0%")


def joined(words: Iterable[str], link: str = "and", comma: str = ", ") -> str:
    """Return at least one word as a list in a sentence: `a, b and c`; parts with commas of their own take another."""
    *ahead, last = words
    before_link = " " if comma == ", " else comma
    return f"{comma.join(ahead)}{before_link}{link} {last}" if ahead else last


def sentence(*parts: str) -> str:
    """Join the parts that are not empty by semicolons to one sentence, or none."""
    whole = "; ".join(filter(None, parts))
    return f"{whole[0].upper()}{whole[1:]}." if whole else ""


def duration(seconds: float) -> str:
    """Return about how long something takes, as people would say it: `40 seconds`, `2.5 minutes`, `7.3 hours`."""
    units = ((1, "second", 90), (60, "minute", 90), (3600, "hour", 48), (86400, "day", math.inf))
    size, unit, _ = next(each for each in units if seconds < each[0] * each[2])
    digits = 0 if size == 1 or seconds >= 9.95 * size else 1
    number = f"{max(seconds / size, 1):.{digits}f}".removesuffix(".0")
    return f"{number} {unit}{'' if number == '1' else 's'}"


def shortened(text: str, width: int = 60) -> str:
    """Return a text of no more than `width` characters, by default as an error quotes it; `…` stands for the rest."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def span(numbers: Iterable[int]) -> str:
    """Return `3`, or `2 to 3` where they differ."""
    found = sorted(set(numbers))
    return f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}"


def length_span(shortest: object, longest: object) -> str:
    """Return `8` of a length, or `1–10` of the lengths of a bucket."""
    return f"{longest}" if shortest == longest else f"{shortest}–{longest}"


def stretches(numbers: Sequence[int], most: int) -> str:
    """Return ascending numbers as people write them: `1–3, 5`; of more than `most` stretches the rest is `…`."""
    runs = [
        [number for _, number in run]
        for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ]
    told = [f"{run[0]}" if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    return ", ".join(told[:most]) + (", …" if len(told) > most else "")

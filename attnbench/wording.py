"""Words that many messages share."""

from collections.abc import Iterable


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 run` or `3 runs`; `many` where an s at the end does not make it, as in `run is`, `runs are`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def joined(words: Iterable[str], comma: str = ", ") -> str:
    """Return words as a list in a sentence: "a, b and c"; parts with commas of their own take another between them."""
    *ahead, last = words
    end = " and " if comma == ", " else f"{comma}and "
    return f"{comma.join(ahead)}{end}{last}" if ahead else last

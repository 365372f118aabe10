"""Words that many messages share."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 run` or `3 runs`; `many` where an s at the end does not make it, as in `run is`, `runs are`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"

"""What can go wrong, told apart by who has to act."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something a person gave us that cannot work; the message says what was expected, what came, what to do.

    The command line prints the message and leaves with exit status 2.
    """


class DamagedFileError(UserError):
    """A file of ours that is not what we wrote: truncated, altered or unreadable."""


class RunFailedError(Exception):
    """A run that cannot go on, such as one whose loss is not finite; the sweep goes on without it."""


class InterruptedRunError(Exception):
    """A run that was asked to stop, and has saved its state."""


def unknown(kind: str, given: str, known: Iterable[str], alike: Iterable[str] | None = None) -> UserError:
    """Return the error for a name that is not known: the known ones and the nearest match.

    The match is sought among `alike`, where there is more to mean than a person would want to read.
    """
    names = sorted(known)
    message = f"Unknown {kind} '{given}'. Known: {', '.join(names)}."
    return UserError(message + nearest(given, names if alike is None else alike))


def nearest(given: str, known: Iterable[str]) -> str:
    """Return " Did you mean …?" with the name most like the given one, or nothing where none is like it."""
    found = difflib.get_close_matches(given, sorted(known), n=1, cutoff=0.5)
    return f" Did you mean {found[0]}?" if found else ""

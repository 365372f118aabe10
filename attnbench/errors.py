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


def unknown(kind: str, given: str, known: Iterable[str]) -> UserError:
    """Return the error for a name that is not known: the known ones and the nearest match."""
    names = sorted(known)
    nearest = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    message = f"Unknown {kind} '{given}'. Known: {', '.join(names)}."
    return UserError(message + (f" Did you mean {nearest[0]}?" if nearest else ""))

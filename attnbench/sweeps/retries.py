"""Failed runs that are to be repeated."""

from collections.abc import Iterable
from contextlib import suppress

from attnbench.runs.claim import ClaimedError
from attnbench.runs.folder import RunFolder


def forget_failures(folders: Iterable[RunFolder]) -> None:
    """Take failed runs for unfinished, but for those that another process is at: whoever comes first repeats them.

    Raises:
        StorageError: when the disk refuses it.
    """
    for folder in folders:
        if _has_failed(folder):
            with suppress(ClaimedError), folder.claim():
                folder.unfinish()


def _has_failed(folder: RunFolder) -> bool:
    outcome = folder.read_outcome()
    return outcome is not None and outcome.state == "failed"

"""When a run is tried no more, and failed runs that are to be repeated."""

from collections.abc import Iterable
from contextlib import suppress

from attnbench.runs.claim import ClaimedError
from attnbench.runs.folder import RunFolder
from attnbench.runs.outcome import Outcome


def give_up(folder: RunFolder, reason: str) -> Outcome | None:
    """Write down that a run has failed which nobody could bring to its end, and return how it ended.

    Another sweep may have taken it over from whoever died: what that one wrote stands, and while it is at the run there
    is no end, None.

    Raises:
        StorageError: when the disk refuses it.
    """
    try:
        with folder.claim():
            if not folder.has_ended:
                folder.write_outcome(Outcome(folder.run_id, "failed", error=reason))
            return folder.read_outcome()
    except ClaimedError:
        return None


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

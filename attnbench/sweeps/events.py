"""What an executor tells while it works; the terminal shows it."""

from collections.abc import Callable
from dataclasses import dataclass

from attnbench.runs.outcome import Outcome


@dataclass(frozen=True)
class RunStarted:
    """A worker took up a run."""

    run_id: str


@dataclass(frozen=True)
class RunProgressed:
    """A run was validated: its step, its budget, its free-running accuracy."""

    run_id: str
    step: int
    steps: int
    accuracy: float


@dataclass(frozen=True)
class RunEnded:
    """A worker is done with a run.

    Attributes:
        outcome: how it ended; None where it was interrupted, is in the hands of another process, or could not be
            saved.
    """

    run_id: str
    outcome: Outcome | None


@dataclass(frozen=True)
class StorageRefused:
    """The disk refused what a run had to save; no other run should be begun. The end of the run follows.

    Attributes:
        reason: the path, what the system said and what to do.
    """

    run_id: str
    reason: str


@dataclass(frozen=True)
class Note:
    """Something that a person should know."""

    text: str


Event = RunStarted | RunProgressed | RunEnded | StorageRefused | Note
Listener = Callable[[Event], None]

"""What every executor offers, and the events that it tells while it works."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

from attnbench.errors import UserError
from attnbench.runs.records import typed_command
from attnbench.runs.status import RunStatus


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
    outcome: RunStatus | None


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


_KIND = "event"
_BEGINNING = f'{{"{_KIND}"'
_KINDS: dict[str, Callable[..., Event]] = {
    each.__name__: each for each in (RunStarted, RunProgressed, RunEnded, StorageRefused, Note)
}


def to_line(event: Event) -> str:
    """Write an event as one line of JSON."""
    return json.dumps({_KIND: type(event).__name__, **asdict(event)}) + "\n"


def from_line(line: str) -> Event | None:
    """Read an event, whatever stands before it on its line; None where there is none, or half of one."""
    try:
        values = json.loads(line[max(line.find(_BEGINNING), 0) :])
        kind = _KINDS[values.pop(_KIND)]
        if values.get("outcome") is not None:
            values["outcome"] = RunStatus(**values["outcome"])
        return kind(**values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


@dataclass(frozen=True)
class WorkOrder:
    """How the runs are to be executed; nothing here changes their results.

    Attributes:
        device: "auto", "cpu", "cuda" or "mps".
        command: that asked for the runs, for their records.
        trunks: the trunk of each run that is a branch of one, under any name, by run_id. Branches of one trunk are made
            one after the other, in the order in which they are handed over.
        writes_events: whether TensorBoard is to see their training.
    """

    device: str = "auto"
    command: str = field(default_factory=typed_command)
    trunks: Mapping[str, str] = field(default_factory=dict)
    writes_events: bool = False

    def trunk_of(self, run_folder: Path) -> str:
        """Return the name of the trunk that a run is a branch of; the run's own where it is one of none."""
        return self.trunks.get(run_folder.name, run_folder.name)

    def by_trunk(self, run_folders: Sequence[Path]) -> list[list[Path]]:
        """Return the runs in groups: those of one trunk, in their order, and every other run alone."""
        groups: dict[str, list[Path]] = {}
        for path in run_folders:
            groups.setdefault(self.trunk_of(path), []).append(path)
        return list(groups.values())


class Submission(ABC):
    """Runs that were handed over.

    Attributes:
        is_given_up: whether somebody ended the work from outside, so that nobody should hand it over again.
    """

    is_given_up: bool = False

    @property
    def rejection(self) -> UserError | None:
        """Why some of the runs were not taken; who waits hands them over again."""
        return None

    def describe(self) -> str:
        """Say in a sentence what was handed over, where that is worth one."""
        return ""

    @abstractmethod
    def wait(self, listener: Listener, should_stop: Callable[[], bool]) -> None:
        """Stay until every run has ended, telling the listener; when asked to stop, let them save and end.

        Raises:
            StorageError: when the disk refuses a file; runs that can still save have done so, and no other was begun.
            RefusedError: when something else that the runs need is not to be had, such as a process to make them.
        """


@dataclass(frozen=True, kw_only=True)
class Executor(ABC):
    """Takes run folders and sees to it that they are executed. Its fields are its configuration.

    Attributes:
        is_remote: whether the runs are executed on other machines, and go on where the sweep itself ends.
    """

    is_remote: ClassVar[bool] = False

    def check(self, folder: Path) -> None:
        """Find what would keep it from working, before anything is written; raises UserError.

        Args:
            folder: of the sweep, there or not.
        """

    def worker_count(self, device: str) -> int:
        """Return how many runs it makes side by side on this machine."""
        return 1

    def jobs_in_words(self, groups: Sequence[int]) -> str:
        """Say how many jobs would make runs, and what each asks for; nothing where there are no jobs.

        Args:
            groups: how many runs each group has, which has to be made in one job.
        """
        return ""

    @abstractmethod
    def submit(self, run_folders: Sequence[Path], order: WorkOrder) -> Submission:
        """Hand over prepared run folders."""

"""Where runs are executed. What has been done is told by the run folders, never by an executor's memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from attnbench.errors import UserError
from attnbench.runs.environment import typed_command
from attnbench.sweeps.events import Listener


@dataclass(frozen=True)
class WorkOrder:
    """How the runs are to be executed; nothing here changes their results.

    Attributes:
        device: "auto", "cpu", "cuda" or "mps".
        trusted_folder: where classes may come from besides attnbench.
        command: that asked for the runs, for their records.
    """

    device: str = "auto"
    trusted_folder: Path | None = None
    command: str = field(default_factory=typed_command)


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

    @abstractmethod
    def submit(self, run_folders: Sequence[Path], order: WorkOrder) -> Submission:
        """Hand over prepared run folders."""

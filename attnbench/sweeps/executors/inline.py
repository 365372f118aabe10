"""One run after the other in this very process: the plainest executor, and the easiest to debug."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from attnbench.errors import InterruptedRunError, StorageError
from attnbench.runs.claim import ClaimedError
from attnbench.runs.execute import Execution, execute
from attnbench.runs.folder import RunFolder
from attnbench.runs.outcome import Outcome
from attnbench.sweeps.events import Listener, Note, RunEnded, RunProgressed, RunStarted, StorageRefused
from attnbench.sweeps.executors.base import Executor, Submission, WorkOrder


def execute_and_tell(
    folder: RunFolder, order: WorkOrder, listener: Listener, should_stop: Callable[[], bool]
) -> Outcome | None:
    """Execute one run, turning what happens into events; None where it was interrupted or is claimed.

    Raises:
        StorageError: when the disk refuses a file of the run; everybody has been told.
    """
    run_id = folder.run_id
    listener(RunStarted(run_id))
    execution = Execution(
        device=order.device,
        trusted_folder=order.trusted_folder,
        should_stop=should_stop,
        on_progress=lambda step, steps, accuracy: listener(RunProgressed(run_id, step, steps, accuracy)),
        on_note=lambda text: listener(Note(text)),
        command=order.command,
    )
    try:
        outcome: Outcome | None = execute(folder, execution)
    except (InterruptedRunError, ClaimedError):
        outcome = None
    except StorageError as error:
        listener(StorageRefused(run_id, f"{error}"))
        listener(RunEnded(run_id, None))
        raise
    listener(RunEnded(run_id, outcome))
    return outcome


@dataclass(frozen=True)
class InlineSubmission(Submission):
    """Runs that begin when somebody waits for them."""

    run_folders: Sequence[Path]
    order: WorkOrder

    def wait(self, listener: Listener, should_stop: Callable[[], bool]) -> None:
        for path in self.run_folders:
            if should_stop():
                return
            execute_and_tell(RunFolder(path), self.order, listener, should_stop)


@dataclass(frozen=True, kw_only=True)
class Inline(Executor):
    """Executes in the process of the sweep."""

    def submit(self, run_folders: Sequence[Path], order: WorkOrder) -> InlineSubmission:
        return InlineSubmission(list(run_folders), order)

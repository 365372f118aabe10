"""What one job of the cluster does: a few runs, in turn or side by side."""

import signal
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

    from attnbench.executors.base import Event, WorkOrder
    from attnbench.runs.folder import RunFolder


CLAIMED_SECONDS = 2.0
"""How often a job looks for runs that another process is at."""


class StopSignal:
    """Remembers that Slurm asked to end, which submitit would have happen at once, in the middle of a step.

    SIGUSR2 comes before the time limit, and before preemption where the cluster is set up so: then submitit
    requeues the job. SIGTERM comes where Slurm itself ends or requeues it.
    """

    def __init__(self) -> None:
        self.requeue: Callable[[], object] | None = None
        self.has_come = False

    def listen(self) -> None:
        """Take the two signals over, keeping what submitit would have done."""
        requeues: Any = signal.getsignal(signal.SIGUSR2)
        # First: the warning may come as soon as it is listened to.
        self._submitit_requeues = requeues if callable(requeues) else None
        signal.signal(signal.SIGUSR2, self._take_usr2)
        signal.signal(signal.SIGTERM, self._take_term)

    def _take_usr2(self, number: int, frame: object) -> None:
        self.has_come = True
        if self._submitit_requeues is not None:
            submitit_requeues = self._submitit_requeues
            self.requeue = lambda: submitit_requeues(number, None)

    def _take_term(self, number: int, frame: object) -> None:
        self.has_come = True

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.has_come


@dataclass(frozen=True)
class RunBundle:
    """The runs of one job; submitit writes it to disk and calls it on a node.

    Attributes:
        run_folders: absolute paths.
        device: "auto", "cpu", "cuda" or "mps".
        trusted_folder: where classes may come from besides attnbench.
        side_by_side: how many at once.
        command: that asked for the runs.
        trunks: of the runs that are branches of one, see `WorkOrder`, as for `writes_events`.
    """

    run_folders: tuple[str, ...]
    device: str
    trusted_folder: str | None
    side_by_side: int = 1
    command: str = ""
    trunks: "Mapping[str, str] | None" = None  # jobs of before, which wait in a queue, have none
    writes_events: bool = False

    def __call__(self) -> None:
        """Make the runs; those that are done already take no time."""
        # Before torch is loaded: a signal in those seconds must not be lost.
        stop = StopSignal()
        stop.listen()
        from attnbench.standard_streams import make_streams_forgiving

        make_streams_forgiving()  # a full disk behind the log of the job is no fault of its runs
        self._execute(stop)
        if stop.requeue is not None and self._is_unfinished():
            stop.requeue()

    def checkpoint(self) -> "DelayedSubmission":
        """Tell submitit that the job begins with the same words again: the run folders know how far they are."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _execute(self, stop: StopSignal) -> None:
        # Imported here: while the job is being read a signal would kill it, and torch takes seconds.
        from pathlib import Path

        from attnbench.executors.base import WorkOrder
        from attnbench.runs.folder import RunFolder
        from attnbench.schema import trust_folder

        trust_folder(Path(self.trusted_folder) if self.trusted_folder else None)
        order = WorkOrder(self.device, self.command, self.trunks or {}, self.writes_events)
        left = [RunFolder(Path(path)) for path in self.run_folders]
        while left and not stop():
            before = left
            if self.side_by_side > 1:
                left = self._make_beside(left, order, stop)
            else:
                left = [folder for folder in left if not _is_over(folder, order, stop)]
            if left == before and not stop():
                time.sleep(CLAIMED_SECONDS)

    def _make_beside(
        self, folders: "list[RunFolder]", order: "WorkOrder", stop: StopSignal
    ) -> "list[RunFolder]":
        """Make the runs in processes of their own; return those that another process is at."""
        from attnbench.executors.local import Processes
        from attnbench.runs.io import is_claimed

        free = [folder.path for folder in folders if not is_claimed(folder.claim_file)]
        if free:
            executor = Processes(workers=self.side_by_side, workers_per_gpu=self.side_by_side)
            executor.submit(free, order).wait(_log, stop)
        return [folder for folder in folders if not folder.has_ended]

    def _is_unfinished(self) -> bool:
        from pathlib import Path

        from attnbench.runs.folder import RunFolder

        return not all(RunFolder(Path(path)).has_ended for path in self.run_folders)


def _is_over(folder: "RunFolder", order: "WorkOrder", stop: StopSignal) -> bool:
    """Make a run; say whether this job is through with it, and not another process at it."""
    from attnbench.errors import StorageError
    from attnbench.executors.local import execute_and_tell
    from attnbench.runs.io import is_claimed

    try:
        if stop() or is_claimed(folder.claim_file):
            return False
        return execute_and_tell(folder, order, _log, stop) is not None
    except StorageError:
        raise  # the disk would refuse the others too
    except Exception:  # noqa: BLE001 the other runs of the job can go on; this one counts as lost
        traceback.print_exc()
        return True


def _log(event: "Event") -> None:
    print(event, flush=True)

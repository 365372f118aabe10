"""Runs as jobs of a Slurm cluster, through submitit.

submitit writes the jobs down, submits and requeues them. Whether a run is done its folder says, and nothing else:
submitit's results are not read.
"""

import contextlib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from attnbench.errors import UserError
from attnbench.ranges import Count, NonNegativeCount, Rate
from attnbench.runs.folder import Outcome, RunFolder
from attnbench.runs.store import RunStore
from attnbench.sweeps.events import Listener, Note, RunEnded, RunStarted
from attnbench.sweeps.executors.base import Executor, Submission, WorkOrder
from attnbench.sweeps.executors.slurm_commands import (
    Option,
    SlurmError,
    check_on_path,
    try_submission,
)
from attnbench.sweeps.executors.slurm_job import Pack
from attnbench.sweeps.executors.slurm_records import JobBook, JobState, new_record
from attnbench.sweeps.executors.slurm_sight import check_nodes_see

POLL_SECONDS = 2.0
LOST_AFTER_SECONDS = 6.0
"""How long a job must be gone before its runs are lost: over a network file system results come late."""
ATTEMPTS = 2
ARRAY_SIZE = 1000  # Slurm's MaxArraySize is 1001 unless the cluster says otherwise, and counts from 0
OURS = ("array", "error", "job-name", "open-mode", "output", "signal", "wrap")


@dataclass(frozen=True, kw_only=True)
class Slurm(Executor):
    """Executes as jobs of a cluster.

    Attributes:
        time_minutes: limit of one job.
        memory_gb: of one job.
        jobs_at_once: how many of one array; an array holds a thousand jobs.
        runs_per_job: made one after the other.
        setup: lines of bash before the runs.
        requeues: how often a job may go on after its time limit; after preemption it always may.
        save_seconds: from the warning to the limit.
        checks_folder: whether to ask a node for the results folder where it does not look shared.
        sbatch: further options by name, without dashes; true for one that takes no value.
    """

    is_remote: ClassVar[bool] = True

    partition: str | None
    account: str | None
    time_minutes: Count
    memory_gb: Rate
    cpus: Count
    gpus: NonNegativeCount
    constraint: str | None
    jobs_at_once: Count
    runs_per_job: Count
    setup: list[str]
    requeues: NonNegativeCount
    save_seconds: Count
    checks_folder: bool
    sbatch: dict[str, str | int | float | bool] | None

    def check(self, folder: Path) -> None:
        reserved = sorted({name.replace("_", "-") for name in self.sbatch or ()} & set(OURS))
        if reserved:
            raise UserError(f"executor.sbatch: attnbench itself sets {', '.join(reserved)}. Leave it out.")
        check_on_path()
        try_submission(self.options)
        if self.checks_folder:
            options = {name: value for name, value in self.options.items() if name != "requeue"}
            check_nodes_see(folder, self.partition, options)

    @property
    def options(self) -> dict[str, Option]:
        """The options of sbatch, by name."""
        chosen: dict[str, Option | None] = {
            "partition": self.partition,
            "account": self.account,
            "time": self.time_minutes,
            "mem": f"{round(self.memory_gb * 1024)}M",
            "cpus-per-task": self.cpus,
            "gpus-per-node": self.gpus or None,
            "constraint": self.constraint,
            "requeue": True,
        }
        ours = {name: value for name, value in chosen.items() if value is not None}
        return {**ours, **{name.replace("_", "-"): value for name, value in (self.sbatch or {}).items()}}

    def submit(self, run_folders: Sequence[Path], order: WorkOrder) -> "SlurmSubmission":
        folders = [RunFolder(path.absolute()) for path in run_folders]
        book = JobBook(RunStore(folders[0].path.parents[1]).jobs_path)
        with book.held():
            states = book.states([folder.run_id for folder in folders])
            free = [folder for folder in folders if states.get(folder.run_id) not in ("pending", "running")]
            arrays = self.hand_over(free, order, book, self.runs_per_job)
        left = {folder.run_id: folder for folder in folders}
        return SlurmSubmission(self, order, book, left, arrays, len(folders) - len(free))

    def hand_over(
        self, folders: Sequence[RunFolder], order: WorkOrder, book: JobBook, runs_per_job: int
    ) -> list[str]:
        """Submit runs that no job is at, and return the ids of the arrays."""
        for folder in folders:
            outcome = folder.read_outcome()
            if outcome is not None and outcome.state == "failed":
                folder.status_file.unlink()  # it is to be repeated, and must not be taken for the end of that
        packs = [folders[first : first + runs_per_job] for first in range(0, len(folders), runs_per_job)]
        arrays = [packs[first : first + ARRAY_SIZE] for first in range(0, len(packs), ARRAY_SIZE)]
        return [self._submit_array(array, order, book) for array in arrays]

    def _submit_array(self, packs: Sequence[Sequence[RunFolder]], order: WorkOrder, book: JobBook) -> str:
        record = new_record([[folder.run_id for folder in pack] for pack in packs])
        book.write(record)
        trusted = str(order.trusted_folder) if order.trusted_folder else None
        jobs = [Pack(tuple(str(folder.path) for folder in pack), order.device, trusted) for pack in packs]
        try:
            job_id = _submit(jobs, book.logs_folder, self.requeues, self._parameters(record.name))
        except BaseException:
            book.forget(record)
            raise
        book.write(replace(record, job_id=job_id))
        return job_id

    def _parameters(self, name: str) -> dict[str, Any]:
        """Return what submitit is told; its own reckoning of timeouts needs the time once more."""
        return {
            "job_name": name,
            "time": self.time_minutes,
            "array_parallelism": self.jobs_at_once,
            "setup": list(self.setup),
            "signal_delay_s": self.save_seconds,
            "additional_parameters": self.options,
            # Since 22.05 srun no longer takes the number of cores over from sbatch.
            "srun_args": [f"--cpus-per-task={self.cpus}"],
        }


def _submit(jobs: Sequence[Pack], folder: Path, requeues: int, parameters: Mapping[str, Any]) -> str:
    """Submit an array and return its id; raises SlurmError in the words of sbatch."""
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    executor = submitit.SlurmExecutor(folder, max_num_timeout=requeues)
    executor.update_parameters(**parameters)
    try:
        # submitit prints the words of sbatch by itself; they are in the error too.
        with contextlib.redirect_stderr(io.StringIO()), executor.batch():
            submitted = [executor.submit(job) for job in jobs]
    except (FailedJobError, FailedSubmissionError) as error:
        raise SlurmError(f"sbatch refused: {error}") from error
    return str(submitted[0].job_id).partition("_")[0]


@dataclass
class SlurmSubmission(Submission):
    """Runs that jobs of the cluster are at, or will be.

    Attributes:
        left: runs that have not ended.
        arrays: ids of what was submitted for them just now.
        found_in_queue: how many of the runs had a living job already.
        is_given_up: whether somebody cancelled jobs that this was waiting for.
    """

    executor: Slurm
    order: WorkOrder
    book: JobBook
    left: dict[str, RunFolder]
    arrays: list[str]
    found_in_queue: int
    is_given_up: bool = False
    started: set[str] = field(default_factory=set)
    losses: dict[str, int] = field(default_factory=dict)
    gone_since: dict[str, float] = field(default_factory=dict)
    is_silent: bool = False

    def describe(self) -> str:
        handed_over = len(self.left) - self.found_in_queue
        parts = []
        if handed_over:
            parts.append(f"{handed_over} runs handed to Slurm (job {', '.join(self.arrays)})")
        if self.found_in_queue:
            parts.append(f"{self.found_in_queue} runs were in its queue already")
        return "; ".join(parts) + "."

    def wait(self, listener: Listener, should_stop: Callable[[], bool]) -> None:
        listener(Note(self.describe()))
        while self.left and not should_stop():
            # Slurm is asked before the folders: a job that ends in between is then found done, not lost.
            states = self._ask(listener)
            self._tell_ended(listener)
            if states is not None:
                self._tell_started(states, listener)
                self._care_for_lost(states, listener)
            if self.left:
                time.sleep(POLL_SECONDS)
        if self.left and should_stop():
            listener(Note("The jobs go on without this sweep; `attnbench cancel` ends them."))

    def _ask(self, listener: Listener) -> dict[str, JobState] | None:
        """Return what the jobs do; None where Slurm is silent, which may pass."""
        try:
            states = self.book.states(list(self.left))
        except SlurmError as error:
            if not self.is_silent:
                listener(Note(f"{error} Still waiting."))
            self.is_silent = True
            return None
        self.is_silent = False
        return states

    def _tell_ended(self, listener: Listener) -> None:
        for run_id, folder in list(self.left.items()):
            if folder.state in ("done", "failed"):
                del self.left[run_id]
                listener(RunEnded(run_id, folder.read_outcome()))

    def _tell_started(self, states: Mapping[str, JobState], listener: Listener) -> None:
        for run_id, folder in self.left.items():
            is_started = states.get(run_id) == "running" and folder.claim_file.exists()
            if is_started and run_id not in self.started:
                self.started.add(run_id)
                listener(RunStarted(run_id))

    def _care_for_lost(self, states: Mapping[str, JobState], listener: Listener) -> None:
        """Let go of what was cancelled, and do again, alone in its job, what was lost."""
        now = time.monotonic()
        for run_id in [each for each in self.left if each not in states]:
            self.is_given_up = True
            del self.left[run_id]
            listener(RunEnded(run_id, None))
        # A sweep that works on this machine may be at a run too.
        gone = [
            run_id
            for run_id, folder in self.left.items()
            if states[run_id] == "lost" and folder.state != "running"
        ]
        self.gone_since = {run_id: self.gone_since.get(run_id, now) for run_id in gone}
        lost = [each for each in gone if now - self.gone_since[each] >= LOST_AFTER_SECONDS]
        again = [self.left[run_id] for run_id in lost if self._may_try_again(run_id, listener)]
        if again:
            listener(Note(f"{len(again)} runs are submitted once more: their job ended before they did."))
            self.executor.hand_over(again, self.order, self.book, runs_per_job=1)

    def _may_try_again(self, run_id: str, listener: Listener) -> bool:
        del self.gone_since[run_id]
        self.losses[run_id] = self.losses.get(run_id, 0) + 1
        if self.losses[run_id] < ATTEMPTS:
            return True
        folder = self.left.pop(run_id)
        error = f"its job ended before it did, {ATTEMPTS} times; what the job said: {self._log_of(run_id)}"
        outcome = Outcome(run_id, "failed", error=error)
        folder.write_outcome(outcome)
        listener(RunEnded(run_id, outcome))
        return False

    def _log_of(self, run_id: str) -> Path:
        record = self.book.latest(run_id)
        assert record is not None
        job = f"{record.job_id}_{record.find_pack(run_id)}" if len(record.packs) > 1 else record.job_id
        return self.book.logs_folder / f"{job}_0_log.err"

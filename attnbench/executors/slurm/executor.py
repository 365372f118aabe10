"""Runs as jobs of a Slurm cluster, through submitit.

submitit writes the jobs down, submits and requeues them. Whether a run is done its folder says, and nothing else:
submitit's results are not read.
"""

import contextlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from attnbench.errors import UserError, storage_faults_named
from attnbench.executors.base import Executor, WorkOrder
from attnbench.executors.slurm.job import RunBundle
from attnbench.executors.slurm.queue import (
    Option,
    SilentSlurmError,
    SlurmError,
    ask,
    check_nodes_see,
    check_on_path,
    try_submission,
)
from attnbench.executors.slurm.records import JobRecords, new_record
from attnbench.executors.slurm.submission import ALONE, SlurmSubmission, SubmitResult
from attnbench.formatting import counted, duration, joined
from attnbench.ranges import Count, NonNegativeCount, Rate
from attnbench.runs.folder import RunFolder
from attnbench.runs.store import RunStore
from attnbench.schema import trusted_folder

OURS = ("array", "error", "job-name", "open-mode", "output", "signal", "wrap")


@dataclass(frozen=True, kw_only=True)
class Slurm(Executor):
    """Executes as jobs of a cluster.

    Attributes:
        time_minutes: limit of one job.
        memory_gb: of one job.
        jobs_at_once: how many of one array; an array holds a thousand jobs.
        cpus: of one job, and how many of its runs are made side by side.
        runs_per_job: one after the other, where there is one core.
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
        if self.save_seconds >= 60 * self.time_minutes:
            raise UserError(
                f"executor.save_seconds={self.save_seconds}: expected less than the time limit of a job, "
                f"{60 * self.time_minutes} s (executor.time_minutes={self.time_minutes})."
            )
        check_on_path()
        try_submission(self.options)
        if self.checks_folder:
            check_nodes_see(folder, self.partition, self.options)

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

    def jobs_in_words(self, groups: Sequence[int]) -> str:
        jobs: list[int] = []
        for size in groups:  # as _packs does
            if jobs and jobs[-1] + size <= self.runs_per_job:
                jobs[-1] += size
            else:
                jobs.append(size)
        asked = [
            counted(self.cpus, "core"),
            f"{self.memory_gb:g} GB",
            *([f"{self.gpus} GPU"] if self.gpus else []),
        ]
        place = f" in the partition {self.partition}" if self.partition else ""
        return (
            f"{counted(len(jobs), 'job')} of at most {counted(max(jobs), 'run')} each, {self.jobs_at_once} at once; "
            f"each asks for {joined(asked)}, for at most {duration(60 * self.time_minutes)}{place}."
        )

    def submit(self, run_folders: Sequence[Path], order: WorkOrder) -> SlurmSubmission:
        folders = [RunFolder(path.absolute()) for path in run_folders]
        book = JobRecords(RunStore(folders[0].path.parents[1]).jobs_path)

        def hand_over(each: Sequence[RunFolder], runs_per_job: int) -> SubmitResult:
            return self._hand_over(each, order, book, runs_per_job)

        first = hand_over(folders, self.runs_per_job)
        if first.is_in_vain and first.refusal is not None:
            raise first.refusal
        left = {folder.run_id: folder for folder in folders}
        return SlurmSubmission(book, left, first, hand_over, self.runs_per_job)

    def _hand_over(
        self, folders: Sequence[RunFolder], order: WorkOrder, book: JobRecords, runs_per_job: int
    ) -> SubmitResult:
        """Submit those runs that no job is at, array by array, until Slurm refuses one."""
        run_ids = [folder.run_id for folder in folders]
        try:
            with book.held():
                states = book.states(run_ids)
                found = [run_id for run_id in run_ids if states.get(run_id) in ("pending", "running")]
                taken = set(found)
                free = [folder for folder in folders if folder.run_id not in taken]
                packs = _packs(free, order, runs_per_job)
                return self._submit_arrays(packs, order, book, SubmitResult(found=found))
        except SlurmError as error:
            return SubmitResult(refused=run_ids, refusal=SilentSlurmError(f"{error}"))

    def _submit_arrays(
        self,
        packs: Sequence[Sequence[RunFolder]],
        order: WorkOrder,
        book: JobRecords,
        handed_over: SubmitResult,
    ) -> SubmitResult:
        size = largest_array()
        for first in range(0, len(packs), size):
            try:
                array = self._submit_array(packs[first : first + size], order, book)
            except SlurmError as error:
                refused = [folder.run_id for pack in packs[first:] for folder in pack]
                return replace(handed_over, refused=refused, refusal=error)
            handed_over.arrays.append(array)
        return handed_over

    def _submit_array(self, packs: Sequence[Sequence[RunFolder]], order: WorkOrder, book: JobRecords) -> str:
        """Submit an array and return its id.

        Raises:
            SlurmError: in the words of sbatch; a SilentSlurmError where Slurm does not answer at all.
        """
        record = new_record([[folder.run_id for folder in pack] for pack in packs])
        book.write(record)
        trusted = trusted_folder()
        jobs = [
            RunBundle(
                run_folders=tuple(str(folder.path) for folder in pack),
                device=order.device,
                trusted_folder=None if trusted is None else str(trusted),
                side_by_side=self.cpus,
                command=order.command,
                trunks={
                    each.run_id: order.trunks[each.run_id] for each in pack if each.run_id in order.trunks
                },
                writes_events=order.writes_events,
            )
            for pack in packs
        ]
        try:
            job_id = submit_array(jobs, book.logs_folder, self.requeues, self._parameters(record.name))
        except BaseException as error:
            answers = book.withdraw(record)
            if isinstance(error, SlurmError) and not answers:
                raise SilentSlurmError(f"{error}") from error
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


def _packs(folders: Sequence[RunFolder], order: WorkOrder, runs_per_job: int) -> list[list[RunFolder]]:
    """Divide runs among jobs: so many each, and the branches of one trunk in one job; each alone where it is ALONE."""
    if runs_per_job == ALONE:
        return [[folder] for folder in folders]
    by_path = {folder.path: folder for folder in folders}
    packs: list[list[RunFolder]] = []
    for group in order.by_trunk(list(by_path)):
        branches = [by_path[path] for path in group]
        if packs and len(packs[-1]) + len(branches) <= runs_per_job:
            packs[-1] += branches
        else:
            packs.append(branches)
    return packs


ARRAY_SIZE = 1000
UUID_LETTERS = 32


def largest_array() -> int:
    """Return how many jobs an array may have: a thousand, or fewer where the cluster says so."""
    try:
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", ask(["scontrol", "show", "config"]), re.MULTILINE)
    except SlurmError:
        return ARRAY_SIZE
    return min(ARRAY_SIZE, max(int(found[1]), 1)) if found else ARRAY_SIZE


def submit_array(
    jobs: Sequence[RunBundle], folder: Path, requeues: int, parameters: Mapping[str, Any]
) -> str:
    """Submit an array and return its id.

    Raises:
        SlurmError: in the words of sbatch.
        StorageError: where the disk does not take what submitit writes down.
    """
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    executor = submitit.SlurmExecutor(folder, max_num_timeout=requeues)
    executor.update_parameters(**parameters)
    loose_before = _loose_files(folder)
    try:
        # submitit prints the words of sbatch by itself; they are in the error too.
        with storage_faults_named(folder), contextlib.redirect_stderr(io.StringIO()), executor.batch():
            submitted = [executor.submit(job) for job in jobs]
    except (FailedJobError, FailedSubmissionError) as error:
        raise SlurmError(f"sbatch refused: {error}") from error
    finally:
        # What was refused may be submitted every minute from now on, and has a file for each job.
        for path in _loose_files(folder) - loose_before:
            path.unlink(missing_ok=True)
    return str(submitted[0].job_id).partition("_")[0]


def _loose_files(folder: Path) -> set[Path]:
    """Return what submitit wrote down for jobs that have no number yet; files of jobs bear theirs."""
    pickles = [path for path in folder.glob("*.pkl") if len(path.stem) == UUID_LETTERS]
    return {*pickles, *(path for path in folder.glob(".submission_file_*.sh") if not path.is_symlink())}

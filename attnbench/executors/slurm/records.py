"""Which jobs were submitted for which runs: `<sweep>/jobs/`, one file per array.

A file is written before its array is submitted and names it by a word of its own, so that jobs are found again
even where the sweep was killed at that very moment. How far a run is, its own folder says; a record serves to ask
Slurm whether somebody is still at it, since a claim need not hold between the hosts of a network file system.
"""

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from attnbench.errors import DamagedFileError, storage_faults_named
from attnbench.executors.slurm.queue import (
    QueuedJob,
    SlurmError,
    cancel_jobs,
    jobs_in_queue,
)
from attnbench.runs.io import ClaimedError, claimed, read_whole, take_checksum, with_checksum, write_json

JobState = Literal["pending", "running", "lost"]

ORDINARY = {"None", "Priority", "Resources", "BeginTime", "JobArrayTaskLimit", "Dependency"}
"""Reasons of Slurm for a job to wait that pass by themselves."""

TURN_SECONDS = 120.0
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class JobRecord:
    """One array.

    Attributes:
        name: the name of its jobs, which no other has.
        packs: the run_ids of each job, by its place in the array.
        submitted: when, in UTC.
        job_id: of the array; None until sbatch has told it.
        is_cancelled: whether `attnbench cancel` ended it, so that what it left counts as unfinished, not as lost.
    """

    name: str
    packs: list[list[str]]
    submitted: str
    job_id: str | None = None
    is_cancelled: bool = False

    def __post_init__(self) -> None:
        if not all(isinstance(run_id, str) for pack in self.packs for run_id in pack):
            raise TypeError(f"expected lists of run_ids, got {self.packs}")


@dataclass(frozen=True)
class JobOfRun:
    """What the jobs of a run do.

    Attributes:
        reason: why Slurm has the job wait, in its words.
        array_id: of the array that waits; None where nothing does.
    """

    state: JobState
    reason: str = "None"
    array_id: str | None = None

    @property
    def is_held(self) -> bool:
        """Whether it waits for what may not pass by itself."""
        return self.reason not in ORDINARY


def why_held(jobs: Iterable[JobOfRun]) -> list[tuple[int, str]]:
    """Return how many runs are held for each reason, and the reason with the command that frees them, if one does."""
    arrays: dict[str, list[str]] = {}
    for job in jobs:
        if job.is_held:
            arrays.setdefault(job.reason, []).append(job.array_id or "")
    return [(len(array_ids), _with_remedy(reason, array_ids)) for reason, array_ids in arrays.items()]


def _with_remedy(reason: str, array_ids: Sequence[str]) -> str:
    if "held" not in reason.lower():
        return reason
    return f"{reason} (`scontrol release {' '.join(dict.fromkeys(array_ids))}` frees them)"


Element = tuple[JobRecord, int]  # in the array


def new_record(packs: Sequence[Sequence[str]]) -> JobRecord:
    """Return the record of an array that is about to be submitted."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return JobRecord(f"attnbench-{uuid.uuid4().hex[:12]}", [list(pack) for pack in packs], now)


class JobRecords:
    """All records of one sweep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs_folder = folder / "logs"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others on this host from submitting for the same runs at the same moment; waits for its turn.

        Raises:
            SlurmError: where another takes too long.
        """
        with storage_faults_named(self.folder, is_writing=True):
            self.folder.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + TURN_SECONDS
        with ExitStack() as stack:
            while not self._takes_hold(stack):
                if time.monotonic() >= end:
                    raise SlurmError(
                        f"Another attnbench is still submitting the runs of {self.folder.parent}."
                    )
                time.sleep(LOOK_SECONDS)
            yield

    def _takes_hold(self, stack: ExitStack) -> bool:
        try:
            stack.enter_context(claimed(self.folder / "claim"))
        except ClaimedError:
            return False
        return True

    def write(self, record: JobRecord) -> None:
        """Put a record down, or replace it."""
        with storage_faults_named(self.folder, is_writing=True):
            self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self._file(record), with_checksum(asdict(record)))

    def forget(self, record: JobRecord) -> None:
        """Take away the record of an array that was refused."""
        self._file(record).unlink(missing_ok=True)

    def _file(self, record: JobRecord) -> Path:
        return self.folder / f"{record.name}.json"

    def withdraw(self, record: JobRecord) -> bool:
        """Take back an array that sbatch reported as refused; say whether Slurm answers.

        Slurm may have taken the jobs all the same, where its answer came too late: they would wait for files that
        nobody puts there, and are ended. Where it is silent the record stays, so that they are found later.
        """
        try:
            jobs = jobs_in_queue([record.name])
            if not jobs:
                self.forget(record)
                return True
            self.write(replace(record, is_cancelled=True))
            cancel_jobs(sorted({job.array_id for job in jobs}))
        except SlurmError:
            return False
        return True

    def records(self) -> list[JobRecord]:
        """Return every record, the latest last; what cannot be read is left out."""
        return _in_order(self._read())

    def _read(self) -> dict[str, JobRecord | None]:
        """Return every record by the name of its jobs, which its file has too; None where it is damaged."""
        return {path.stem: _record_in(path) for path in self.folder.glob("*.json")}

    def log_of(self, run_id: str) -> Path | None:
        """Return where the job that a run was last submitted with writes; None where nobody knows."""
        places = _places(self.records(), [run_id])
        if not places or places[run_id][-1][0].job_id is None:
            return None
        record, index = places[run_id][-1]
        job = f"{record.job_id}_{index}" if len(record.packs) > 1 else record.job_id
        return self.logs_folder / f"{job}_0_log.err"

    def states(self, run_ids: Sequence[str]) -> dict[str, JobState]:
        """Say as `jobs_of` does what the jobs of runs do, but not why."""
        return {run_id: job.state for run_id, job in self.jobs_of(run_ids).items()}

    def jobs_of(self, run_ids: Sequence[str]) -> dict[str, JobOfRun]:
        """Say of unfinished runs what their jobs do; a run that was never submitted, or was cancelled, is left out.

        A run is lost where its jobs are over; whether it is finished, the caller has to look.

        Raises:
            SlurmError: where Slurm does not answer.
            DamagedFileError: where jobs live of which nobody knows the runs.
        """
        records = self._read()
        places = _places(_in_order(records), run_ids)
        damaged = {name for name, record in records.items() if record is None}
        names = {record.name for each in places.values() for record, _ in each}
        queue = {(job.name, job.index): job for job in jobs_in_queue(sorted(names | damaged))}
        for name, _ in queue:
            if name in damaged:
                raise DamagedFileError(
                    f"{self.folder / name}.json is damaged, and its jobs live: which runs they are at is not known. "
                    f"`attnbench cancel {self.folder.parent}` ends them; the sweep takes their runs up again."
                )
        jobs = {run_id: _job_of_run(each, queue) for run_id, each in places.items()}
        return {run_id: job for run_id, job in jobs.items() if job is not None}

    def cancel(self) -> int:
        """End every job that is not over, also those of a record that is damaged, and return how many there were.

        Who is submitting is waited for: jobs of which Slurm knows before their record does would count as lost.

        Raises:
            SlurmError: where Slurm refuses or does not answer.
        """
        if not self.folder.is_dir():
            return 0
        with self.held():
            return self._cancel()

    def _cancel(self) -> int:
        records = self._read()
        jobs = jobs_in_queue(records)
        for name in {job.name for job in jobs}:
            # First: who waits for the jobs must not take them for lost, and submit them again.
            if record := records[name]:
                self.write(replace(record, is_cancelled=True))
        cancel_jobs(sorted({job.array_id for job in jobs}))
        return len(jobs)


def _record_in(path: Path) -> JobRecord | None:
    """Return what a file says; None where it is damaged.

    Raises:
        StorageError: where the disk does not give it, so that nobody submits its runs a second time.
    """
    try:
        values = dict(json.loads(read_whole(path)))
        is_whole = take_checksum(values)
        record = JobRecord(**values)
    except (OSError, ValueError, TypeError):
        return None
    return record if is_whole and record.name == path.stem else None


def _in_order(records: Mapping[str, JobRecord | None]) -> list[JobRecord]:
    return sorted(filter(None, records.values()), key=lambda record: record.submitted)


def _places(records: Iterable[JobRecord], run_ids: Iterable[str]) -> dict[str, list[Element]]:
    """Return the jobs that runs were ever submitted with, the latest last."""
    wanted = set(run_ids)
    places: dict[str, list[Element]] = {}
    for record in records:
        for index, pack in enumerate(record.packs):
            for run_id in wanted.intersection(pack):
                places.setdefault(run_id, []).append((record, index))
    return places


def _job_of_run(places: Sequence[Element], queue: dict[tuple[str, int], QueuedJob]) -> JobOfRun | None:
    """Return what the jobs of a run do: the latest, unless an earlier one lives on."""
    jobs = [queue[record.name, index] for record, index in places if (record.name, index) in queue]
    if any(job.is_running for job in jobs):
        return JobOfRun("running")
    if jobs:
        return JobOfRun("pending", jobs[-1].reason, jobs[-1].array_id)
    return None if places[-1][0].is_cancelled else JobOfRun("lost")

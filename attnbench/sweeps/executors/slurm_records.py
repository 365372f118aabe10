"""Which jobs were submitted for which runs: `<sweep>/jobs/`, one file per array.

A file is written before its array is submitted and names it by a word of its own, so that jobs are found again
even where the sweep was killed at that very moment. How far a run is, its own folder says; a record serves to ask
Slurm whether somebody is still at it, since a claim need not hold between the hosts of a network file system.
"""

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from attnbench.errors import UserError
from attnbench.runs.claim import ClaimedError, claimed
from attnbench.runs.files import write_json
from attnbench.sweeps.executors.slurm_commands import QueuedJob, cancel_jobs, jobs_in_queue

JobState = Literal["pending", "running", "lost"]


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

    def find_pack(self, run_id: str) -> int | None:
        """Return the place of the job that a run belongs to; None where it is in none."""
        return next((index for index, pack in enumerate(self.packs) if run_id in pack), None)


def new_record(packs: Sequence[Sequence[str]]) -> JobRecord:
    """Return the record of an array that is about to be submitted."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return JobRecord(f"attnbench-{uuid.uuid4().hex[:12]}", [list(pack) for pack in packs], now)


class JobBook:
    """All records of one sweep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs_folder = folder / "logs"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others on this host from submitting for the same runs at the same moment.

        Raises:
            UserError: where another is at it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(claimed(self.folder / "claim"))
            except ClaimedError as error:
                raise UserError(
                    f"Another attnbench is submitting the runs of {self.folder.parent} right now. "
                    "The same command in a moment joins its jobs."
                ) from error
            yield

    def write(self, record: JobRecord) -> None:
        """Put a record down, or replace it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self._file(record), asdict(record))

    def forget(self, record: JobRecord) -> None:
        """Take away the record of an array that was refused."""
        self._file(record).unlink(missing_ok=True)

    def _file(self, record: JobRecord) -> Path:
        return self.folder / f"{record.name}.json"

    def records(self) -> list[JobRecord]:
        """Return every record, the latest last; what cannot be read counts as none."""
        if not self.folder.is_dir():
            return []
        return sorted(self._read(), key=lambda record: record.submitted)

    def _read(self) -> Iterator[JobRecord]:
        for path in self.folder.glob("*.json"):
            try:
                yield JobRecord(**json.loads(path.read_bytes()))
            except (OSError, ValueError, TypeError):
                continue  # at worst a run is submitted twice, and the second finds it claimed or done

    def latest(self, run_id: str) -> JobRecord | None:
        """Return the record of the array that a run was last submitted with."""
        return next(
            (record for record in reversed(self.records()) if record.find_pack(run_id) is not None), None
        )

    def states(self, run_ids: Sequence[str]) -> dict[str, JobState]:
        """Say of unfinished runs what their jobs do; a run that was never submitted, or was cancelled, is left out.

        A run is lost where its job is over; whether it is finished, the caller has to look.

        Raises:
            SlurmError: where Slurm does not answer.
        """
        latest: dict[str, JobRecord] = {}
        for record in self.records():
            latest |= {run_id: record for pack in record.packs for run_id in pack}
        asked = {run_id: latest[run_id] for run_id in run_ids if run_id in latest}
        names = sorted({record.name for record in asked.values()})
        queue = {(job.name, job.index): job for job in jobs_in_queue(names)}
        states = {run_id: _state(run_id, record, queue) for run_id, record in asked.items()}
        return {run_id: state for run_id, state in states.items() if state is not None}

    def cancel(self) -> int:
        """End every job that is not over, and return how many there were.

        Raises:
            SlurmError: where Slurm refuses or does not answer.
        """
        records = {record.name: record for record in self.records()}
        jobs = jobs_in_queue(records)
        for name in {job.name for job in jobs}:
            # First: who waits for the jobs must not take them for lost, and submit them again.
            self.write(replace(records[name], is_cancelled=True))
        cancel_jobs(sorted({job.array_id for job in jobs}))
        return len(jobs)


def _state(run_id: str, record: JobRecord, queue: dict[tuple[str, int], QueuedJob]) -> JobState | None:
    pack = record.find_pack(run_id)
    job = queue.get((record.name, pack)) if pack is not None else None
    if job is not None:
        return "running" if job.is_running else "pending"
    return None if record.is_cancelled else "lost"

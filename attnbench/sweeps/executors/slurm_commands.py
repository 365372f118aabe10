"""Slurm's own commands. What goes wrong in them is told in their own words."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from attnbench.errors import UserError

COMMANDS = ("sbatch", "srun", "squeue", "sinfo", "scontrol", "scancel")
PATIENCE_SECONDS = 60.0
AT_THE_MOMENT = "Requested node configuration is not available"
"""What `sbatch --test-only` says of nodes that are down or drained, for which `sbatch` itself lets a job wait."""
QUEUED_JOB = re.compile(r"([^|]+)\|([^|]+)\|([^|]+)\|(.*)\|([A-Z_]+)")
"""What `squeue` says of a job. The state comes last: a line that was cut off in the reason, a sentence, lacks it."""

Option = str | int | float | bool


class SlurmError(UserError):
    """A command of Slurm that refused or did not answer."""


class SilentSlurmError(SlurmError):
    """Slurm does not answer, which may pass: whether it took what it was given nobody knows yet."""


@dataclass(frozen=True)
class QueuedJob:
    """A job that Slurm still means to run, or runs.

    Attributes:
        name: what it was submitted as.
        array_id: of the array that it belongs to; its own where it stands alone.
        index: its place in the array.
        is_running: False while it waits, be it for the first time or after it was requeued.
        reason: why it waits, in the words of Slurm; "None" where it need not.
    """

    name: str
    array_id: str
    index: int
    is_running: bool
    reason: str


def check_on_path() -> None:
    """Refuse a machine without Slurm.

    Raises:
        SlurmError: naming the commands that are missing.
    """
    absent = [command for command in COMMANDS if shutil.which(command) is None]
    if absent:
        raise SlurmError(
            f"The executor slurm needs {', '.join(absent)}, and there is none on PATH: it works where the "
            "jobs of a cluster are submitted. On this machine use --executor processes."
        )


def as_flags(options: Mapping[str, Option]) -> list[str]:
    """Return the words of a command line: {"mem": "4G", "exclusive": True} as --mem=4G --exclusive."""
    return [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in options.items()
        if value is not False
    ]


def try_submission(options: Mapping[str, Option]) -> None:
    """Let sbatch judge the options, submitting nothing.

    Raises:
        SlurmError: in the words of sbatch.
    """
    job = [*as_flags(options), "--wrap=true"]
    try:
        ask(["sbatch", "--test-only", *job])
    except SlurmError as refusal:
        if AT_THE_MOMENT not in f"{refusal}":
            raise
        # A job for later, taken back at once, tells what no node will ever do from what none can do now.
        later = ask(["sbatch", "--parsable", "--begin=now+1hour", "--output=/dev/null", *job])
        cancel_jobs([later.partition(";")[0].strip()])


def jobs_in_queue(names: Iterable[str]) -> list[QueuedJob]:
    """Return the jobs of these names that are not over.

    Raises:
        SlurmError: where Slurm does not answer, or not to the end.
    """
    wanted = ",".join(names)
    if not wanted:
        return []
    said = ask(["squeue", "--noheader", "--array", f"--name={wanted}", "--format=%j|%F|%K|%r|%T"])
    return [_queued_job(line.strip()) for line in said.splitlines() if line.strip()]


def _queued_job(line: str) -> QueuedJob:
    found = QUEUED_JOB.fullmatch(line)
    if found is None:
        raise SlurmError(f"squeue said what cannot be read: {line}")
    name, array_id, index, reason, state = found.groups()
    is_running = state in ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT")
    return QueuedJob(name, array_id, int(index) if index.isdigit() else 0, is_running, reason)


def cancel_jobs(job_ids: Sequence[str]) -> None:
    """End jobs, whole arrays at once.

    Raises:
        SlurmError: in the words of scancel.
    """
    if job_ids:
        ask(["scancel", *job_ids])


def nodes_of(partition: str | None) -> list[str]:
    """Return the names of the nodes on which a job may land."""
    chosen = [f"--partition={partition}"] if partition else []
    return ask(["sinfo", "--noheader", "--Node", "--format=%N", *chosen]).split()


def ask(command: Sequence[str], patience_seconds: float = PATIENCE_SECONDS) -> str:
    """Return what a command prints.

    Raises:
        SlurmError: where it refuses, or says nothing for too long.
    """
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=patience_seconds)
    except subprocess.TimeoutExpired as error:
        raise SlurmError(
            f"{command[0]} did not answer within {patience_seconds:g} s: is Slurm up? (`sinfo` tells)"
        ) from error
    except OSError as error:
        raise SlurmError(f"{command[0]} cannot be run: {error.strerror}.") from error
    if finished.returncode:
        raise SlurmError(f"{command[0]} refused: {finished.stderr.strip() or finished.stdout.strip()}")
    return finished.stdout

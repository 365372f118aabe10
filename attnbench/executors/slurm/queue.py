"""Slurm's own commands. What goes wrong in them is told in their own words."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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


# File systems that one machine has for itself.
LOCAL = {"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"}
NODES_BY_RIGHT = ("account", "partition", "qos", "reservation")
NODES_BY_KIND = ("constraint", "gpus-per-node", "gres", "mem", "prefer")
NODES_BY_NAME = ("exclude", "nodefile", "nodelist")
MOUNTS_FILE = Path("/proc/mounts")
PROBE_SECONDS = 120


def check_nodes_see(folder: Path, partition: str | None, options: Mapping[str, Option]) -> None:
    """Refuse a folder that the nodes do not see.

    A folder on a network file system is taken as seen, and so is any where this machine is the only node. For
    another a job of a moment looks for a file that is made for it, where the options send it.

    Raises:
        SlurmError: where it is not seen, or nobody could look.
    """
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists()).resolve()
    kind = file_system_of(existing)
    if kind not in LOCAL or set(nodes_of(partition)) <= {socket.gethostname(), _short_host_name()}:
        return
    remedy = (
        f"{existing} lies on {kind}, which as a rule one machine has for itself. Put the results where the nodes "
        "see them (--results), or say executor.checks_folder=false where you know better."
    )
    with tempfile.NamedTemporaryFile(dir=existing, prefix=".attnbench-") as file:
        marks = "saw", "did not see"
        script = f'test -e "$1" && echo {marks[0]} || echo {marks[1]}'
        command = ["srun", *as_flags({**_where(options), "time": 1, "ntasks": 1, "immediate": PROBE_SECONDS})]
        try:
            said = ask([*command, "bash", "-c", script, "bash", file.name], 2.0 * PROBE_SECONDS)
        except SlurmError as error:
            raise SlurmError(
                f"No node could be asked whether it sees the results: {error}\n{remedy}"
            ) from error
    if marks[1] in said or marks[0] not in said:
        raise SlurmError(f"The nodes of the cluster do not see the results folder {folder}. {remedy}")


def _where(options: Mapping[str, Option]) -> dict[str, Option]:
    """Return the options that choose a node; any other, such as hold or exclusive, would have the question wait."""
    chosen_by = (*NODES_BY_RIGHT, *NODES_BY_KIND, *NODES_BY_NAME)
    return {name: options[name] for name in chosen_by if name in options}


def _short_host_name() -> str:
    return socket.gethostname().partition(".")[0]


def file_system_of(path: Path, mounts_file: Path = MOUNTS_FILE) -> str:
    """Return the kind of file system that a path lies on, such as ext4 or nfs4; "unknown" where nothing tells."""
    kinds = {"": "unknown"}
    for line in mounts_file.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        written, kind = line.split()[1:3]
        place = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), written)  # \040 is a blank
        if os.path.commonpath([path, place]) == place:
            kinds[place] = kind
    return kinds[max(kinds, key=len)]

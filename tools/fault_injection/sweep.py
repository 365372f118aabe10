"""The sweep that is disturbed: the words that its user types, and what it comes to when nobody disturbs it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from attnbench.runs.metrics_csv import METRICS_COLUMNS, read_rows

NAME = "tortured"
TIMES = ("train_seconds", "tokens_per_second")
COMPARED = tuple(name for name in METRICS_COLUMNS if name not in TIMES)
# Eight runs of about two seconds, with a checkpoint ten times a second.
WORDS = (
    *("sweep", "--no-plot", "--models", "fixed,luong_general", "--lengths", "4,8", "--seeds", "2"),
    *("training.steps=240", "training.evaluate_every=10", "training.batch_size=16"),
    *("training.validation_examples=32", "training.test_examples=64"),
    *("model.hidden_size=16", "model.embedding_size=16", "device=cpu"),
)
EXECUTORS = {
    "processes": ("--executor", "processes", "--workers", "2"),
    "slurm": (
        "--executor",
        "slurm",
        "executor.memory_gb=0.5",
        "executor.runs_per_job=2",
        "executor.jobs_at_once=2",
    ),
}
RowKey = tuple[str, str]
# What a shell makes of a process that died of a signal; SIGKILL stays visible as such.
AS_A_SHELL_SAYS = {-signal.SIGINT: 130, -signal.SIGTERM: 143, -signal.SIGHUP: 129}
Streams = Literal["whole", "closed", "without a reader", "on a full disk"]
CLOSES_STREAMS = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")


class Command:
    """One `attnbench sweep` with all its processes, and what it said.

    Attributes:
        expected: the exit statuses that are promised after what has been done to it.
    """

    def __init__(self, words: Sequence[str], log: Path, streams: Streams = "whole") -> None:
        self.log = log
        self.expected = {0}
        program = str(Path(sys.executable).with_name("attnbench"))
        typed = [*(CLOSES_STREAMS if streams == "closed" else ()), program, *words]
        log.touch()
        with Path("/dev/full" if streams == "on a full disk" else log).open("wb") as said:
            self.process = subprocess.Popen(
                typed,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE if streams == "without a reader" else said,
                # A group of its own, as a terminal would give it: signals reach all of it, and only it.
                start_new_session=True,
            )
        if self.process.stderr is not None:
            self.process.stderr.close()

    @property
    def is_running(self) -> bool:
        """Whether the command itself, the parent of the workers, has not ended."""
        return self.process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status, as a shell tells it but for SIGKILL: -9; None before the end."""
        status = self.process.poll()
        return status if status is None else AS_A_SHELL_SAYS.get(status, status)

    def said(self) -> str:
        """Return what it has written to stderr."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def members(self) -> list[int]:
        """Return the living processes of its group, itself and orphaned workers included."""
        return [pid for pid, group in _groups().items() if group == self.process.pid and _is_ours(pid)]

    def workers(self) -> list[int]:
        """Return its living workers."""
        return [pid for pid in self.members() if b"attnbench.executors.worker" in _words_of(pid)]

    def send(self, number: int, *pids: int) -> None:
        """Send a signal to processes of the command, to all of them where none is named."""
        for pid in pids or self.members():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue  # it has just ended

    def end(self) -> None:
        """Leave nothing of it behind."""
        self.send(signal.SIGKILL)
        self.process.wait()


def _groups() -> dict[int, int]:
    """Return the process group of every living process of the machine; a zombie lives no more."""
    groups = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The name in brackets may hold spaces; after it come state, parent and group.
            state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if state not in "ZX":
            groups[int(folder.name)] = int(group)
    return groups


def _words_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _is_ours(pid: int) -> bool:
    """Say whether a process belongs to attnbench: numbers of groups are used again."""
    return b"attnbench" in _words_of(pid)


def holder_of(claim: Path) -> int | None:
    """Return the process that holds a claim, None where nobody does.

    The system is asked for its locks: to try the lock, as attnbench itself looks, would disturb whoever takes it.
    """
    try:
        found = claim.stat()
    except OSError:
        return None
    for line in Path("/proc/locks").read_text().splitlines():
        # 1: FLOCK ADVISORY WRITE <process> <device>:<inode> 0 EOF
        words = line.split()
        is_like_it = words[1] == "FLOCK" and words[3] == "WRITE" and words[5].endswith(f":{found.st_ino}")
        # Numbers of files are those of their disk, and the disk is not always told as stat tells it.
        if is_like_it and _has_open(int(words[4]), found):
            return int(words[4])
    return None


def _has_open(pid: int, file: os.stat_result) -> bool:
    try:
        opened = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
    return any(_is_same(each, file) for each in opened)


def _is_same(opened: Path, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(opened.stat(), file)
    except OSError:
        return False


@dataclass(frozen=True)
class Reference:
    """What the sweep comes to when nobody disturbs it: the compared cells by run and length."""

    rows: Mapping[RowKey, Mapping[str, str]]

    @property
    def run_ids(self) -> list[str]:
        """The planned runs."""
        return sorted({run_id for run_id, _ in self.rows})


def compared_rows(path: Path) -> dict[RowKey, dict[str, str]]:
    """Read a metrics.csv: the cells that no disturbance may change, by run and length."""
    return {(row["run_id"], row["length"]): {name: row[name] for name in COMPARED} for row in read_rows(path)}


def make_reference(folder: Path) -> Reference:
    """Let the sweep end undisturbed."""
    command = Command([*words_of("processes"), "--results", str(folder)], folder.with_suffix(".log"))
    try:
        status = command.process.wait()
    finally:
        command.end()
    if status != 0:
        raise SystemExit(f"The undisturbed sweep ended with {status}:\n{command.log.read_text()}")
    return Reference(compared_rows(folder / NAME / "metrics.csv"))


def words_of(executor: str) -> list[str]:
    """Return what the user types after `attnbench`, but for the folder."""
    return [*WORDS, "--name", NAME, *EXECUTORS[executor]]

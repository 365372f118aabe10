"""The program as its user meets it: in this process, or as a process of its own."""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attnbench.cli.main import app

TINY = (
    "training.steps=4",
    "training.evaluate_every=2",
    "training.batch_size=4",
    "training.validation_examples=8",
    "training.test_examples=8",
    "model.hidden_size=8",
    "model.embedding_size=8",
    "device=cpu",
)
# Nothing is learnt, so that a run that somebody is to meet in its middle is not solved before.
ENDLESS = ("training.steps=1000000", "training.patience=1000000", "training.learning_rate=1e-9")
TINY_SWEEP = ("sweep", "--executor", "inline", "--lengths", "2,3", "--seeds", "1", "--no-plot", *TINY)
MIXED_SWEEP = (*TINY_SWEEP, "--models", "fixed", "--protocol", "mixed", "--train-range", "2:5")
# What may differ between two executions of the same run.
TIMES = ("train_seconds", "tokens_per_second")


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def attnbench(*words: object) -> Finished:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app(args=[str(word) for word in words])
            status = 0
        except SystemExit as leaving:
            status = int(leaving.code or 0)
    return Finished(status, out.getvalue(), err.getvalue())


def in_a_process(*words: object, cwd: Path | None = None) -> Finished:
    """Run a command as a process and wait for its end."""
    with started(*words, cwd=cwd) as process:
        out, err = process.communicate(timeout=120)
    return Finished(process.returncode, out, err)


@contextlib.contextmanager
def started(*words: object, cwd: Path | None = None) -> Iterator["subprocess.Popen[str]"]:
    """Start a command as a process; whatever the test does, it does not outlive it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "attnbench", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def without_times(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return the rows in the order of their names, without what differs from one execution to the next."""
    kept = [{name: cell for name, cell in row.items() if name not in TIMES} for row in rows]
    return sorted(kept, key=lambda row: (row["run_id"], int(row["length"])))


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return what is in a folder: the bytes of every file, None for every folder."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def run_folders(folder: Path) -> list[Path]:
    return sorted((folder / "runs").iterdir())


def modification_times(folder: Path) -> dict[str, int]:
    """Return when each run of a sweep was last finished."""
    files = [each / "status.json" for each in run_folders(folder)]
    return {file.parent.name: file.stat().st_mtime_ns for file in files if file.exists()}

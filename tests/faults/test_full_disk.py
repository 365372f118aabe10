"""Disks that really are full or read-only: small ones in memory, and a limit on the size of files."""

import errno
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from attnbench.cli.progress import SweepProgress
from attnbench.runs.folder import RunFolder
from tests.commands import attnbench, contents, rows_of, run_folders, without_times
from tests.faults.carrying_on import FOLDER, TRAIN, TWO_RUNS, carry_on, complete
from tests.faults.writes import Write, at_write, halves_in

SWEEP = (*TWO_RUNS, "--no-plot", "--results")
FULL = "No space left on device"
SMALL = "1500k"
LARGE = "8m"


class Disk:
    """A file system of its own in memory.

    Attributes:
        path: where it is mounted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self, *_: object) -> None:
        """Leave not a byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (64 * 1024, 4096, 1):
                while _takes(file, size):
                    pass

    def make_room(self) -> None:
        """Take away what filled it."""
        self._ballast.unlink()

    def remount(self, options: str) -> None:
        """Change its options, such as `ro`, `rw` or `size=1m`."""
        _call("mount", "-o", f"remount,{options}", self.path)


@contextmanager
def mounted(path: Path, size: str) -> Iterator[Disk]:
    """Mount a disk of a size; where that is not allowed, the test is skipped."""
    path.mkdir()
    try:
        _call("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"mounting a small disk takes root ({error})")
    try:
        yield Disk(path)
    finally:
        _call("umount", "--lazy", path)


def _takes(file: IO[bytes], size: int) -> bool:
    try:
        return file.write(bytes(size)) == size
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


def _call(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path):
    with mounted(tmp_path / "disk", LARGE) as disk:
        yield disk


def check_named_once(finished, reason):
    assert finished.status == 1, finished.err
    assert "Traceback" not in finished.err
    assert finished.err.count(reason) == 1
    assert "the same command carries on." in finished.err


@pytest.mark.parametrize("words", [TWO_RUNS, TRAIN], ids=lambda words: words[0])
def test_nothing_begins_on_a_full_disk(disk, words):
    disk.fill()
    before = contents(disk.path)
    finished = attnbench(*words, "--results", disk.path / "results")
    assert finished.status == 2
    assert f"cannot be written to ({FULL}). Use another --results or --name." in finished.err
    assert contents(disk.path) == before


FILLED_AFTER = [
    Write("spec.yaml", 1, "after"),
    Write("environment.json", 1, "after"),
    Write("checkpoint.pt", 1, "after"),
    Write("metrics.csv", 1, "after"),
    Write("status.json", 1, "after"),
    Write("status.json", 2, "after"),
    Write("curve.csv", 1, "after"),
]


@pytest.mark.parametrize("write", FILLED_AFTER, ids=lambda write: f"{write.name}-{write.number}")
def test_a_disk_that_fills_up_in_the_middle_of_a_sweep(disk, expected, monkeypatch, write):
    at_write(monkeypatch, write, disk.fill)
    check_named_once(attnbench(*SWEEP, disk.path), FULL)
    assert "failed" not in {RunFolder(path).state for path in run_folders(disk.path / FOLDER)}
    assert halves_in(disk.path) == []
    disk.make_room()
    carry_on(disk.path, expected)


def test_a_disk_that_fills_up_in_the_middle_of_a_train(disk, tmp_path, monkeypatch):
    at_write(monkeypatch, Write("checkpoint.pt", 1, "after"), disk.fill)
    check_named_once(attnbench(*TRAIN, "--results", disk.path), FULL)
    again = attnbench(*TRAIN, "--results", disk.path)
    assert (again.status, FULL in again.err) == (2, True)
    disk.make_room()
    assert complete(TRAIN, disk.path).out == complete(TRAIN, tmp_path / "undisturbed").out
    (run,) = run_folders(disk.path / "train")
    outcome = RunFolder(run).read_outcome()
    assert outcome is not None
    assert outcome.resumed_from_step == 2


def test_a_disk_that_is_full_when_the_figures_are_drawn(disk, expected, monkeypatch):
    at_write(monkeypatch, Write("verdict.md", 1, "after"), disk.fill)
    finished = attnbench(*TWO_RUNS, "--results", disk.path)
    check_named_once(finished, FULL)
    assert "accuracy_vs_length.png: No space" in finished.err
    assert halves_in(disk.path) == []
    disk.make_room()
    carry_on(disk.path, expected)


@pytest.mark.slow
def test_workers_that_share_a_disk_too_small_for_all_runs(tmp_path):
    words = ("--lengths", "2,3,4,5,6,7,8,9", "model.hidden_size=32")
    with mounted(tmp_path / "disk", SMALL) as disk:
        beside = (*SWEEP, disk.path, *words, "--executor", "processes", "--workers", "2")
        check_named_once(attnbench(*beside), FULL)
        states = [RunFolder(path).state for path in run_folders(disk.path / FOLDER)]
        assert "failed" not in states
        assert "done" in states
        assert "waiting" in states
        assert halves_in(disk.path) == []
        disk.remount(f"size={LARGE}")
        rows = rows_after(complete((*TWO_RUNS, *words), disk.path), disk.path)
    assert rows == rows_after(complete((*TWO_RUNS, *words), tmp_path), tmp_path)


def rows_after(_, results):
    return without_times(rows_of(results / FOLDER / "metrics.csv"))


def test_a_file_that_may_not_become_so_large(results, expected):
    small, large = resource.getrlimit(resource.RLIMIT_FSIZE)
    words = (*TRAIN, "model.hidden_size=64", "--results", results)
    resource.setrlimit(resource.RLIMIT_FSIZE, (128 * 1024, large))
    try:
        check_named_once(attnbench(*words), "File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (small, large))
    assert halves_in(results) == []
    assert attnbench(*words).status == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which is always full")
def test_a_log_on_a_full_disk_ends_no_sweep(results, expected):
    command = [
        sys.executable,
        "-m",
        "attnbench",
        *SWEEP,
        results,
        "--executor",
        "processes",
        "--workers",
        "1",
    ]
    with Path("/dev/full").open("w") as log:
        status = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=log, check=False).returncode
    assert status == 0
    carry_on(results, expected)


@pytest.mark.parametrize("words", [TWO_RUNS, TRAIN], ids=lambda words: words[0])
def test_nothing_begins_on_a_read_only_disk(disk, words):
    disk.remount("ro")
    finished = attnbench(*words, "--results", disk.path / "results")
    assert finished.status == 2
    assert "cannot be written to (Read-only file system)" in finished.err


def test_a_disk_that_turns_read_only_between_two_runs(disk, expected, monkeypatch):
    end = SweepProgress._end

    def end_and_remount(self, event):
        end(self, event)
        disk.remount("ro")

    monkeypatch.setattr(SweepProgress, "_end", end_and_remount)
    finished = attnbench(*SWEEP, disk.path)
    check_named_once(finished, "Read-only file system")
    assert "1 of 2 runs are left" in finished.err
    monkeypatch.undo()
    assert attnbench("plot", FOLDER, "--results", disk.path).status == 2
    assert attnbench("status", FOLDER, "--results", disk.path).status == 0
    disk.remount("rw")
    carry_on(disk.path, expected)


def test_a_run_folder_that_turns_read_only_in_the_middle_of_a_run(disk, expected, monkeypatch):
    """Files that are open for writing keep a whole disk from it; a folder made immutable is the nearest."""

    def freeze(temporary):
        frozen.append(temporary.parent)
        if subprocess.run(["chattr", "+i", temporary.parent], capture_output=True, check=False).returncode:
            pytest.skip("this disk knows no immutable folders")

    frozen = []
    at_write(monkeypatch, Write("checkpoint.pt", 2, "middle"), freeze)
    check_named_once(attnbench(*SWEEP, disk.path), "Operation not permitted")
    subprocess.run(["chattr", "-i", *frozen], check=True)
    carry_on(disk.path, expected)

"""Standard streams that are closed, full or without a reader: the work is done, and the exit status is the true one."""

import errno
import io
import itertools
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from attnbench.standard_streams import ForgivingStream
from tests.commands import ENDLESS, TINY, TINY_SWEEP, run_folders
from tests.faults.waiting import checkpoints, wait_for

PROGRAM = f"{sys.executable} -m attnbench"
CLOSED = ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"]
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, which is always full")
SWEEP = ("sweep", *TINY_SWEEP[1:], "--executor", "processes", "--workers", "1")


def in_a_shell(script, cwd):
    """Run a script of bash, in which $A is the program; return its end."""
    return subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "A": PROGRAM, "OMP_NUM_THREADS": "1"},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def states(folder):
    return [(run / "status.json").exists() for run in run_folders(folder)]


class Refusing(io.StringIO):
    """A stream whose disk or reader refuses everything."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))

    flush = write


@pytest.mark.parametrize("fault", ["EPIPE", "EIO", "ENOSPC", "EDQUOT", "EBADF", "EAGAIN"])
def test_what_nobody_takes_is_let_go(fault):
    stream = ForgivingStream(Refusing(getattr(errno, fault)))
    assert stream.write("a word") == 6
    stream.writelines(["a", "b"])
    assert (stream.refusal is None) == (fault in ("EPIPE", "EIO", "EBADF"))


def test_where_the_reader_is_gone_all_later_writes_lead_nowhere():
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        stream = ForgivingStream(pipe)
        stream.write("lost")
        stream.flush()
        said = b"what a library writes ends nothing either"
        assert os.write(pipe.fileno(), said) == len(said)


def test_a_stream_that_takes_everything_is_as_it_was():
    inner = io.StringIO()
    stream = ForgivingStream(inner)
    stream.writelines(["a", "b"])
    stream.flush()
    assert (inner.getvalue(), stream.refusal, stream.readable()) == ("ab", None, True)


@pytest.mark.parametrize(
    ("words", "status", "closed"),
    [
        *itertools.product(["list models"], [0], CLOSED),
        # JSON differs from a table in what it does with standard output alone.
        *itertools.product(["list models --json"], [0], [closed for closed in CLOSED if "1>" in closed]),
        *itertools.product(["status nowhere", "--wrong"], [2], CLOSED),
    ],
)
def test_closed_streams_change_no_exit_status(tmp_path, words, status, closed):
    finished = in_a_shell(f"$A {words} {closed}", tmp_path)
    assert finished.returncode == status
    assert "Traceback" not in finished.stderr
    assert ("bahdanau" in finished.stdout) == (status == 0 and "1>" not in closed)


@pytest.mark.parametrize("words", ["list models", "list models --json", "--help"])
def test_a_reader_of_the_results_that_goes_away_is_none_of_our_business(tmp_path, words):
    finished = in_a_shell(f"$A {words} 2>&1 | true; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert (finished.stdout, finished.stderr) == ("0\n", "")


@needs_full
@pytest.mark.parametrize("words", ["list models", "list models --json"])
def test_results_that_a_disk_does_not_take_are_named(tmp_path, words):
    finished = in_a_shell(f"$A {words} > {FULL}", tmp_path)
    assert finished.returncode == 1
    assert finished.stderr == (
        "attnbench: Standard output is incomplete: No space left on device. "
        "Make room there, then repeat the command.\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("end", [*CLOSED, pytest.param(f"2>{FULL}", marks=needs_full)])
def test_a_sweep_does_its_work_without_them(tmp_path, end):
    finished = in_a_shell(f"$A {' '.join(SWEEP)} {end}", tmp_path)
    assert finished.returncode == 0
    assert all(states(tmp_path / "results" / "quick-reverse"))


@pytest.mark.slow
@pytest.mark.parametrize("words", [" ".join(SWEEP), " ".join(("train", *TINY, "task.length=3"))])
@pytest.mark.parametrize("reader", ["2>&1 | head -1", "| true"])
def test_a_reader_that_goes_away_costs_no_run(tmp_path, words, reader):
    finished = in_a_shell(f"$A {words} {reader}; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert finished.stdout.splitlines()[-1] == "0"
    assert "Traceback" not in finished.stderr
    (folder,) = (tmp_path / "results").iterdir()
    assert all(states(folder))


@pytest.mark.slow
def test_a_reader_that_ctrl_c_ends_first_leaves_the_exit_status_and_the_last_lines(tmp_path):
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "attnbench", *SWEEP, *ENDLESS],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    os.close(write_end)
    wait_for(lambda: checkpoints(tmp_path / "results" / "quick-reverse"))
    os.close(read_end)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-2:] == [
        "Saving what has been done …",
        "4 of 4 runs are left; the same command carries on.",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("is_ignored", [False, True], ids=["", "nohup"])
def test_a_terminal_that_is_closed(tmp_path, is_ignored):
    words = [*SWEEP, *(() if is_ignored else ENDLESS)]
    folder = tmp_path / "results" / "quick-reverse"
    with on_a_terminal(words, tmp_path, is_ignored) as process:
        wait_for(lambda: checkpoints(folder))
    assert process.wait(timeout=60) == (0 if is_ignored else 129)
    assert any(states(folder)) == is_ignored


@contextmanager
def on_a_terminal(words, folder, is_ignored):
    """Start the program on a terminal of its own, which is closed at the end of the block."""
    terminal, ours = pty.openpty()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, sys.executable, "-m", "attnbench", *words],
            cwd=folder,
            stdin=ours,
            stdout=ours,
            stderr=ours,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGHUP, before)
        os.close(ours)
    is_over = threading.Event()
    reader = threading.Thread(target=read_along, args=(terminal, is_over))
    reader.start()
    try:
        yield process
    finally:
        is_over.set()
        reader.join()
        os.close(terminal)


TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def read_along(terminal, is_over):
    while not is_over.is_set():
        if select.select([terminal], [], [], 0.1)[0]:
            with suppress(OSError):
                os.read(terminal, 4096)

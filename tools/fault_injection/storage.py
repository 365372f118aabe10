"""Faults that strike the place of the results: a disk that is full for a while, a folder that turns read-only.

Both need root. The disk is a small tmpfs. Read-only is a second, read-only mount of the folder laid over it, which
hits every file that is opened from then on; the system refuses to make a mount read-only in which files are open.
"""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.fault_injection.round import Fault, Round

DISK_MEGABYTES = 32
BALLAST = "ballast"
CHUNK = 2**16
MOUNT_ATTEMPTS = 20
# 1: some runs failed, and are named; 2: the folder cannot be written to, so nothing was begun.
STATUSES = {0, 1, 2}


def why_no_mounts() -> str | None:
    """Return why these faults cannot be caused here; None where they can."""
    return None if os.geteuid() == 0 else "they need root, to mount"


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Let a folder be a disk of its own."""
    folder.mkdir(parents=True)
    _call("mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder))
    try:
        yield
    finally:
        # Lazily: whoever has a file open there must not keep the round from ending.
        _call("umount", "--lazy", str(folder))


@contextmanager
def _full(folder: Path) -> Iterator[None]:
    """Leave no byte free on the disk of a folder."""
    ballast = folder / BALLAST
    try:
        with ballast.open("wb", buffering=0) as file:
            for size in (CHUNK, 1):
                _write_until_full(file.fileno(), size)
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _write_until_full(file: int, size: int) -> None:
    try:
        while os.write(file, bytes(size)):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """Let nobody write below a folder."""
    _lay_over(folder)
    try:
        yield
    finally:
        _call("umount", "--lazy", str(folder))


def _lay_over(folder: Path) -> None:
    """Lay a read-only mount over a folder; again where a file was opened in it before it was read-only."""
    for attempt in range(MOUNT_ATTEMPTS):
        _call("mount", "--bind", str(folder), str(folder))
        try:
            _call("mount", "-o", "remount,bind,ro", str(folder))
        except subprocess.CalledProcessError:
            _call("umount", "--lazy", str(folder))
            if attempt + 1 == MOUNT_ATTEMPTS:
                raise
        else:
            return


def _fill_disk(round_: Round) -> int | None:
    if not round_.results.is_mount():
        return None
    command = round_.running_command()
    round_.await_moment(command)
    if not command.is_running:
        return None
    command.expected |= STATUSES
    hits = round_.in_flight()
    with _full(round_.results):
        round_.let_pass(command, round_.choice.uniform(0.5, 5))
    round_.wait(command)
    return hits


def _forbid_writing(round_: Round) -> int | None:
    command = round_.running_command()
    round_.await_moment(command)
    if not command.is_running:
        return None
    command.expected |= STATUSES
    hits = round_.in_flight()
    with _read_only(round_.results):
        round_.let_pass(command, round_.choice.uniform(0.5, 5))
    round_.wait(command)
    return hits


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


FULL_DISK = Fault("a full disk for a while", _fill_disk, lets_finish=True)
STORAGE_FAULTS = [FULL_DISK, Fault("read-only for a while", _forbid_writing, lets_finish=True)]

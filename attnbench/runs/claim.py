"""Who works on a run: a lock that ends with its holder, however that one ends."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from attnbench.errors import storage_faults_named

LOOKING_SECONDS = 0.05
"""Longer than anybody holds a claim just to see whether it is held."""


class ClaimedError(Exception):
    """Another living process works on this run."""


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold the claim; the operating system takes it back when this process ends, even by SIGKILL.

    Raises:
        ClaimedError: when another process holds it.
        StorageError: when the disk does not take it, or has no locks.
    """
    with _opened(path) as file:
        try:
            with storage_faults_named(path):
                _lock_at_once(file)
        except BlockingIOError as error:
            raise ClaimedError(f"{path} is held by another process") from error
        _write_holder(file, path)
        yield


@contextmanager
def held_in_turn(path: Path) -> Iterator[None]:
    """Hold a claim, after waiting for others to give it back; for what takes moments.

    Raises:
        StorageError: when the disk does not take it.
    """
    with _opened(path) as file:
        with storage_faults_named(path):
            fcntl.flock(file, fcntl.LOCK_EX)
        _write_holder(file, path)
        yield


def is_claimed(path: Path) -> bool:
    """Say whether a living process of this host holds the claim.

    Raises:
        StorageError: when the disk does not tell.
    """
    try:
        with storage_faults_named(path), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _opened(path: Path) -> BinaryIO:
    with storage_faults_named(path, is_writing=True):
        # Not buffered: what a full disk refused must not be tried again when the file is closed.
        return path.open("a+b", buffering=0)


def _lock_at_once(file: BinaryIO) -> None:
    """Take the lock, past somebody who only looks whether it is held; raises BlockingIOError."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(LOOKING_SECONDS)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write_holder(file: BinaryIO, path: Path) -> None:
    with storage_faults_named(path):
        file.truncate(0)
        file.write(json.dumps({"host": socket.gethostname(), "process": os.getpid()}).encode())

"""Files of ours: written whole or not at all, read once while they stay the same, held in turn, checked by sums.

How one is written is in attnbench/atomic.py, which tasks use too.
"""

import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import yaml

from attnbench.atomic import read_whole as read_whole
from attnbench.atomic import remove_partial_files as remove_partial_files
from attnbench.atomic import write_atomically as write_atomically
from attnbench.errors import is_storage_fault, storage_faults_named


def write_json(path: Path, value: Any) -> None:
    """Put a value at path as JSON, in one step."""
    write_atomically(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


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


Content = TypeVar("Content")


class CachedFile(Generic[Content]):
    """What was read of a file.

    A sweep asks for the same files many times, and for those of thousands of runs. Who writes one puts a new file in
    place of the old one: what still is the same file, unchanged, was read before.

    Args:
        path: of the file, there or not.
        read: reads it, or raises; an error is not kept. What it returns is shared by all who ask.
    """

    def __init__(self, path: Path, read: Callable[[], Content]) -> None:
        self._path = path
        self._read = read
        self._kept: tuple[tuple[int, ...], Content] | None = None

    def get(self) -> Content | None:
        """Return what the file holds; None where there is none.

        Raises:
            StorageError: where the disk does not say whether there is one.
        """
        identity = _identity(self._path)
        if identity is None:
            return None
        if self._kept is None or self._kept[0] != identity:
            self._kept = None
            content = self._read()
            # Told before reading: where the file is replaced in between, it is read once more, not once too few.
            self._kept = (identity, content) if identity else None
            return content
        return self._kept[1]


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what tells a file from what it was before; None where there is none, nothing where it cannot be told."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        with storage_faults_named(path):
            if is_storage_fault(error):
                raise
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


CHECKSUM = "checksum"  # of the rest of the file; files of before it was introduced have none


def with_checksum(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a JSON file with the checksum that belongs to them."""
    return {**values, CHECKSUM: _checksum(values)}


def take_checksum(values: dict[str, Any]) -> bool:
    """Take the checksum, where there is one, out of values that were read; say whether it belongs to the rest."""
    return values.pop(CHECKSUM, None) in (None, _checksum(values))


def fingerprint(path: Path) -> dict[str, Any]:
    """Return size, time of change and checksum of a file."""
    with storage_faults_named(path):
        found = path.stat()
    digest = hashlib.sha256(read_whole(path)).hexdigest()
    return {"bytes": found.st_size, "changed_ns": found.st_mtime_ns, "sha256": digest}


def is_unchanged(path: Path, recorded: Mapping[str, Any], is_always_read: bool = False) -> bool:
    """Compare a file with its fingerprint; by size and time of change alone where they are the same.

    Args:
        path: there or not.
        recorded: what `fingerprint` returned.
        is_always_read: whether not to trust the time, which a disk that rots does not change.
    """
    try:
        with storage_faults_named(path):
            found = path.stat()
        if found.st_size != recorded.get("bytes"):
            return False
        if found.st_mtime_ns == recorded.get("changed_ns") and not is_always_read:
            return True
        return hashlib.sha256(read_whole(path)).hexdigest() == recorded.get("sha256")
    except FileNotFoundError:
        return False


def _checksum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def from_yaml(data: bytes) -> Any:
    """Return the values that stand in yaml; raises yaml.YAMLError."""
    return yaml.load(data, Loader=_LOADER)


def to_yaml(values: Any) -> str:
    """Return values as yaml, keys in their order."""
    text: str = yaml.dump(values, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)
    return text

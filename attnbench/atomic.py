"""The one way to write a file: whole or not at all, whatever ends the writer."""

import contextlib
import errno
import fcntl
import os
import re
import uuid
from pathlib import Path

from attnbench.errors import storage_faults_named

_HALF = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")
_ATTEMPTS = 3


def write_atomically(path: Path, data: bytes) -> None:
    """Put data at path in one step; until then, and where that fails, the path keeps what it held.

    The temporary file lies in the same folder, since a rename is atomic within one file system only.

    Raises:
        StorageError: the disk does not take it.
    """
    with storage_faults_named(path, is_writing=True):
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _write_and_rename(path, data)
                return
            except FileNotFoundError:
                # Somebody may have taken the temporary file for that of a killed writer before it was locked.
                if attempt == _ATTEMPTS or not path.parent.is_dir():
                    raise


def _write_and_rename(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        # Not buffered: what the disk refused once must not be tried again when the file is closed.
        with temporary.open("xb", buffering=0) as file:
            _mark_as_living(file.fileno())
            _write_all(file.fileno(), data)
            os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException:
        # On a disk that has become read-only it stays, until the next command.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _mark_as_living(descriptor: int) -> None:
    """Lock the file: the lock ends with this process, however that one ends, and tells `remove_partial_files` so."""
    with contextlib.suppress(OSError):  # there are file systems without locks; there nothing is cleared
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def remove_partial_files(folder: Path) -> None:
    """Take away what writers left that were killed; what a living one is at stays, and so do files of others."""
    with contextlib.suppress(OSError):  # tidying only: who writes next says what is wrong with the disk
        for name in filter(_HALF.fullmatch, os.listdir(folder)):  # noqa: PTH208 thousands of folders: names alone
            with contextlib.suppress(OSError), (folder / name).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                (folder / name).unlink()


def read_whole(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        StorageError: the disk does not give it, which is no word on whether the file is whole.
        OSError: anything else, such as that it is missing.
    """
    with storage_faults_named(path):
        try:
            return path.read_bytes()
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
            return path.read_bytes()  # it was replaced on its server just after it had been opened

"""Reading a small file once, as long as it is still the same file, unchanged."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from attnbench.errors import is_storage_fault, storage_faults_named

Content = TypeVar("Content")


class LastRead(Generic[Content]):
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

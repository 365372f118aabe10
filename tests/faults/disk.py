"""A small disk of one's own, which fills up or turns read-only when a test says so."""

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

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

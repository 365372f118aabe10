"""Who works on a run: a lock that ends with its holder, however that one ends."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ClaimedError(Exception):
    """Another living process works on this run."""


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold the claim; the operating system takes it back when this process ends, even by SIGKILL.

    Raises:
        ClaimedError: when another process holds it.
    """
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ClaimedError(f"{path} is held by another process") from error
        file.truncate(0)
        file.write(json.dumps({"host": socket.gethostname(), "process": os.getpid()}).encode())
        file.flush()
        yield


def is_claimed(path: Path) -> bool:
    """Say whether a living process of this host holds the claim."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False

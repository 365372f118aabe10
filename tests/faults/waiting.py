"""Waiting for what another process comes to, for tests that meet it in the middle."""

import time
from collections.abc import Callable
from pathlib import Path


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def checkpoints(folder: Path) -> dict[Path, int]:
    """Return the checkpoints of a sweep and when each was written."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/checkpoint.pt")}

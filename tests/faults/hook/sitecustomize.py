"""Kills this process in the middle of a write, where a test asks for it; Python loads it at its start."""

import json
import os
import signal
from pathlib import Path

ASKED = json.loads(os.environ.get("KILL_AT_WRITE", "null"))
SEEN = []


def kill() -> None:
    """End this process, and its parent where that is asked for; once in all, whoever comes to it first."""
    try:
        Path(ASKED["token"]).unlink()
    except FileNotFoundError:
        return
    if ASKED["victims"] == "both":
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def replace(self: Path, target: Path) -> Path:
    """Rename, and die at the moment that was asked for."""
    is_meant = target.name == ASKED["name"]
    SEEN.extend([target] if is_meant else [])
    is_now = is_meant and len(SEEN) == ASKED["number"]
    if is_now and ASKED["moment"] == "middle":
        os.truncate(self, self.stat().st_size // 2)
    if is_now and ASKED["moment"] != "after":
        kill()
    renamed = RENAME(self, target)
    if is_now:
        kill()
    return renamed


if ASKED is not None:
    RENAME, Path.replace = Path.replace, replace

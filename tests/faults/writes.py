"""Something that happens at a chosen write of a file: within this process, or in one that a test starts.

Every file of ours is written beside its place and then renamed, so the rename tells of every write.
"""

import json
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

Moment = Literal["middle", "end", "after"]
HOOK = Path(__file__).parent / "hook"


class Killed(BaseException):
    """Stands in for SIGKILL where starting a process for every case would take minutes."""


@dataclass(frozen=True)
class Write:
    """One write of a file.

    Attributes:
        name: of the file; any file where it is empty.
        number: which write of such a name, from 1.
        moment: "middle" with half of it written, "end" just before it counts, "after" once it does.
    """

    name: str
    number: int = 1
    moment: Moment = "middle"


def at_writes(monkeypatch: pytest.MonkeyPatch, listen: Callable[[Path, Path, Moment], None]) -> None:
    """Tell of every write in this process, at each of its moments: where it is written and where it belongs."""
    rename = Path.replace

    def told(self: Path, target: Path) -> Path:
        listen(self, target, "middle")
        listen(self, target, "end")
        renamed = rename(self, target)
        listen(self, target, "after")
        return renamed

    monkeypatch.setattr(Path, "replace", told)


def at_write(monkeypatch: pytest.MonkeyPatch, write: Write, act: Callable[[Path], None]) -> None:
    """Do something once, at the given write; it gets the path of what is being written."""
    left = iter(range(1, write.number + 1))

    def listen(temporary: Path, target: Path, moment: Moment) -> None:
        if moment == write.moment and write.name in ("", target.name) and next(left, 0) == write.number:
            act(temporary)

    at_writes(monkeypatch, listen)


def die_at(monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    """Let this process end at a write as SIGKILL would end it: what it was writing stays where it is."""

    def die(temporary: Path) -> None:
        if temporary.exists():
            half = temporary.with_name(temporary.name.replace(temporary.suffixes[-2], f".{uuid.uuid4().hex}"))
            shutil.copyfile(temporary, half)
            if write.moment == "middle":
                os.truncate(half, half.stat().st_size // 2)
        raise Killed

    at_write(monkeypatch, write, die)


def killing_environment(write: Write, victims: str, folder: Path) -> dict[str, str]:
    """Return what makes a process, or a worker that it starts, kill itself once, at a write.

    Args:
        victims: "writer", or "both": its parent first.
        folder: where it is noted that it was done.
    """
    token = folder / "to-be-killed"
    token.touch()
    values = {"name": write.name, "number": write.number, "moment": write.moment, "victims": victims}
    return {"PYTHONPATH": str(HOOK), "KILL_AT_WRITE": json.dumps({**values, "token": str(token)})}


def halves_in(folder: Path) -> list[Path]:
    """Return what is left of writes that never ended."""
    return [path for path in folder.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]

"""Faults that strike files: those of a run or a sweep between two commands, and the disk that they lie on.

Between two commands a file is cut off, one bit of it is flipped, or a link to nowhere takes its place, as on a disk
that was purged. While a command runs the disk is full for a while, or read-only. Both need root: the disk is a small
tmpfs, and read-only is a second, read-only mount of the folder laid over it, which hits every file that is opened
from then on; the system refuses to make a mount read-only in which files are open.
"""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from attnbench.runs.folder import RunFolder
from tools.fault_injection.round import Fault, Round
from tools.fault_injection.sweep import holder_of

FILES_OF_RUNS = ("checkpoint.pt", "spec.yaml", "status.json", "metrics.csv", "evaluation.json")
UNFORGIVEN = "evaluation.json"
FILES_OF_THE_SWEEP = ("sweep.yaml", "metrics.csv")
Damage = Callable[[Path, float], None]
"""Damages a file; where that is at some place of it, the number from 0 to 1 says at which."""


def cut(data: bytes, place: float) -> bytes:
    """Return the beginning of a file, up to a place from 0 to 1; at least one byte is missing."""
    return data[: int(place * len(data))]


def flip(data: bytes, place: float) -> bytes:
    """Return a file with one bit turned over, at a place from 0 to 1."""
    bit = int(place * len(data) * 8)
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def link_to_nowhere(path: Path) -> None:
    """Put a link in the place of a file, as if it were kept on a disk that has been purged."""
    path.unlink()
    path.symlink_to(path.with_name("purged") / path.name)


def _damage_run(name: str, damage: Damage) -> Callable[[Round], int | None]:
    """Return what damages a file of one run that nobody is at."""

    def strike(round_: Round) -> int | None:
        _await_end(round_)
        runs = [run for run in round_.runs if _is_free(run, run.path / name)]
        if not runs:
            return None
        run = round_.choice.choice(runs)
        with nullcontext() if name == UNFORGIVEN else round_.ledger.forgiving(run):
            damage(run.path / name, round_.choice.random())
        return 1

    return strike


def _is_free(run: RunFolder, path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0 and holder_of(run.claim_file) is None


def _damage_sweep(name: str, damage: Damage) -> Callable[[Round], int | None]:
    """Return what damages a file of the sweep itself; no run is hit by that."""

    def strike(round_: Round) -> int | None:
        _await_end(round_)
        path = round_.store.path / name
        if not path.exists():
            return None
        damage(path, round_.choice.random())
        return 0

    return strike


def _move_results(round_: Round) -> int | None:
    """Put the whole results folder in another place; the next command is given the new one."""
    _await_end(round_)
    return 0 if round_.store.path.is_dir() and round_.move_results() else None


def _lead_nowhere(round_: Round) -> int | None:
    """Put a link that leads nowhere in the place of the sweep's folder; the command names it and begins nothing."""
    _await_end(round_)
    path = round_.store.path
    if not path.is_dir():
        return None
    aside = path.with_name("aside")
    with round_.ledger.looking_away():
        path.rename(aside)
        path.symlink_to(path.with_name("purged"))
        command = round_.type_command()
        command.expected = {2}
        command.process.wait()
        path.unlink()
        aside.rename(path)
    return 0


def _rewrite(path: Path, change: Callable[[bytes, float], bytes], place: float) -> None:
    path.write_bytes(change(path.read_bytes(), place))


def _await_end(round_: Round) -> None:
    """Wait for a command that still runs, and for its orphans: files are damaged between two commands."""
    for command in round_.commands:
        if command.is_running:
            round_.wait(command)
    round_.await_orphans()


DAMAGES: dict[str, Damage] = {
    "cut off": lambda path, place: _rewrite(path, cut, place),
    "a bit flipped": lambda path, place: _rewrite(path, flip, place),
    "a link to nowhere": lambda path, _: link_to_nowhere(path),
}
DAMAGE_FAULTS = [
    *(
        Fault(f"a run's {name} {words}", _damage_run(name, damage), is_between_commands=True)
        for name in FILES_OF_RUNS
        for words, damage in DAMAGES.items()
    ),
    *(
        Fault(f"the sweep's {name} {words}", _damage_sweep(name, damage), is_between_commands=True)
        for name in FILES_OF_THE_SWEEP
        for words, damage in DAMAGES.items()
    ),
    Fault("the results folder moved", _move_results, is_between_commands=True),
    Fault("a link to nowhere for the sweep's folder", _lead_nowhere, is_between_commands=True),
]


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


def _for_a_while(
    obstacle: Callable[[Path], AbstractContextManager[None]], needs_own_disk: bool = False
) -> Callable[[Round], int | None]:
    """Return what puts an obstacle in the way of a running command's writes, and takes it away again."""

    def strike(round_: Round) -> int | None:
        if needs_own_disk and not round_.results.is_mount():
            return None
        command = round_.running_command()
        round_.await_moment(command)
        if not command.is_running:
            return None
        command.expected |= STATUSES
        hits = round_.in_flight()
        with obstacle(round_.results):
            round_.let_pass(command, round_.choice.uniform(0.5, 5))
        round_.wait(command)
        return hits

    return strike


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


FULL_DISK = Fault("a full disk for a while", _for_a_while(_full, needs_own_disk=True), lets_finish=True)
STORAGE_FAULTS = [FULL_DISK, Fault("read-only for a while", _for_a_while(_read_only), lets_finish=True)]

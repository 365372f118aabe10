"""Faults that strike files between two commands: cut off, or one bit of them flipped."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from attnbench.runs.folder import RunFolder
from tools.fault_injection.round import Fault, Round
from tools.fault_injection.sweep import holder_of

FILES_OF_RUNS = ("checkpoint.pt", "spec.yaml", "status.json", "metrics.csv", "evaluation.json")
UNFORGIVEN = "evaluation.json"
FILES_OF_THE_SWEEP = ("sweep.yaml", "metrics.csv")


def cut(data: bytes, place: float) -> bytes:
    """Return the beginning of a file, up to a place from 0 to 1; at least one byte is missing."""
    return data[: int(place * len(data))]


def flip(data: bytes, place: float) -> bytes:
    """Return a file with one bit turned over, at a place from 0 to 1."""
    bit = int(place * len(data) * 8)
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _damage_run(name: str, damage: Callable[[bytes, float], bytes]) -> Callable[[Round], int | None]:
    """Return what damages a file of one run that nobody is at."""

    def strike(round_: Round) -> int | None:
        _await_end(round_)
        runs = [run for run in round_.runs if _is_free(run, run.path / name)]
        if not runs:
            return None
        run = round_.choice.choice(runs)
        with nullcontext() if name == UNFORGIVEN else round_.ledger.forgiving(run):
            _damage(run.path / name, damage, round_)
        return 1

    return strike


def _is_free(run: RunFolder, path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0 and holder_of(run.claim_file) is None


def _damage_sweep(name: str, damage: Callable[[bytes, float], bytes]) -> Callable[[Round], int | None]:
    """Return what damages a file of the sweep itself; no run is hit by that."""

    def strike(round_: Round) -> int | None:
        _await_end(round_)
        path = round_.store.path / name
        if not path.exists():
            return None
        _damage(path, damage, round_)
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


def _damage(path: Path, damage: Callable[[bytes, float], bytes], round_: Round) -> None:
    path.write_bytes(damage(path.read_bytes(), round_.choice.random()))


def _await_end(round_: Round) -> None:
    """Wait for a command that still runs, and for its orphans: files are damaged between two commands."""
    for command in round_.commands:
        if command.is_running:
            round_.wait(command)
    round_.await_orphans()


DAMAGES = {"cut off": cut, "a bit flipped": flip}
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

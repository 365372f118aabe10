"""Faults that strike processes: kills and signals at random moments, and two sweeps at once."""

import os
import signal
import time
from collections.abc import Callable, Sequence

from tools.fault_injection.round import Fault, Round
from tools.fault_injection.sweep import Command, Streams

WRITING_SECONDS = 20.0


def kill_halted(round_: Round, command: Command, pids: Sequence[int]) -> int:
    """Halt processes, note what they have saved, and kill them; return how many runs were in flight."""
    command.send(signal.SIGSTOP, *pids)
    hits = round_.in_flight()
    round_.ledger.look_at_checkpoints(dying=pids)
    command.send(signal.SIGKILL, *pids)
    return hits


def _kill(
    pids_of: Callable[[Round, Command], list[int]], ends_command: bool
) -> Callable[[Round], int | None]:
    """Return what kills some of a command's processes at a random moment."""

    def strike(round_: Round) -> int | None:
        command = round_.running_command()
        round_.await_moment(command)
        pids = pids_of(round_, command)
        if not pids:
            round_.await_work(command)
            pids = pids_of(round_, command)
        if not command.is_running or not pids:
            return None
        hits = kill_halted(round_, command, pids)
        if ends_command:
            command.expected.add(-signal.SIGKILL)
            round_.wait(command)
        elif command in round_.bereft:
            command.expected.add(1)  # a run that has lost its worker twice counts as failed, and is named
        else:
            round_.bereft.append(command)
        return hits

    return strike


def _parent(_: Round, command: Command) -> list[int]:
    return [command.process.pid]


def _a_worker(round_: Round, command: Command) -> list[int]:
    workers = command.workers()
    return [round_.choice.choice(workers)] if workers else []


def _parent_and_worker(round_: Round, command: Command) -> list[int]:
    worker = _a_worker(round_, command)
    return [command.process.pid, *worker] if worker else []


def _everybody(_: Round, command: Command) -> list[int]:
    return command.members()


def _ask_to_stop(number: signal.Signals, times: int) -> Callable[[Round], int | None]:
    """Return what sends a signal: Ctrl-C to all of the command's processes, as a terminal does, SIGTERM to it alone."""

    def strike(round_: Round) -> int | None:
        command = round_.running_command()
        round_.await_moment(command)
        if not command.is_running:
            return None
        hits = round_.in_flight()
        command.expected.add(128 + number)
        for _ in range(times):
            pids = command.members() if number == signal.SIGINT else [command.process.pid]
            command.send(number, *pids)
            round_.let_pass(command, round_.choice.uniform(0.05, 0.5))
        round_.wait(command)
        return hits

    return strike


def _type_with_streams(streams: Streams) -> Callable[[Round], int | None]:
    """Return what types the command with such standard streams, and asks it to stop at a random moment."""

    def strike(round_: Round) -> int | None:
        if round_.commands and round_.commands[-1].is_running:
            round_.wait(round_.commands[-1])
        if all(run.has_ended for run in round_.runs):
            return None
        command = round_.type_command(streams)
        round_.await_moment(command)
        hits = round_.in_flight()
        if command.is_running:
            command.expected.add(128 + signal.SIGTERM)
            command.send(signal.SIGTERM, command.process.pid)
        round_.wait(command)
        return hits

    return strike


def _kill_between_runs(round_: Round) -> int | None:
    """Kill everybody at the moment at which a run has been finished."""
    command = round_.running_command()
    before = len(round_.ledger.finishes)
    if before == len(round_.runs):
        return None
    while command.is_running and len(round_.ledger.finishes) == before:
        time.sleep(0.005)
    if not command.is_running:
        return None
    hits = kill_halted(round_, command, command.members())
    command.expected.add(-signal.SIGKILL)
    round_.wait(command)
    return hits


def _kill_in_a_write(round_: Round) -> int | None:
    """Kill everybody while half a file lies there under its temporary name."""
    command = round_.running_command()
    round_.await_moment(command)
    end = time.monotonic() + WRITING_SECONDS
    while command.is_running and time.monotonic() < end:
        if not _halves(round_):
            continue
        pids = command.members()
        command.send(signal.SIGSTOP, *pids)
        time.sleep(0.005)
        if _halves(round_):
            hits = kill_halted(round_, command, pids)
            command.expected.add(-signal.SIGKILL)
            round_.wait(command)
            return hits
        command.send(signal.SIGCONT, *pids)
    return None


def _halves(round_: Round) -> list[str]:
    """Return the files of runs that are being written; a listing is faster than a pattern."""
    return [
        name
        for run in round_.runs
        if run.path.is_dir()
        for name in os.listdir(run.path)  # noqa: PTH208 every microsecond counts here
        if name.endswith(".tmp")
    ]


def _second_sweep(round_: Round) -> int | None:
    """Start the same command beside the first, and kill one of the two with all its processes."""
    first = round_.running_command()
    round_.await_work(first)
    if not first.is_running:
        return None
    second = round_.type_command()
    round_.let_pass(second, round_.choice.uniform(0, 6))
    killed, other = round_.choice.sample([first, second], 2)
    if not killed.is_running:
        killed, other = other, killed
    hits = None
    if killed.is_running:
        hits = kill_halted(round_, killed, killed.members())
        killed.expected.add(-signal.SIGKILL)
    round_.wait(killed)
    round_.wait(other)
    return hits


PROCESS_FAULTS = [
    Fault("SIGKILL of the parent", _kill(_parent, ends_command=True)),
    Fault("SIGKILL of a worker", _kill(_a_worker, ends_command=False), lets_finish=True),
    Fault("SIGKILL of parent and a worker", _kill(_parent_and_worker, ends_command=True)),
    Fault("SIGKILL of all processes", _kill(_everybody, ends_command=True)),
    Fault("SIGKILL between two runs", _kill_between_runs),
    Fault("SIGKILL in the middle of a write", _kill_in_a_write),
    Fault("Ctrl-C", _ask_to_stop(signal.SIGINT, 1)),
    Fault("Ctrl-C twice", _ask_to_stop(signal.SIGINT, 2)),
    Fault("SIGTERM", _ask_to_stop(signal.SIGTERM, 1)),
    Fault("SIGTERM twice", _ask_to_stop(signal.SIGTERM, 2)),
    Fault("SIGHUP: a closed terminal", _ask_to_stop(signal.SIGHUP, 1)),
    Fault("standard streams closed", _type_with_streams("closed")),
    Fault("standard error without a reader", _type_with_streams("without a reader")),
    Fault("standard error on a full disk", _type_with_streams("on a full disk")),
    Fault("two sweeps at once, one killed", _second_sweep, lets_finish=True),
]

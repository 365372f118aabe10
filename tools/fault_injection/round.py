"""One round: a fresh folder, the same command typed again and again, faults in between, and what came of it."""

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from attnbench.runs.store import RunStore
from tools.fault_injection.findings import Findings, Ledger, judge
from tools.fault_injection.sweep import NAME, Command, Reference, Streams, holder_of, words_of

PATIENCE_SECONDS = 240.0
LEAVING_SECONDS = 60.0
MOST_COMMANDS_TO_FINISH = 3
MOST_SAVES = 40  # of about 200 in a whole sweep
SAVES_SECONDS = 15.0
RETRIES = "--retry-failed"


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Attributes:
        strike: lets it strike a round once; returns how many runs it hit: those that were being worked on, or whose
            file it damaged. None where there was nothing that it could have struck.
        is_between_commands: whether it strikes what a command has left; where there is nothing yet, it is put off.
        lets_finish: whether the sweep goes on to its end after it, so that it is better struck last.
    """

    kind: str
    strike: "Callable[[Round], int | None]"
    is_between_commands: bool = False
    lets_finish: bool = False


@dataclass(frozen=True)
class RoundReport:
    """What a round had to bear and what it came to.

    Attributes:
        strikes: kind and number of runs hit.
        statuses: how many commands ended with each exit status.
        resumed_from_steps: of every finished run; None where its last execution had begun anew.
    """

    number: int
    strikes: list[tuple[str, int]]
    findings: Findings
    statuses: Counter[int] = field(default_factory=Counter)
    resumed_from_steps: list[int | None] = field(default_factory=list)


@dataclass
class Round:
    """A sweep under disturbance, with all that its faults need.

    Attributes:
        executor: "processes" or "slurm".
        choice: every choice of the round comes from here.
        commands: every command typed so far, the last one last.
        bereft: commands that a worker was taken from.
        while_waiting: called again and again while a command is waited for.
    """

    folder: Path
    executor: str
    reference: Reference
    choice: random.Random
    commands: list[Command] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    bereft: list[Command] = field(default_factory=list)
    while_waiting: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.results = self.folder / "results"
        self.results.mkdir(parents=True, exist_ok=True)
        self.store = RunStore(self.results / NAME)
        self.runs = [self.store.folder(run_id) for run_id in self.reference.run_ids]
        self.ledger = Ledger(self.runs)

    def move_results(self) -> bool:
        """Put the results in another place, as whoever tidies a disk does; say whether they could be moved."""
        moved = self.results.with_name(f"{self.results.name}_moved")
        with self.ledger.looking_away():
            try:
                self.results.rename(moved)
            except OSError:
                return False  # a disk of its own is mounted there
            self.results, self.store = moved, RunStore(moved / NAME)
            self.runs[:] = [self.store.folder(run_id) for run_id in self.reference.run_ids]
        return True

    def type_command(self, streams: Streams = "whole") -> Command:
        """Start the sweep as its user would; with the option that repeats failed runs where the last one named it."""
        retries = [RETRIES] if self.commands and RETRIES in self.commands[-1].said() else []
        log = self.folder / f"command_{len(self.commands) + 1}.log"
        # Before it starts: what it finds saved it must not train again.
        self.ledger.look_at_checkpoints()
        self.commands.append(
            Command([*words_of(self.executor), "--results", str(self.results), *retries], log, streams)
        )
        return self.commands[-1]

    def running_command(self) -> Command:
        """Return the command that is running, a new one where none is."""
        if self.commands and self.commands[-1].is_running:
            return self.commands[-1]
        return self.type_command()

    def await_moment(self, command: Command) -> None:
        """Let a random time pass: mostly a number of checkpoints after the first run was taken up, sometimes less.

        Checkpoints and not seconds, so that a slow machine has as much to lose as a fast one.
        """
        if self.choice.random() < 0.15:
            self.let_pass(command, self.choice.uniform(0, 2.5))
            return
        self.await_work(command)
        self._await_saves(command, self.choice.randint(0, MOST_SAVES))
        self.let_pass(command, self.choice.uniform(0, 0.2))

    def _await_saves(self, command: Command, count: int) -> None:
        """Wait until so many checkpoints have been written; what is written between two looks counts once."""
        seen = self._saves()
        end = time.monotonic() + SAVES_SECONDS
        while count > 0 and command.is_running and time.monotonic() < end:
            self.let_pass(command, 0.01)
            now = self._saves()
            count -= len(now - seen)
            seen = now

    def _saves(self) -> set[tuple[str, int]]:
        """Return when the checkpoint of every run was written, in nanoseconds."""
        found = set()
        for run in self.runs:
            with suppress(FileNotFoundError):
                found.add((run.run_id, run.checkpoint_file.stat().st_mtime_ns))
        return found

    def await_work(self, command: Command) -> None:
        """Wait until a run of the sweep is being worked on."""
        end = time.monotonic() + PATIENCE_SECONDS
        while command.is_running and not self.in_flight() and time.monotonic() < end:
            self.while_waiting()
            time.sleep(0.02)

    def let_pass(self, command: Command, seconds: float) -> None:
        """Wait some seconds, but no longer than the command runs."""
        end = time.monotonic() + seconds
        while command.is_running and time.monotonic() < end:
            self.while_waiting()
            time.sleep(0.01)

    def in_flight(self) -> int:
        """Return how many runs a living process is at."""
        return sum(holder_of(run.claim_file) is not None for run in self.runs)

    def wait(self, command: Command) -> int | None:
        """Wait for the end of a command and return its exit status; None where it had to be ended."""
        end = time.monotonic() + PATIENCE_SECONDS
        while command.is_running:
            if time.monotonic() > end:
                self.findings.leftovers.append(f"{command.log.name}: no end within {PATIENCE_SECONDS:g} s")
                command.expected.add(-signal.SIGKILL)
                command.end()
                return None
            self.while_waiting()
            time.sleep(0.02)
        return command.status

    def finish(self) -> None:
        """Type the command until it says that all is done."""
        for _ in range(MOST_COMMANDS_TO_FINISH):
            if self.wait(self.running_command()) == 0:
                break
        self.await_orphans()

    def await_orphans(self) -> None:
        """Wait for workers whose command has ended to save, and leave."""
        end = time.monotonic() + LEAVING_SECONDS
        while time.monotonic() < end and any(command.members() for command in self.commands):
            time.sleep(0.1)

    def judge(self) -> Findings:
        """Look at everything that the sweep left; its processes still live."""
        self.ledger.check_tables()
        judge(self.findings, self.store, self.reference, self.ledger)
        for command in self.commands:
            if command.status not in command.expected:
                self.findings.leftovers.append(f"{command.log.name}: exit status {command.status}")
            if "Traceback (most recent call last)" in command.said():
                self.findings.leftovers.append(f"{command.log.name}: a traceback")
            if command.members():
                self.findings.leftovers.append(f"{command.log.name}: processes that live on")
        return self.findings

    def end(self) -> None:
        """End whatever still runs."""
        for command in self.commands:
            command.end()


def play(round_: Round, number: int, faults: Sequence[Fault]) -> RoundReport:
    """Let the faults strike, let the sweep finish, and judge."""
    struck = _Strikes(round_)
    try:
        with round_.ledger.watching():
            put_off = [fault for fault in faults if not struck.by(fault) and fault.is_between_commands]
            round_.finish()
            for fault in put_off:
                struck.by(fault)
            if put_off:
                round_.finish()
        findings = round_.judge()
    finally:
        round_.end()
    statuses = Counter(command.status for command in round_.commands if command.status is not None)
    outcomes = [run.read_outcome() for run in round_.runs]
    resumed = [outcome.resumed_from_step for outcome in outcomes if outcome is not None]
    return RoundReport(number, struck.strikes, findings, statuses, resumed)


@dataclass
class _Strikes:
    """The faults that have struck a round, told as they do."""

    round_: Round
    strikes: list[tuple[str, int]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def by(self, fault: Fault) -> bool:
        """Let a fault strike, and say whether it could."""
        hits = fault.strike(self.round_)
        told = "nothing to strike" if hits is None else f"hit {hits}"
        seconds = time.monotonic() - self.started
        print(f"  {seconds:5.1f} s  {fault.kind}: {told}", file=sys.stderr, flush=True)
        if hits is not None:
            self.strikes.append((fault.kind, hits))
        return hits is not None

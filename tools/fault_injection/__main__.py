"""Disturbs real sweeps at random, and counts what was lost, done twice, wrong or left behind.

A small sweep is first made undisturbed. Then, round by round, it is made again in a fresh folder while faults strike:
its processes are killed, its files damaged, its disk filled, its cluster restarted; each time the same command is
typed again, until it says that all is done. What it comes to must be what it came to undisturbed, times aside.
"""

import itertools
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer

import attnbench
from tools.fault_injection.files import DAMAGE_FAULTS, FULL_DISK, STORAGE_FAULTS, small_disk, why_no_mounts
from tools.fault_injection.findings import CATEGORIES
from tools.fault_injection.processes import PROCESS_FAULTS
from tools.fault_injection.round import Fault, Round, RoundReport, play
from tools.fault_injection.slurm import Cluster, slurm_faults, started_cluster, why_no_slurm
from tools.fault_injection.sweep import Reference, make_reference

WITH_PROCESSES = 3  # faults of each round that strike while a command runs
WITH_DAMAGE = 4  # and those that strike files between two commands
ON_SLURM = 4  # faults of each round on a cluster
Executor = Literal["processes", "slurm", "both"]
HEADER = ["fault", "times struck", "runs hit", *CATEGORIES.values()]
app = typer.Typer(add_completion=False)


@dataclass
class Torture:
    """All rounds of one call.

    Attributes:
        decks: the kinds of faults by executor: those that strike a command, and those between two commands.
    """

    seed: int
    base: Path
    keeps: bool
    reference: Reference
    cluster: Cluster | None
    decks: dict[str, tuple[list[Fault], list[Fault]]]
    reports: list[RoundReport] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """Every kind of fault that may strike, in the order of the table."""
        return [fault.kind for decks in self.decks.values() for deck in decks for fault in deck]

    def executor_of(self, number: int) -> str:
        """Return the executor of a round: of both, every third round is one of Slurm, whose rounds are longer."""
        if len(self.decks) == 1:
            return next(iter(self.decks))
        return "slurm" if number % 3 == 2 else "processes"

    def faults_of(self, number: int) -> list[Fault]:
        """Return the faults of a round; they depend on the seed and its number alone."""
        executor = self.executor_of(number)
        commands, damages = self.decks[executor]
        if executor == "slurm":
            return dealt(commands, self.seed, self._place(number), ON_SLURM)
        faults = dealt(commands, self.seed, self._place(number), WITH_PROCESSES)
        faults.sort(key=lambda fault: fault.lets_finish)
        order = random.Random(f"order {self.seed} {number}")
        for damage in dealt(damages, self.seed, self._place(number), WITH_DAMAGE):
            # Not first: before any command there is nothing to damage.
            faults.insert(order.randint(1, len(faults)), damage)
        return faults

    def _place(self, number: int) -> int:
        """Return how many rounds of the same executor come before a round."""
        return sum(self.executor_of(each) == self.executor_of(number) for each in range(number))

    def play(self, number: int) -> None:
        """Make one round and tell of it; its folder stays only where something was found."""
        faults, executor = self.faults_of(number), self.executor_of(number)
        say(f"Round {number} ({executor}), again by --seed {self.seed} --round {number}:")
        folder = self.base / f"round_{number}"
        with ExitStack() as stack:
            if FULL_DISK in faults:
                stack.enter_context(small_disk(folder / "results"))
            choice = random.Random(f"round {self.seed} {number}")
            round_ = Round(folder, executor, self.reference, choice)
            if self.cluster is not None and executor == "slurm":
                stack.callback(self.cluster.clear)
                round_.while_waiting = self._care(round_, self.cluster)
            report = play(round_, number, faults)
            self.reports.append(report)
            for line in report.findings.lines():
                say(f"  FOUND {line} (in {folder})")
            if (report.findings or self.keeps) and FULL_DISK in faults:
                shutil.copytree(folder / "results", folder / "kept")
        if not report.findings and not self.keeps:
            shutil.rmtree(folder)

    def _care(self, round_: Round, cluster: Cluster) -> Callable[[], None]:
        def care() -> None:
            cluster.look_after()
            # Jobs end and begin again while the command runs.
            round_.ledger.look_at_checkpoints()

        return care


def dealt(deck: Sequence[Fault], seed: int, place: int, count: int) -> list[Fault]:
    """Deal some cards from a deck that is shuffled anew each time it is used up: every kind gets its turn."""
    cards = []
    for i in range(place * count, (place + 1) * count):
        shuffled = random.Random(f"deck {seed} {i // len(deck)}").sample(deck, len(deck))
        cards.append(shuffled[i % len(deck)])
    return cards


def say(text: str) -> None:
    """Tell how it goes; the table alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)


@app.command(no_args_is_help=True, help=__doc__)
def main(
    minutes: Annotated[float, typer.Argument(min=0, help="No round begins after that.")],
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    executor: Annotated[Executor, typer.Option(help="Which sweeps to disturb.")] = "both",
    keep: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep the folders of all rounds here.")
    ] = None,
    only: Annotated[
        int | None, typer.Option("--round", metavar="N", help="Play this round alone, whatever the minutes.")
    ] = None,
) -> None:
    """See the module's docstring, which is what --help shows."""
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise typer.BadParameter(f"{keep} holds something already.", param_hint="--keep")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cluster and mounts must not be left behind
    end = time.monotonic() + 60 * minutes
    base = keep or Path(tempfile.mkdtemp(prefix="attnbench-torture-"))
    with ExitStack() as stack:
        torture, skipped = prepare(stack, seed, executor, base, keep is not None)
        is_stopped = False
        try:
            for number in [only] if only is not None else itertools.count():
                if only is None and time.monotonic() >= end:
                    break
                torture.play(number)
        except KeyboardInterrupt:
            is_stopped = True
        how = Circumstances(seed, minutes, list(torture.decks), skipped)
        print(page(torture.kinds, torture.reports, how))
    is_clean = not any(report.findings for report in torture.reports)
    if is_clean and keep is None:
        shutil.rmtree(base)
    raise typer.Exit(130 if is_stopped else 0 if is_clean else 1)


def prepare(
    stack: ExitStack, seed: int, executor: Executor, base: Path, keeps: bool
) -> tuple[Torture, dict[str, str]]:
    """Make the undisturbed sweep, start a cluster where one is wanted, and find out what cannot be caused here."""
    base.mkdir(parents=True, exist_ok=True)
    skipped: dict[str, str] = {}
    cluster = None
    commands = list(PROCESS_FAULTS)
    if reason := why_no_mounts():
        skipped |= {fault.kind: reason for fault in STORAGE_FAULTS}
    else:
        commands += STORAGE_FAULTS
    decks: dict[str, tuple[list[Fault], list[Fault]]] = {"processes": (commands, DAMAGE_FAULTS)}
    if executor != "processes" and (reason := why_no_slurm()):
        skipped["all that strikes a Slurm"] = reason
    elif executor != "processes":
        cluster = stack.enter_context(started_cluster())
        decks["slurm"] = (slurm_faults(cluster), [])
    if executor == "slurm":
        del decks["processes"]
    say(f"The undisturbed sweep, below {base}:")
    reference = make_reference(base / "undisturbed")
    say(f"  {len(reference.run_ids)} runs, {len(reference.rows)} rows")
    return Torture(seed, base, keeps, reference, cluster, decks), skipped


@dataclass(frozen=True)
class Circumstances:
    """How a torture was made.

    Attributes:
        skipped: reason by kind of fault that was left out.
    """

    seed: int
    minutes: float
    executors: Sequence[str]
    skipped: Mapping[str, str]


def page(kinds: Sequence[str], reports: Sequence[RoundReport], how: Circumstances) -> str:
    """Return the table and what belongs to it."""
    rows = [HEADER, ["---", *["---:"] * (len(HEADER) - 1)]]
    rows += [[kind, *map(str, _counts(kind, reports))] for kind in kinds]
    rows += [[f"**{cell}**" for cell in ("all", *map(str, _totals(reports)))]]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([table, *_notes(reports, how)])


def _counts(kind: str, reports: Sequence[RoundReport]) -> list[int]:
    """Return the numbers of one kind: what a round came to counts against every kind that struck it."""
    hits = [hit for report in reports for struck, hit in report.strikes if struck == kind]
    struck = [report for report in reports if any(each == kind for each, _ in report.strikes)]
    return [len(hits), sum(hits), *_found(struck)]


def _totals(reports: Sequence[RoundReport]) -> list[int]:
    hits = [hit for report in reports for _, hit in report.strikes]
    return [len(hits), sum(hits), *_found(reports)]


def _found(reports: Sequence[RoundReport]) -> list[int]:
    return [sum(report.findings.count(category) for report in reports) for category in CATEGORIES]


def _notes(reports: Sequence[RoundReport], how: Circumstances) -> list[str]:
    statuses = sum((report.statuses for report in reports), Counter())
    ended = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    versions = [
        f"attnbench {attnbench.__version__}",
        *(f"{name} {version(name)}" for name in ("torch", "submitit")),
        f"Python {platform.python_version()}",
        f"Linux {platform.release()}",
    ]
    if "slurm" in how.executors:
        versions.append(_slurm_version())
    notes = [
        f"{how.minutes:g} minutes, {len(reports)} rounds, seed {how.seed}, executors "
        f"{' and '.join(how.executors)}; {len(os.sched_getaffinity(0))} cores; {', '.join(versions)}.",
        f"Exit statuses of the {statuses.total()} commands ({ended}); -9 stands for SIGKILL.",
        _resumptions(reports),
        "Runs hit are those that a living process was at, or whose file was damaged. What was found in a round counts "
        "in the row of every fault that struck it, and once in the last row.",
    ]
    if how.skipped:
        notes.append("Left out: " + "; ".join(f"{kind} ({why})" for kind, why in how.skipped.items()) + ".")
    return notes


def _resumptions(reports: Sequence[RoundReport]) -> str:
    """Say how often a fault struck a run that had something to go on from."""
    all_steps = [step for report in reports for step in report.resumed_from_steps]
    steps = sorted(step for step in all_steps if step)
    spread = (
        f", from steps {steps[0]} to {steps[-1]} (median {statistics.median_low(steps)})" if steps else ""
    )
    return f"Of the {len(all_steps)} finished runs {len(steps)} went on from a checkpoint{spread}."


def _slurm_version() -> str:
    if shutil.which("sinfo") is None:
        return "no Slurm"
    return subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    app()

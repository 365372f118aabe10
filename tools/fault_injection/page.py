"""The table of a torture, as markdown."""

import os
import platform
import shutil
import statistics
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import attnbench
from tools.fault_injection.findings import CATEGORIES
from tools.fault_injection.round import RoundReport

HEADER = ["fault", "times struck", "runs hit", *CATEGORIES.values()]


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

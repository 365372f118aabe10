"""What must not be found after a disturbed sweep has finished: lost runs, work done twice, wrong rows, leftovers.

A ledger watches every run while the sweep is disturbed, so that work done twice is seen. A run counts as done twice
where
- its status.json, once it said `done`, vanished or was written again, or its metrics.csv was; or
- it was finished by an execution that began below the step of a whole checkpoint, which no living process was at
  when it was looked at; or such a checkpoint vanished, or went back to an earlier step.

Steps after the last checkpoint are trained again by design and do not count, nor does what a run loses that is
looked at by nobody between its checkpoint and its death: before a kill the processes are halted, and looked at.
Where a file of a run was damaged on purpose (checkpoint, spec.yaml, status.json, metrics.csv) all that was known of
that run is forgiven, for it is promised that such a run is repeated; a damaged evaluation.json, sweep.yaml or merged
metrics.csv excuses nothing.
"""

import hashlib
import json
import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attnbench.errors import DamagedFileError, UserError
from attnbench.runs.checkpoint import load_checkpoint
from attnbench.runs.folder import RunFolder
from attnbench.runs.store import RunStore
from tools.fault_injection.sweep import Reference, RowKey, compared_rows, holder_of

LOOK_SECONDS = 0.02
Stamp = tuple[int, str]
"""When a file was written, in nanoseconds, and the SHA-256 of what it holds."""


@dataclass
class Ledger:
    """Watches the runs of one sweep.

    Attributes:
        finishes: status.json of each run as it was when first seen done.
        tables: metrics.csv of each run at that moment.
        saved_steps: the step of the whole checkpoint of a run that no living process was at.
        forgiven: status.json and checkpoint of a run that was damaged on purpose: they count no more.
        twice: why a run counts as done twice.
    """

    runs: Sequence[RunFolder]
    finishes: dict[str, Stamp] = field(default_factory=dict)
    tables: dict[str, Stamp | None] = field(default_factory=dict)
    saved_steps: dict[str, int] = field(default_factory=dict)
    forgiven: dict[str, set[Stamp | None]] = field(default_factory=dict)
    twice: dict[str, str] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _is_away: bool = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look for finished runs all the time."""
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(LOOK_SECONDS):
                self.look_for_finishes()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def look_for_finishes(self) -> None:
        """Take in every status.json that is new or has changed."""
        with self._lock:
            for run in () if self._is_away else self.runs:
                self._look_for_finish(run)

    def _look_for_finish(self, run: RunFolder) -> None:
        known = self.finishes.get(run.run_id)
        stamp = stamp_of(run.status_file)
        if stamp is None or stamp == known or stamp in self._forgiven(run):
            if stamp is None and known is not None:
                self._blame(run, "its status.json vanished after it was done")
            return
        status = _read_status(run)
        if known is not None:
            self._blame(run, "its status.json was written again after it was done")
        if status.get("state") == "done":
            self.finishes[run.run_id] = stamp
            self.tables[run.run_id] = stamp_of(run.metrics_file)
            self._check_resumption(run, status.get("resumed_from_step"))

    def _check_resumption(self, run: RunFolder, resumed_from_step: int | None) -> None:
        saved = self.saved_steps.get(run.run_id)
        if saved is not None and (resumed_from_step or 0) < saved:
            began = "anew" if resumed_from_step is None else f"at step {resumed_from_step}"
            self._blame(run, f"it began {began} though a checkpoint of step {saved} was whole")

    def look_at_checkpoints(self, dying: Collection[int] = ()) -> None:
        """Note from which steps runs must go on: those that nobody is at, or that halted processes are at."""
        with self._lock:
            for run in () if self._is_away else self.runs:
                if not _is_left(run, dying):
                    continue
                # In this order: who lets go of a run has written its status.
                self._look_for_finish(run)
                if stamp_of(run.checkpoint_file) in self._forgiven(run):
                    continue
                step = saved_step(run.checkpoint_file)
                if run.run_id not in self.finishes and _is_left(run, dying):
                    self._note_step(run, step)

    def _note_step(self, run: RunFolder, step: int | None) -> None:
        known = self.saved_steps.get(run.run_id)
        if known is not None and (step is None or step < known):
            self._blame(run, f"its checkpoint of step {known} was followed by one of step {step}")
        if step is not None:
            self.saved_steps[run.run_id] = step

    def check_tables(self) -> None:
        """Compare the metrics.csv of every finished run with what it was."""
        self.look_for_finishes()
        for run in self.runs:
            if run.run_id in self.finishes and self.tables[run.run_id] != stamp_of(run.metrics_file):
                self._blame(run, "its metrics.csv changed after it was done")

    @contextmanager
    def looking_away(self) -> Iterator[None]:
        """Look at no file while the folder is somewhere else."""
        with self._lock:
            self._is_away = True
            yield
            self._is_away = False

    @contextmanager
    def forgiving(self, run: RunFolder) -> Iterator[None]:
        """Forget what was known of a run that is damaged here on purpose."""
        with self._lock:
            yield
            for known in (self.finishes, self.tables, self.saved_steps):
                known.pop(run.run_id, None)
            self.forgiven[run.run_id] = {stamp_of(run.status_file), stamp_of(run.checkpoint_file)}

    def _forgiven(self, run: RunFolder) -> set[Stamp | None]:
        return self.forgiven.get(run.run_id, set())

    def _blame(self, run: RunFolder, reason: str) -> None:
        self.twice.setdefault(run.run_id, reason)
        self.finishes.pop(run.run_id, None)


def stamp_of(path: Path) -> Stamp | None:
    """Return when a file was written and what it holds; None where there is none."""
    try:
        with path.open("rb") as file:
            # Of the open file: by its name another may be found a moment later.
            return os.fstat(file.fileno()).st_mtime_ns, hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None


def saved_step(checkpoint: Path) -> int | None:
    """Return the step of a whole checkpoint; None where there is none."""
    try:
        return int(load_checkpoint(checkpoint)["step"])
    except (OSError, DamagedFileError):
        return None


def _read_status(run: RunFolder) -> dict[str, Any]:
    try:
        return dict(json.loads(run.status_file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}


def _is_left(run: RunFolder, dying: Collection[int]) -> bool:
    """Say whether no process is at the run but those that are about to die."""
    return holder_of(run.claim_file) in (None, *dying)


CATEGORIES = {
    "lost": "runs lost",
    "twice": "done twice",
    "wrong": "wrong rows",
    "leftovers": "leftovers",
}


@dataclass
class Findings:
    """What was found, a sentence each.

    Attributes:
        lost: planned runs that are not `done`, or have no row in the merged table.
        twice: runs done twice, as the ledger defines it.
        wrong: rows, of a run or of the merged table, that differ from those of the undisturbed sweep in a column
            other than times, or that the undisturbed sweep does not have.
        leftovers: halves of files (`.*.tmp`), tracebacks on stderr, exit statuses other than promised, commands that
            do not end, processes that live on.
    """

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    def count(self, category: str) -> int:
        """Return how much of one kind was found."""
        return len(getattr(self, category))

    def __bool__(self) -> bool:
        """Say whether anything was found."""
        return any(self.count(category) for category in CATEGORIES)

    def lines(self) -> list[str]:
        """Return everything found, with its category."""
        return [f"{words}: {each}" for name, words in CATEGORIES.items() for each in getattr(self, name)]


def judge(findings: Findings, store: RunStore, reference: Reference, ledger: Ledger) -> None:
    """Add what is wrong in the folder of a finished sweep."""
    merged = _rows(findings, store)
    of_runs: dict[RowKey, dict[str, str]] = {}
    for run_id in reference.run_ids:
        run = store.folder(run_id)
        damage = run.find_damage()
        if run.state != "done" or damage or not any(key[0] == run_id for key in merged):
            findings.lost.append(f"{run_id} is {damage or run.state}")
        of_runs |= _rows(findings, run)
    findings.wrong += _differences("merged", merged, reference.rows)
    findings.wrong += _differences("of its run", of_runs, reference.rows)
    findings.twice += [f"{run_id}: {reason}" for run_id, reason in ledger.twice.items()]
    findings.leftovers += [str(half.relative_to(store.path)) for half in store.path.rglob(".*.tmp")]


def _rows(findings: Findings, owner: RunStore | RunFolder) -> dict[RowKey, dict[str, str]]:
    """Read a table; where there is none its rows are missing, and where it is damaged they are wrong."""
    try:
        return compared_rows(owner.metrics_file)
    except FileNotFoundError:
        return {}
    except (UserError, KeyError) as error:
        findings.wrong.append(f"{owner.metrics_file.relative_to(owner.path.parent)}: {error}")
        return {}


def _differences(
    where: str, rows: Mapping[RowKey, Mapping[str, str]], expected: Mapping[RowKey, Mapping[str, str]]
) -> list[str]:
    """Name the rows that are not as expected; missing ones belong to lost runs."""
    return [
        f"{run_id} at {length} ({where}): {_difference(row, expected.get((run_id, length), {}))}"
        for (run_id, length), row in rows.items()
        if row != expected.get((run_id, length))
    ]


def _difference(row: Mapping[str, str], expected: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name} {cell}, expected {expected.get(name, 'no such row')}"
        for name, cell in row.items()
        if cell != expected.get(name)
    )

"""The folder of a sweep: it owns every path below it."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from attnbench.errors import DamagedFileError, UserError, obstacle, storage_faults_named
from attnbench.runs.folder import RunFolder, RunState
from attnbench.runs.io import (
    from_yaml,
    held_in_turn,
    read_whole,
    remove_partial_files,
    to_yaml,
    write_atomically,
)
from attnbench.runs.metrics_csv import read_rows, write_rows
from attnbench.runs.sentences import SENTENCES_FILE

LEAST_ROOM = 64 * 1024
"""Bytes: what the first files of a small sweep take."""
LONGEST_NAME = 255
"""Bytes, on the file systems of today."""


class RunStore:
    """All runs of one sweep, or of `attnbench train`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs_path = path / "runs"
        self.sweep_file = path / "sweep.yaml"
        self.metrics_file = path / "metrics.csv"
        self.tuning_file = path / "tuning.csv"
        self.sentences_file = path / SENTENCES_FILE
        self.jobs_path = path / "jobs"
        self.claim_file = path / "claim"
        self._folders: dict[str, RunFolder] = {}

    def check_ours(self) -> None:
        """Refuse a folder that holds something else, or that cannot be written.

        Raises:
            UserError: and nothing has been changed.
        """
        remedy = "Use another --results or --name."
        check_writable(self.runs_path, remedy)
        if self.path.exists() and any(self.path.iterdir()) and not self.is_ours:
            raise UserError(
                f"{self.path} holds something else: neither sweep.yaml nor runs/ is in it. {remedy}"
            )

    @property
    def is_ours(self) -> bool:
        """Whether the folder was filled by attnbench."""
        return self.sweep_file.exists() or self.runs_path.is_dir()

    def folder(self, run_id: str) -> RunFolder:
        """Return the folder of a run, there or not; the same object each time, for it keeps what it has read."""
        if run_id not in self._folders:
            self._folders[run_id] = RunFolder(self.runs_path / run_id)
        return self._folders[run_id]

    def folders(self) -> list[RunFolder]:
        """Return the folders of all runs, by name."""
        if not self.runs_path.is_dir():
            return []
        # By name and with scandir: to compare thousands of paths and to look each one up takes a second.
        with os.scandir(self.runs_path) as entries:
            return [self.folder(name) for name in sorted(each.name for each in entries if each.is_dir())]

    def states(self) -> dict[str, RunState]:
        """Return how far every run is, by run_id."""
        return {folder.run_id: folder.state for folder in self.folders()}

    def renamed(self) -> dict[str, str]:
        """Return which run lies in each folder that bears another name than its run: true names by folders' names."""
        named = {folder.path.name: folder.true_name for folder in self.folders()}
        return {name: true for name, true in named.items() if true is not None}

    def about_renamed(self, name: str, true: str) -> str:
        """Say which run lies in a renamed folder, and what to do."""
        remedy = f"Call it {true} again, and they count."
        if self.folder(true).path.exists():
            remedy = "That run is there too: remove one of the two."
        return (
            f"{self.runs_path / name} is the run {true} under another name: its rows are left out. {remedy}"
        )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Do what reads files of this folder and writes them anew, while no other sweep does; waits for its turn."""
        # First of all: by runs/ another sweep that starts at the same moment knows the folder as ours.
        with storage_faults_named(self.runs_path, is_writing=True):
            self.runs_path.mkdir(parents=True, exist_ok=True)
        with held_in_turn(self.claim_file):
            yield

    def remove_partial_files(self) -> None:
        """Take away what killed processes were writing, anywhere in the folder."""
        for folder in (self.path, self.jobs_path, *(folder.path for folder in self.folders())):
            remove_partial_files(folder)

    def record_invocation(self, invocation: Mapping[str, Any]) -> str | None:
        """Add one invocation to sweep.yaml; a damaged one is put aside, and that is said in words."""
        with self.held():
            before, note = self._read_invocations(), None
            if before is None:
                aside = self.sweep_file.with_suffix(".damaged.yaml")
                note = f"{self.sweep_file} is damaged: it is kept as {aside.name}, and begun anew."
                with storage_faults_named(aside, is_writing=True):
                    self.sweep_file.replace(aside)
            invocations = [*(before or []), dict(invocation)]
            write_atomically(self.sweep_file, to_yaml({"invocations": invocations}).encode())
        return note

    def invocations(self) -> list[dict[str, Any]]:
        """Return every invocation that filled this folder; what cannot be read counts as none."""
        return self._read_invocations() or []  # a record for people: losing it loses no result

    def _read_invocations(self) -> list[dict[str, Any]] | None:
        """Return what sweep.yaml records, nothing where there is none; None where it is damaged."""
        try:
            return list(from_yaml(read_whole(self.sweep_file))["invocations"])
        except FileNotFoundError:
            return []
        except (IsADirectoryError, ValueError, TypeError, KeyError, yaml.YAMLError):
            return None

    def collect(self, on_damage: Callable[[str], None] | None = None) -> list[dict[str, str]]:
        """Return the rows of all finished runs, but for those whose folder was renamed: they may be copies.

        Args:
            on_damage: told of every finished run that is not what it wrote, and whose rows are left out.

        Raises:
            DamagedFileError: naming the first such run, where nobody is told.
        """
        rows: list[dict[str, str]] = []
        for folder in self.folders():
            if folder.true_name is not None:
                continue
            damage = folder.find_damage()
            if damage is not None and on_damage is None:
                raise DamagedFileError(f"{damage} `attnbench sweep` with the same words repeats that run.")
            if damage is not None and on_damage is not None:
                on_damage(damage)
                continue
            outcome = folder.read_outcome()
            if outcome is not None and outcome.state == "done":
                rows += read_rows(folder.metrics_file)
        return rows

    def write_metrics(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Write the merged metrics.csv, which can be made anew from the runs at any time."""
        write_rows(self.metrics_file, rows)


def check_writable(folder: Path, remedy: str) -> None:
    """Refuse a folder that cannot be made, or in which no file can be made.

    Permission bits do not tell, above all not to root, nor what is left of a quota; an unnamed file does, and
    leaves no trace.

    Raises:
        UserError: ending with the remedy.
    """
    for part in folder.parts:
        if len(os.fsencode(part)) > LONGEST_NAME:
            raise UserError(f"{part}: longer than a name may be, {LONGEST_NAME} bytes. {remedy}")
    if found := obstacle(folder):
        raise UserError(f"{found}. {remedy}")
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not existing.is_dir():
        raise UserError(f"{existing} is a file, expected a folder. {remedy}")
    try:
        with tempfile.TemporaryFile(dir=existing, buffering=0) as file:
            file.write(bytes(LEAST_ROOM))
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"{existing} cannot be written to ({error.strerror}). {remedy}") from error

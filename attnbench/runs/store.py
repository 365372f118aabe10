"""The folder of a sweep: it owns every path below it."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from attnbench.errors import DamagedFileError, UserError
from attnbench.runs.columns import read_rows, write_rows
from attnbench.runs.files import write_atomically
from attnbench.runs.folder import RunFolder, RunState


class RunStore:
    """All runs of one sweep, or of `attnbench train`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs_path = path / "runs"
        self.sweep_file = path / "sweep.yaml"
        self.metrics_file = path / "metrics.csv"

    def check_ours(self) -> None:
        """Refuse a folder that holds something else, or that cannot be written.

        Raises:
            UserError: and nothing has been changed.
        """
        existing = next(each for each in (self.path, *self.path.absolute().parents) if each.exists())
        if not existing.is_dir():
            raise UserError(f"{existing} is a file; results need a folder. Use another --results or --name.")
        if existing == self.path and any(self.path.iterdir()) and not self.is_ours:
            raise UserError(
                f"{self.path} holds something else: neither sweep.yaml nor runs/ is in it. "
                "Use another --results or --name."
            )
        for folder in (existing, self.runs_path):
            if folder.exists():
                _check_writable(folder)

    @property
    def is_ours(self) -> bool:
        """Whether the folder was filled by attnbench."""
        return self.sweep_file.exists() or self.runs_path.is_dir()

    def folder(self, run_id: str) -> RunFolder:
        """Return the folder of a run, there or not."""
        return RunFolder(self.runs_path / run_id)

    def folders(self) -> list[RunFolder]:
        """Return the folders of all runs, by name."""
        if not self.runs_path.is_dir():
            return []
        return [RunFolder(path) for path in sorted(self.runs_path.iterdir()) if path.is_dir()]

    def states(self) -> dict[str, RunState]:
        """Return how far every run is, by run_id."""
        return {folder.run_id: folder.state for folder in self.folders()}

    def record_invocation(self, invocation: Mapping[str, Any]) -> None:
        """Add one invocation to sweep.yaml."""
        self.path.mkdir(parents=True, exist_ok=True)
        invocations = [*self.invocations(), dict(invocation)]
        text = yaml.safe_dump({"invocations": invocations}, sort_keys=False, allow_unicode=True)
        write_atomically(self.sweep_file, text.encode())

    def invocations(self) -> list[dict[str, Any]]:
        """Return every invocation that filled this folder; what cannot be read counts as none."""
        try:
            return list(yaml.safe_load(self.sweep_file.read_bytes())["invocations"])
        except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
            return []  # a record for people: losing it loses no result

    def collect(self, folders: Iterable[RunFolder] | None = None) -> list[dict[str, str]]:
        """Return the rows of all finished runs.

        Raises:
            DamagedFileError: naming a finished run whose metrics are not what it wrote.
        """
        rows: list[dict[str, str]] = []
        for folder in self.folders() if folders is None else folders:
            outcome = folder.read_outcome()
            if outcome is None or outcome.state != "done":
                continue
            damage = folder.find_damage()
            if damage:
                raise DamagedFileError(f"{damage} `attnbench sweep` with the same words repeats that run.")
            rows += _rows_of(folder)
        return rows

    def write_metrics(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Write the merged metrics.csv, which can be made anew from the runs at any time."""
        write_rows(self.metrics_file, rows)


def _rows_of(folder: RunFolder) -> list[dict[str, str]]:
    try:
        return read_rows(folder.metrics_file)
    except OSError as error:
        raise DamagedFileError(f"{folder.metrics_file} cannot be read: {error}") from error


def _check_writable(folder: Path) -> None:
    """Refuse a folder in which no file can be made; permission bits alone do not tell, above all not to root."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written to ({error.strerror}). Use another --results."
        ) from error

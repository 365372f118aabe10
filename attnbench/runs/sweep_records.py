"""What the folder of a sweep tells a person beside its tables: commands, states, learning, machines, inspections.

All of it is told as far as it can be read: a damaged record is counted, and loses no other.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attnbench.errors import DamagedFileError
from attnbench.runs.folder import RunFolder
from attnbench.runs.io import read_whole
from attnbench.runs.metrics_csv import read_rows
from attnbench.runs.store import RunStore

# The files that `attnbench inspect` writes into the folder of a run.
INSPECT_FOLDER = "inspect"
FOLDER_TABLES = ("tuning.csv", "law.csv")
INSPECT_TABLES = ("attention.csv", "causal.csv", "errors.csv", "worst.csv")
_PICTURE = re.compile(r"(heatmap|heads|self_attention)_\w+\.png")


@dataclass(frozen=True)
class Inspection:
    """What one call of `attnbench inspect` left.

    Attributes:
        run_id: the run in whose folder it lies.
        where: its folder, relative to that of the sweep.
        pictures: PNG files, heatmaps first.
        tables: the rows of the tables there are, by the names of their files.
        pages: the names of the pages to click through.
    """

    run_id: str
    where: Path
    pictures: Sequence[Path]
    tables: Mapping[str, Sequence[Mapping[str, str]]]
    pages: Sequence[str]


@dataclass
class SweepRecords:
    """What can be read of the folder of a sweep; nothing for a table by itself.

    Attributes:
        folder: in which the tables lie.
        store: of the runs in that folder; None for a table by itself.
        invocations: as sweep.yaml records them.
        states: how far every run is, by run_id.
        errors: of the failed runs, by run_id.
        unread: how many files could not be read, by name.
    """

    folder: Path | None = None
    store: RunStore | None = None
    invocations: list[dict[str, Any]] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    unread: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, store: RunStore) -> "SweepRecords":
        """Read how far the runs of a folder are, and why any has failed."""
        states: dict[str, str] = dict(store.states())
        failed = [run_id for run_id, state in states.items() if state == "failed"]
        outcomes = {run_id: store.folder(run_id).read_outcome() for run_id in failed}
        errors = {run_id: (each.error if each else None) or "" for run_id, each in outcomes.items()}
        return cls(store.path, store, store.invocations(), states, errors)

    def _folders(self, run_ids: Iterable[str] | None = None) -> list[RunFolder]:
        if self.store is None:
            return []
        return [self.store.folder(each) for each in (self.states if run_ids is None else run_ids)]

    def learning(self, run_ids: Iterable[str]) -> dict[str, list[dict[str, str]]]:
        """Return the rows of train.csv of these runs, of those that have any."""
        found = {folder.run_id: self._rows_of(folder.train_file) for folder in self._folders(run_ids)}
        return {run_id: rows for run_id, rows in found.items() if rows}

    def _rows_of(self, path: Path) -> list[dict[str, str]]:
        try:
            return read_rows(path) if path.is_file() else []
        except (DamagedFileError, OSError):
            self.unread[path.name] += 1
            return []

    def environments(self) -> dict[str, Counter[str]]:
        """Return of each fact about machines and versions its values, each with the number of its runs."""
        found: dict[str, Counter[str]] = {}
        for folder in self._folders():
            for name, value in self._environment(folder.environment_file).items():
                found.setdefault(name, Counter())[value] += 1
        return found

    def _environment(self, path: Path) -> dict[str, str]:
        try:
            values = dict(json.loads(read_whole(path)))
            facts = {**values, **dict(values.pop("packages", {}))}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError):
            self.unread[path.name] += 1
            return {}
        # The command stands in sweep.yaml; a nested fact would be no line of a list.
        skipped = ("command", "packages")
        return {
            name: str(value) for name, value in facts.items() if name not in skipped and value is not None
        }

    def inspections(self) -> Iterator[Inspection]:
        """Yield what `attnbench inspect` has left in the folders of runs, run by run."""
        for folder in self._folders():
            home = folder.path / INSPECT_FOLDER
            if home.is_dir():
                for path in sorted({home, *(each for each in home.rglob("*") if each.is_dir())}):
                    yield from self._inspection(folder.run_id, path)

    def _inspection(self, run_id: str, path: Path) -> Iterator[Inspection]:
        assert self.store is not None
        pictures = sorted(each for each in path.iterdir() if _PICTURE.fullmatch(each.name))
        pictures.sort(key=lambda each: not each.name.startswith("heatmap"))
        tables = {name: rows for name in INSPECT_TABLES if (rows := self._rows_of(path / name))}
        if pictures or tables:
            where = path.relative_to(self.store.path)
            pages = sorted(each.name for each in path.glob("page*.html") if each.is_file())
            yield Inspection(run_id, where, pictures, tables, pages)

    def tables(self) -> dict[str, list[dict[str, str]]]:
        """Return the rows of tables that are files of the folder alone, by name; none where it lacks one."""
        if self.folder is None:
            return {}
        return {name: self._rows_of(self.folder / name) for name in FOLDER_TABLES}

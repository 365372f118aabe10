"""Where the files of a run's data lie now: known by their content, wherever a folder or a machine has put them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

from attnbench.errors import UserError, unknown
from attnbench.runs.kept_data import KeptFile
from attnbench.runs.spec import RunSpec
from attnbench.tasks.text.files import content_hash

MOST_COMBINATIONS = 256  # of files that are there; each is hashed once


def find_data(
    spec: RunSpec,
    folder: Path,
    remedy: str,
    kept: Mapping[str, KeptFile] | None = None,
    given: Mapping[str, str] | None = None,
) -> RunSpec:
    """Return the spec with the paths at which the files of its data lie now.

    They are looked for at the paths that the run recorded, at the same places relative to the run's folder, and
    below the folders above it. Only files of the recorded content are taken, so a wrong one does no harm.

    Args:
        spec: as the run's folder has it.
        folder: of the run.
        remedy: what to do where they are not found.
        kept: what the run recorded of each file, by the task's key; None for a run of an earlier version.
        given: where a person says that files lie, by the task's key; those are not looked for anywhere else.

    Raises:
        UserError: naming the places looked at, and files there that have another content.
    """
    given = given or {}
    _check_keys(spec, given)
    if not given and _holds_data(spec):
        return spec
    search = _Search(spec, folder, kept or {}, given)
    found = search.find()
    if found is None:
        raise search.not_found(remedy)
    return found


def _check_keys(spec: RunSpec, given: Mapping[str, str]) -> None:
    for key in given:
        if not spec.paths:
            raise UserError(
                f"task.{key}={given[key]}: the task {spec.task.name} reads no files. Leave it out."
            )
        if key not in spec.paths:
            raise unknown("file of the run's task", f"task.{key}", [f"task.{each}" for each in spec.paths])


def _holds_data(spec: RunSpec) -> bool:
    try:
        return spec.task.data_fingerprint() == spec.data
    except UserError:
        return False  # a file is missing, or cannot be read


@dataclass(frozen=True)
class _Search:
    spec: RunSpec
    folder: Path
    kept: Mapping[str, KeptFile]
    given: Mapping[str, str]

    def find(self) -> RunSpec | None:
        """Return the spec with files of the right content; None where there are none."""
        candidates = {key: self._existing(key) for key in self.spec.paths}
        for paths in islice(product(*candidates.values()), MOST_COMBINATIONS):
            moved = self._at(dict(zip(candidates, paths, strict=True)))
            if _holds_data(moved):
                return moved
        return None

    def _at(self, paths: Mapping[str, Path]) -> RunSpec:
        chosen = {key: str(path) for key, path in paths.items()}
        return replace(self.spec, task=replace(self.spec.task, **chosen))

    def _existing(self, key: str) -> list[Path]:
        """Return files that may be the one of a key, those of the recorded content first."""
        there = [path for path in dict.fromkeys(self._places(key)) if os.path.isfile(path)]  # noqa: PTH113 no raise
        return sorted(there, key=lambda path: not self._is_recorded(key, path))

    def _is_recorded(self, key: str, path: Path) -> bool:
        try:
            return key in self.kept and content_hash(path) == self.kept[key].content
        except UserError:
            return False

    def _places(self, key: str) -> Iterator[Path]:
        yield from self._named_places(key)
        if key not in self.given:
            yield from _ends_above(Path(self.spec.paths[key]), self.folder)

    def _named_places(self, key: str) -> Iterator[Path]:
        """Yield the places that a message names."""
        if key in self.given:
            yield _absolute(self.given[key])
            return
        recorded = Path(self.spec.paths[key])
        for other, path in self.given.items():  # what lay beside a file has probably gone with it
            step = os.path.relpath(recorded, Path(self.spec.paths[other]).parent)
            yield _absolute(path).parent / step
        yield recorded
        if key in self.kept:
            yield Path(os.path.normpath(self.folder.resolve() / self.kept[key].beside))

    def not_found(self, remedy: str) -> UserError:
        """Return the error that names the places looked at."""
        reasons = [reason for reason in map(self._about, self.spec.paths) if reason] or [self._together()]
        begin = f"{self.folder}: the files that {self.spec.task.name} was trained on are not found."
        return UserError("\n".join([begin, *(f"  {reason}." for reason in reasons), remedy]))

    def _about(self, key: str) -> str | None:
        """Say where the file of a key was looked for; None where there is one that may be it."""
        there = self._existing(key)
        if not there:
            places = " nor at ".join(str(path) for path in dict.fromkeys(self._named_places(key)))
            above = "" if key in self.given else ", nor below any folder above the run"
            return f"task.{key}: not at {places}{above}"
        if key in self.kept and not self._is_recorded(key, there[0]):
            return f"task.{key}: {_others(there)}"
        return None

    def _together(self) -> str:
        """Say what is wrong with files each of which may be the right one."""
        first = {key: self._existing(key)[0] for key in self.spec.paths}
        if not first:
            return "what it reads has changed"
        try:
            self._at(first).task.data_fingerprint()
        except UserError as error:
            return f"{error}".removesuffix(".")
        return _others(list(first.values()))


def _others(paths: Sequence[Path]) -> str:
    have = "has" if len(paths) == 1 else "have"
    return f"{' and '.join(map(str, paths))} {have} another content than at the training"


def _absolute(path: str) -> Path:
    return Path(path).expanduser().resolve()


def _ends_above(recorded: Path, folder: Path) -> Iterator[Path]:
    """Yield the ends of a path in every folder above the run, the nearest first: its folder may have moved along."""
    parts = recorded.parts[1:]
    here = folder.absolute()
    for above in dict.fromkeys([here, *here.parents, *here.resolve().parents]):
        for start in range(len(parts)):
            yield above.joinpath(*parts[start:])

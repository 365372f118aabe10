"""The data of a run: what it keeps of it, and how its corpus is found by its content."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attnbench.batch import Batch
from attnbench.errors import DamagedFileError, UserError, unknown
from attnbench.runs.folder import RunFolder
from attnbench.runs.io import read_whole, take_checksum, with_checksum, write_atomically
from attnbench.runs.spec import RunSpec
from attnbench.tasks.base import LengthRange
from attnbench.tasks.text.files import content_hash

TRAINING_EXAMPLES = 8  # enough to see whether targets are as long as sources, or always equally long
TEST_EXAMPLES = 3  # as many as `attnbench inspect` draws by default


@dataclass(frozen=True)
class KeptFile:
    """One file of the data.

    Attributes:
        content: a hash of its content.
        beside: its path as seen from the run's folder, when the run was made.
    """

    content: str
    beside: str


@dataclass(frozen=True)
class KeptTest:
    """The first test examples of a length or bucket.

    Attributes:
        count: of all the examples of the test there.
        examples: the first of them, each alone.
    """

    count: int
    examples: tuple[Batch, ...]


@dataclass(frozen=True)
class KeptData:
    """What a run keeps of its data.

    Attributes:
        files: by the task's key.
        learnt: what the task learnt from them; vocabularies, for instance.
        training: the first training examples, each alone.
        tests: by the lengths that the run was evaluated at.
    """

    files: Mapping[str, KeptFile]
    learnt: Mapping[str, Any]
    training: tuple[Batch, ...]
    tests: Mapping[LengthRange, KeptTest]


def keep_data(folder: RunFolder, spec: RunSpec, counts: Mapping[LengthRange, int]) -> None:
    """Write data.json of a run whose files are there; nothing where its task learns nothing from files.

    Args:
        folder: of the run.
        spec: of the run, its files found.
        counts: test examples of each evaluated range of lengths.

    Raises:
        StorageError: when the disk refuses it.
    """
    learnt = spec.task.learnt()
    if learnt is None:
        return
    here = folder.path.resolve()
    values = {
        "files": {
            key: {"content": content_hash(Path(path)), "beside": os.path.relpath(path, here)}
            for key, path in spec.paths.items()
        },
        "learnt": learnt,
        "training": list(map(_values_of, _training_examples(spec))),
        "tests": [
            {
                "length_min": lengths.minimum,
                "length": lengths.maximum,
                "count": count,
                "examples": list(map(_values_of, _test_examples(spec, lengths))) if count else [],
            }
            for lengths, count in counts.items()
        ],
    }
    text = json.dumps(with_checksum(values), ensure_ascii=False, separators=(",", ":"))
    write_atomically(folder.data_file, text.encode())


def read_kept_data(folder: RunFolder) -> KeptData | None:
    """Return what the run keeps of its data; None where it keeps nothing, such as a run of an earlier version.

    Raises:
        DamagedFileError: where data.json is not what the run wrote.
        StorageError: where the disk does not give it.
    """
    try:
        values = dict(json.loads(read_whole(folder.data_file)))
        if not take_checksum(values):
            raise ValueError("its checksum is another")
        return KeptData(
            files={key: KeptFile(**each) for key, each in values["files"].items()},
            learnt=values["learnt"],
            training=tuple(map(_example_of, values["training"])),
            tests={
                LengthRange(each["length_min"], each["length"]): KeptTest(
                    each["count"], tuple(map(_example_of, each["examples"]))
                )
                for each in values["tests"]
            },
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedFileError(f"{folder.data_file} is damaged: it is not what the run wrote.") from error


def training_examples(spec: RunSpec, kept: KeptData | None) -> Sequence[Batch]:
    """Return a few training examples, each alone; without kept ones, the task's files have to be there."""
    if kept is not None:
        return kept.training
    return [_example_of(_values_of(each)) for each in _training_examples(spec)]


Row = tuple[Batch, int]
"""A batch, and which of its examples is meant."""


def _training_examples(spec: RunSpec) -> Iterator[Row]:
    shortest = LengthRange(spec.lengths.minimum, spec.lengths.minimum)
    lengths = spec.lengths if spec.task.reads_files else shortest
    return _rows(spec.task.training_batch(spec.seed, 0, TRAINING_EXAMPLES, lengths))


def _test_examples(spec: RunSpec, lengths: LengthRange) -> Iterator[Row]:
    examples, batch_size = spec.training.test_examples, spec.training.evaluation_batch_size
    batches = spec.task.evaluation_batches("test", spec.seed, lengths, examples, batch_size)
    return islice(chain.from_iterable(map(_rows, batches)), TEST_EXAMPLES)


def _rows(batch: Batch) -> Iterator[Row]:
    return ((batch, row) for row in range(len(batch)))


def _values_of(example: Row) -> dict[str, Any]:
    """Return one example as plain values, without padding."""
    batch, row = example
    source, target = int(batch.source_lengths[row]), int(batch.target_mask[row].sum())
    return {
        "source": batch.source[row, :source].tolist(),
        "target": batch.target[row, :target].tolist(),
        "scored": batch.scored[row, :target].int().tolist(),
        "sure": _places(batch.alignment_sure, row),
        "possible": _places(batch.alignment_possible, row),
        "reference": batch.references[row] if batch.references else None,
    }


def _places(mask: Tensor | None, row: int) -> list[list[int]] | None:
    """Return target and source position of every True."""
    return None if mask is None else mask[row].nonzero().tolist()


def _example_of(values: Mapping[str, Any]) -> Batch:
    """Return a batch of one."""
    source, target = torch.tensor([values["source"]]), torch.tensor([values["target"]])
    shape = (1, target.shape[1], source.shape[1])
    return Batch(
        source=source,
        source_lengths=torch.tensor([source.shape[1]]),
        target=target,
        scored=torch.tensor([values["scored"]], dtype=torch.bool),
        alignment_sure=_mask(values["sure"], shape),
        alignment_possible=_mask(values["possible"], shape),
        references=None if values["reference"] is None else (values["reference"],),
    )


def _mask(places: Sequence[Sequence[int]] | None, shape: tuple[int, int, int]) -> Tensor | None:
    if places is None:
        return None
    mask = torch.zeros(shape, dtype=torch.bool)
    for target, source in places:
        mask[0, target, source] = True
    return mask


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
        try:
            self._at(first).task.data_fingerprint()
        except UserError as error:
            return f"{error}".removesuffix(".")
        if not first:
            return "what it reads has changed"
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

"""What a run keeps of its data, so that it can be looked at where the files of the data are not: data.json."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attnbench.batch import Batch
from attnbench.errors import DamagedFileError
from attnbench.runs.checksums import take_checksum, with_checksum
from attnbench.runs.files import read_whole, write_atomically
from attnbench.runs.folder import RunFolder
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

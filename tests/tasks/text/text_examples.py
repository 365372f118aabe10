"""Small parallel texts in files, for tests of the tasks that read them."""

from collections.abc import Iterable
from pathlib import Path

import torch
import yaml

from attnbench.batch import Batch
from attnbench.tasks.base import LengthRange, Split
from attnbench.tasks.text.task import TextTask
from attnbench.tasks.text.text_pairs import TextPairs
from tests import ROOT

CONFIG = ROOT / "conf" / "task" / "text_pairs.yaml"
ALL = LengthRange(1, 60)


def text_pairs(**changed: object) -> TextPairs:
    """Return the task with the defaults of its yaml and the values given in place of them."""
    values = yaml.safe_load(CONFIG.read_text())
    del values["_target_"]
    small = {"source_vocabulary_size": 300, "target_vocabulary_size": 300}
    values |= {"name": "text_pairs"} | small | changed
    return TextPairs(**values)


def write_tsv(path: Path, pairs: Iterable[tuple[str, str]]) -> str:
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs))
    return str(path)


def write_links(path: Path, *lines: str) -> str:
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def numbered_pairs(count: int, first: int = 0) -> list[tuple[str, str]]:
    """Return different pairs whose sources have 1 to 9 words, and whose targets say so backwards."""
    names = [f"w{first + i}" for i in range(count)]
    return [
        (" ".join([name] * (1 + i * 7 % 9)), " ".join([name[::-1]] * (1 + i * 5 % 9)))
        for i, name in enumerate(names)
    ]


def held_out(
    task: TextTask, split: Split, lengths: LengthRange = ALL, seed: int = 0, examples: int = 99
) -> list[Batch]:
    return list(task.evaluation_batches(split, seed, lengths, examples, batch_size=8))


def sources(task: TextTask, batches: list[Batch]) -> list[str]:
    return [task.source_vocabulary.decode(row) for batch in batches for row in batch.source.tolist()]


def training_sources(task: TextTask) -> list[str]:
    return sources(task, [task.training_batch(0, 0, 9999, ALL)])


def same(left: Batch, right: Batch) -> bool:
    return (
        torch.equal(left.source, right.source)
        and torch.equal(left.target, right.target)
        and left.references == right.references
    )

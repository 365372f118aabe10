"""What a task's docstring draws is what the task does."""

import doctest
import importlib
import inspect
import pkgutil
import re
from types import ModuleType

import pytest
import torch
from torch import Tensor

import attnbench.tasks
from attnbench.batch import Batch
from attnbench.tasks.base import SyntheticTask
from tests.tasks.synthetic import can_make, every_synthetic_task, synthetic_names, synthetic_task

MODULES = [
    importlib.import_module(f"attnbench.tasks.{each.name}")
    for each in pkgutil.iter_modules(attnbench.tasks.__path__)
]
DRAWING = re.compile(r"^ +source   (?P<source>.+)\n +target   (?P<target>.+?)(?:  +\(.*\))?$", re.MULTILINE)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_the_examples_in_the_docstrings_are_true(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def drawings(task: SyntheticTask) -> list[tuple[str, str]]:
    return DRAWING.findall(inspect.getdoc(type(task)) or "")


def is_right(task: SyntheticTask, drawing: tuple[str, str]) -> bool:
    """Whether the drawing has the shape of the task's examples, and its target is the solution of its source."""
    source = torch.tensor([task.source_vocabulary.encode(drawing[0])])
    target = torch.tensor([task.target_vocabulary.encode(drawing[1])])
    scored = None if task.ends_with_mark else scored_in_this_shape(task, source.shape[1], target.shape[1])
    if scored is None:
        return False
    batch = Batch(source, torch.tensor([source.shape[1]]), target, scored)
    return torch.equal(task.solve(batch), target)


def scored_in_this_shape(task: SyntheticTask, source_len: int, target_len: int) -> Tensor | None:
    """Return what is scored in an example with so many words, (1, target_len); None where the task makes none."""
    for length in range(1, source_len + 1):
        if can_make(task, length):
            batch = task.sample("test", length, 400, torch.Generator())
            is_alike = (batch.source_lengths == source_len) & (batch.target_mask.sum(dim=1) == target_len)
            if is_alike.any():
                return batch.scored[is_alike][:1, :target_len]
    return None


@pytest.mark.parametrize("name", synthetic_names())
def test_every_drawn_example_is_an_example_of_the_task(name: str) -> None:
    variants = [each.values[0] for each in every_synthetic_task() if each.values[0].name == name]
    found = drawings(synthetic_task(name))
    assert found
    for drawing in found:
        assert any(is_right(task, drawing) for task in variants), drawing


def test_a_wrong_drawing_is_noticed() -> None:
    reverse = synthetic_task("reverse", eos=False)
    assert is_right(reverse, ("c a f b", "b f a c"))
    assert not is_right(reverse, ("c a f b", "c a f b"))
    assert not is_right(reverse, ("c a f b", "b f a"))

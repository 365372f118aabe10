"""Every synthetic task of conf/, with every combination of its options."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from attnbench.errors import UserError
from attnbench.schema import build_named, load_class
from attnbench.tasks.base import LengthRange, SyntheticTask, Task
from tests.configuration import CONFIGURATION

FEW = {"vocabulary_size": 2, "keys": 3, "people": 3, "relations": 2}
LONGEST = 100


@cache
def synthetic_task(name: str, **changed: object) -> SyntheticTask:
    """Return the task of that yaml, with the values given in place of its own."""
    values = CONFIGURATION.compose({"task": name})["task"]
    values.pop("length", None)
    return build_named({**values, "name": name, **changed}, SyntheticTask, "task")


@cache
def synthetic_names() -> list[str]:
    targets = {name: _values(name)["_target_"] for name in CONFIGURATION.choices("task")}
    return [name for name, target in targets.items() if issubclass(load_class(target, Task), SyntheticTask)]


@cache
def every_synthetic_task() -> list[Any]:
    """Return every task with every combination of its options, as parameters that carry its name."""
    return [
        pytest.param(task, id="-".join([name, *(f"{key}={value}" for key, value in options.items())]))
        for name in synthetic_names()
        for options in _options(type(synthetic_task(name)))
        for task in [synthetic_task(name, **options)]
    ]


def every_synthetic_task_at(wished: Sequence[int]) -> list[Any]:
    """Return every task of the above with each of the lengths, or the nearest that it can make."""
    return [
        pytest.param(*parameters.values, length, id=f"{parameters.id}-{length}")
        for parameters in every_synthetic_task()
        for length in sorted({nearest_length(parameters.values[0], each) for each in wished})
    ]


def can_make(task: Task, length: int) -> bool:
    try:
        task.check_length(length)
    except UserError:
        return False
    return True


def nearest_length(task: Task, wished: int) -> int:
    """Return the length itself where the task can make it, else the nearest that it can."""
    possible = [length for length in range(1, LONGEST + 1) if can_make(task, length)]
    return min(possible, key=lambda length: abs(length - wished))


def nearest_range(task: Task, minimum: int, maximum: int) -> LengthRange:
    """Return the range itself where the task can make all its lengths, else the nearest as wide."""
    starts = range(1, LONGEST + minimum - maximum + 1)
    width = range(maximum - minimum + 1)
    possible = [start for start in starts if all(can_make(task, start + step) for step in width)]
    first = min(possible, key=lambda start: abs(start - minimum))
    return LengthRange(first, first + maximum - minimum)


def tiny(task: SyntheticTask) -> SyntheticTask:
    """Return the task with so few symbols that all its examples can be counted; the same where it has no sizes."""
    return replace(task, **{field.name: FEW[field.name] for field in fields(task) if field.name in FEW})


def _values(name: str) -> dict[str, Any]:
    return CONFIGURATION.compose({"task": name})["task"]


def _options(cls: type) -> Iterator[dict[str, Any]]:
    """Yield every combination of the fields that have few values."""
    choices = {name: _choices(hint) for name, hint in get_type_hints(cls).items() if name != "reads_files"}
    named = {name: values for name, values in choices.items() if values}
    for combination in itertools.product(*named.values()):
        yield dict(zip(named, combination, strict=True))


def _choices(hint: Any) -> tuple[Any, ...]:
    if hint is bool:
        return (False, True)
    return get_args(hint) if get_origin(hint) is Literal else ()

"""One run, from the words of `attnbench train`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import yaml

from attnbench.arm import Protocol, Variant
from attnbench.config.compose import GROUPS, Configuration, conf_folder
from attnbench.config.overrides import Assignment, at_home, single
from attnbench.errors import UserError
from attnbench.models.config import ModelConfig
from attnbench.ranges import Seed
from attnbench.runs.spec import RunSpec, path_fields
from attnbench.schema import build, build_named
from attnbench.tasks.base import LengthRange, Task
from attnbench.training.schedule import TrainingConfig

LENGTH_KEY = "length"
# What has a column of its own in every table, and so is not named in `variant`.
COLUMN_KEYS = {"model.hidden_size", "seed"}


@dataclass(frozen=True, kw_only=True)
class Root:
    """The keys that stand beside the groups."""

    seed: Seed
    device: str
    match: Literal["hidden", "parameters"]
    train_range: list[int] | None
    test_lengths: list[int] | None


@dataclass(frozen=True)
class RunRequest:
    """A run, and where and at which lengths it is wanted."""

    spec: RunSpec
    lengths: list[int]
    device: str
    values: dict[str, Any]


def request_run(
    configuration: Configuration, overrides: Sequence[str], task: str | None = None
) -> RunRequest:
    """Compose one run from the words of `attnbench train`, and its option `--task`.

    Raises:
        UserError: for whatever does not fit, before anything is written.
    """
    assignments = configuration.read(overrides)
    if task is not None:
        if any(each.key == "task" for each in assignments):
            raise UserError("--task and task= say the same thing twice: leave one of them out.")
        assignments.append(Assignment("task", (task,)))
    for each in assignments:
        if each.key in GROUPS:
            single(each)
    chosen = {each.key: each.names[0] for each in assignments if each.key in GROUPS}
    names = {group: chosen.get(group, name) for group, name in default_choices().items()}
    values = configuration.compose(names | chosen)
    for assignment in assignments:
        if assignment.key not in GROUPS:
            configuration.assign(values, assignment)
    task_values, length = without_length(values["task"])
    root = root_of(values)
    if root.match != "hidden":
        raise UserError("match=parameters brings several arms to one size: it is for `attnbench sweep`.")
    built = build_task(task_values, names["task"], configuration)
    lengths, test_lengths, protocol = _lengths_of_one_run(built, length, root)
    spec = RunBuilder(configuration, names).build(values, built, protocol, lengths, root.seed)
    return RunRequest(spec, test_lengths, root.device, values)


@cache
def default_choices() -> dict[str, str]:
    """Return which task and model conf/config.yaml names."""
    text = (conf_folder() / "config.yaml").read_text(encoding="utf-8")
    defaults = [each for each in yaml.safe_load(text)["defaults"] if isinstance(each, dict)]
    return {group: name for each in defaults for group, name in each.items() if group in ("task", "model")}


def root_of(values: dict[str, Any]) -> Root:
    """Return the checked keys that stand beside the groups."""
    return build(Root, {key: value for key, value in values.items() if key not in GROUPS}, "")


def without_length(task_values: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Split the task's values into those of the task itself and the length that a run is to have."""
    rest = dict(task_values)
    return rest, rest.pop(LENGTH_KEY, None)


def build_task(task_values: dict[str, Any], name: str, configuration: Configuration) -> Task:
    """Build the task, its file paths made absolute so that they hold from any folder."""
    task = build_named({**task_values, "name": name}, Task, "task")
    paths = {key: getattr(task, key) for key in path_fields(task)}
    # Not Path.resolve, which refuses a link that leads in a circle with an error of its own.
    absolute = {key: os.path.realpath(at_home(path)) for key, path in paths.items() if path}
    if absolute:
        task = build_named({**task_values, **absolute, "name": name}, Task, "task")
    task.check_ready()
    return task


def plain_task(name: str, configuration: Configuration) -> tuple[Task, Any]:
    """Build a task with nothing but the values of its yaml, and return its length there; its files are not read."""
    values, length = without_length(configuration.compose({"task": name})["task"])
    task: Task = build_named({**values, "name": name}, Task, "task")
    return task, length


def build_arm(values: dict[str, Any], names: dict[str, str], configuration: Configuration) -> ModelConfig:
    """Build the arm of a composed configuration."""
    arm_values = {**values["model"], "name": names["model"]}
    arm: ModelConfig = build_named(arm_values, ModelConfig, "model")
    return arm


def _lengths_of_one_run(task: Task, length: Any, root: Root) -> tuple[LengthRange, list[int], Protocol]:
    """Return what `attnbench train` trains on, what it evaluates at, and the protocol which that makes."""
    lengths = task.training_range(root.train_range, length)
    tested = sorted(set(root.test_lengths or task.default_test_lengths(lengths)))
    for each in tested:
        if each < 1:
            raise UserError(f"test_lengths: a length is at least 1, got {each}.")
        task.check_length(each)
    task.check_length(lengths.minimum)
    task.check_length(lengths.maximum)
    task.check_information([*tested, lengths.maximum])
    if lengths.minimum == lengths.maximum and tested == [lengths.maximum]:
        return lengths, tested, "per_length"
    is_inside = lengths.minimum <= tested[0] and tested[-1] <= lengths.maximum
    return lengths, tested, "mixed" if is_inside else "extrapolation"


class RunBuilder:
    """Builds the specifications of one task and model, and names what differs from conf/'s defaults."""

    def __init__(self, configuration: Configuration, names: dict[str, str]) -> None:
        self.configuration = configuration
        self.names = names
        self.defaults = _flat(configuration.compose({group: names[group] for group in ("task", "model")}))

    def build(
        self, values: dict[str, Any], task: Task, protocol: Protocol, lengths: LengthRange, seed: int
    ) -> RunSpec:
        """Return the checked specification of one run."""
        arm = build_arm(values, self.names, self.configuration)
        arm.check()
        data = task.data_fingerprint()
        return RunSpec(
            task=task,
            model=arm,
            training=build(TrainingConfig, values["training"], "training"),
            protocol=protocol,
            lengths=lengths,
            seed=seed,
            data=data,
            variant=self._variant(values, task, data),
        )

    def _variant(self, values: dict[str, Any], task: Task, data: str | None) -> Variant:
        """Return what differs from the defaults and has no column of its own."""
        left_out = COLUMN_KEYS | {f"task.{key}" for key in (LENGTH_KEY, *path_fields(task))}
        differing = {
            key: value
            for key, value in _flat(values).items()
            if key not in left_out and self.defaults.get(key) != value
        }
        if data is not None:
            differing["task.data"] = data[:8]
        return Variant.of(differing)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Return the leaves of the groups that make a run, by dotted key."""
    return {
        f"{group}.{key}": value
        for group in ("task", "model", "training")
        for key, value in values[group].items()
    }

"""What a run is: all that determines its trained weights, and nothing else."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from attnbench.arm import NO_CHANGES, Arm, Protocol, Variant
from attnbench.errors import UserError
from attnbench.models.config import ModelConfig
from attnbench.moved_names import recorded_name
from attnbench.schema import TARGET_KEY, build, build_named
from attnbench.tasks.base import LengthRange, Task
from attnbench.training.schedule import TrainingConfig


@dataclass(frozen=True)
class RunSpec:
    """One training: task, model, training, train range and seed.

    Where it runs is no part of it, nor are the lengths at which it is evaluated.

    Attributes:
        lengths: the source lengths trained on, in the task's unit.
        data: a hash of the files that the task reads; None where it reads none. The paths of those files do not
            tell runs apart, their content does.
        variant: the differences from the defaults of conf/, for tables; follows from the rest.
    """

    task: Task
    model: ModelConfig
    training: TrainingConfig
    protocol: Protocol
    lengths: LengthRange
    seed: int
    data: str | None = None
    variant: Variant = NO_CHANGES

    @property
    def paths(self) -> dict[str, str]:
        """Where the files of the task lie, by its keys; those that it does not use are left out."""
        found = {key: getattr(self.task, key) for key in path_fields(self.task)}
        return {key: path for key, path in sorted(found.items()) if path}

    def notes(self) -> list[str]:
        """Return what a person should know of this model on this task before it is trained."""
        notes, training = [], self.training
        if training.is_within_warmup:
            notes.append(
                f"The budget, training.steps={training.steps}, lies within the warm-up, training.warmup_steps="
                f"{training.warmup_steps}: the learning rate never reaches {training.learning_rate:g}. Use more steps, "
                "or a shorter warm-up."
            )
        if self.task.gives_key_just_ahead and self.model.asks_before_last_word:
            notes.append(
                f"{self.model.name}: as published, its query has not read the key that {self.task.name} gives just "
                f"ahead of the answer, so it cannot look there; model.query=after_input can."
            )
        return notes

    @cached_property
    def identity(self) -> dict[str, Any]:
        """All that tells this run from others, as plain values.

        A field with a default in its dataclass was added after runs had been made without it; at that default it
        is left out, so that those runs keep their names.
        """
        return {
            **self._parts_of_identity,
            "protocol": self.protocol,
            "train_min_length": self.lengths.minimum,
            "train_max_length": self.lengths.maximum,
            "seed": self.seed,
        }

    @cached_property
    def _parts_of_identity(self) -> dict[str, Any]:
        task, paths = _without_defaults(_named(self.task), self.task), path_fields(self.task)
        return {
            "task": {key: value for key, value in task.items() if key not in paths},
            "data": self.data,
            "model": _without_defaults(_named(self.model), self.model),
            "training": _without_defaults(plain(self.training), self.training),
        }

    @cached_property
    def trunk(self) -> str:
        """What runs have in common that differ in their budget, and in the patience that `--longer` gives it, alone."""
        training = {**self.identity["training"], "steps": None, "patience": None}
        return json.dumps({**self.identity, "training": training}, sort_keys=True)

    def at(self, lengths: LengthRange, seed: int) -> "RunSpec":
        """Return the spec of the same task, model and training with other lengths and another seed.

        What the thousands of runs of a sweep have in common is looked at once.
        """
        other = replace(self, lengths=lengths, seed=seed)
        for name in ("_parts_of_identity", "_complete_parts"):
            other.__dict__[name] = getattr(self, name)
        return other

    @cached_property
    def arm(self) -> Arm:
        """The arm that the run's rows are pooled by."""
        low, high = self.lengths.minimum, self.lengths.maximum
        train_range = (None, None) if self.protocol == "per_length" else (low, high)
        names = (self.task.name, self.model.name, self.variant, self.protocol)
        return Arm(*names, self.model.hidden_size, *train_range)

    @cached_property
    def run_id(self) -> str:
        """The name of the run's folder, for people to read and for us to tell runs apart."""
        text = json.dumps(self.identity, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        low, high = self.lengths.minimum, self.lengths.maximum
        span = f"{low}" if low == high else f"{low}-{high}"
        size = self.model.hidden_size
        return f"{self.task.name}-{self.model.name}-L{span}-h{size}-s{self.seed}-{digest}"

    def to_values(self) -> dict[str, Any]:
        """Return the plain values from which `from_values` makes the same spec again."""
        return {"run_id": self.run_id, **self.identity, **self._complete_parts, "variant": str(self.variant)}

    @cached_property
    def _complete_parts(self) -> dict[str, Any]:
        return {"task": _named(self.task), "model": _named(self.model), "training": plain(self.training)}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "RunSpec":
        """Build the spec from plain values.

        Raises:
            UserError: where a value is missing or wrong, a class is foreign, or the values do not belong to the
                run_id that stands with them.
        """
        try:
            spec = cls(
                task=build_named(values["task"], Task, "task"),
                model=build_named(values["model"], ModelConfig, "model"),
                training=build(TrainingConfig, values["training"], "training"),
                protocol=values["protocol"],
                lengths=LengthRange(values["train_min_length"], values["train_max_length"]),
                seed=values["seed"],
                data=values["data"],
                variant=Variant.parse(values["variant"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"not the specification of a run: {error!r}") from error
        if spec.run_id != values.get("run_id"):
            raise UserError(f"the values belong to the run {spec.run_id}, not to {values.get('run_id')}")
        return spec


def plain(instance: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, not descending into them."""
    return {field.name: getattr(instance, field.name) for field in fields(instance)}


def path_fields(task: Task) -> set[str]:
    """Return the names of the task's fields that are paths of files."""
    return {field.name for field in fields(task) if field.metadata.get("path")}


def _named(instance: Any) -> dict[str, Any]:
    return {TARGET_KEY: recorded_name(type(instance)), **plain(instance)}


def _without_defaults(values: dict[str, Any], instance: Any) -> dict[str, Any]:
    at_default = {each.name for each in fields(instance) if each.default == getattr(instance, each.name)}
    return {key: value for key, value in values.items() if key not in at_default}


@dataclass(frozen=True)
class PlannedRun:
    """A run that a sweep wants, and the lengths at which it is to be evaluated."""

    spec: RunSpec
    lengths: tuple[int, ...]

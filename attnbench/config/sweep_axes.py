"""What a sweep varies, from the words of its command and what the preset says: groups, keys and seeds."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from attnbench.config.composition import GROUPS, Configuration, Preset
from attnbench.config.overrides import QUOTING, Assignment, at_home
from attnbench.config.run_request import RunBuilder
from attnbench.config.sizing import match_arms
from attnbench.errors import UserError
from attnbench.ranges import LARGEST_SEED
from attnbench.sweeps.grid import parse_seeds

# Keys for which a sweep has an option of its own: those that both may set, and those that only the option sets.
EITHER = {
    "task": "--task",
    "model": "--models",
    "seed": "--seeds",
    "executor": "--executor",
    "executor.workers": "--workers",
}
OPTION_ALONE = {
    "task.length": "--lengths",
    "test_lengths": "--lengths",
    "train_range": "--train-range",
    "sweep": "--preset",
}


@dataclass(frozen=True)
class SweepWords:
    """The options and overrides as they were typed; None where an option was not given."""

    preset: str | None = None
    task: str | None = None
    models: str | None = None
    lengths: str | None = None
    seeds: str | None = None
    protocol: str | None = None
    train_range: str | None = None
    executor: str | None = None
    workers: int | None = None
    name: str | None = None
    tune_rates: str | None = None
    longer: int | None = None
    baseline: str | None = None
    share: str | None = None
    overrides: tuple[str, ...] = ()


def merge(preset: Preset, words: SweepWords) -> Preset:
    """Replace what the preset says by what the person said."""
    said = {
        name: value
        for name in ("task", "lengths", "seeds", "protocol", "train_range", "tune_rates", "longer")
        if (value := getattr(words, name)) is not None
    }
    if words.models is not None:
        said["models"] = [model.strip() for model in words.models.split(",")]
    return replace(preset, **said)


def merge_assignments(
    configuration: Configuration, preset: Sequence[str], words: SweepWords
) -> dict[str, Assignment]:
    """Return the overrides by key, those that were typed in place of the preset's."""
    typed = {each.key: each for each in configuration.read(words.overrides)}
    given = {
        "task": words.task,
        "model": words.models,
        "seed": words.seeds,
        "executor": words.executor,
        "executor.workers": words.workers,
    }
    for key, option in EITHER.items():
        if key in typed and given[key] is not None:
            raise UserError(f"{option} and {key}= say the same thing twice: leave one of them out.")
    kept = {each.key: each for each in configuration.read(preset) if given.get(each.key) is None}
    return kept | typed


class Axes:
    """Which values are swept: groups, keys and seeds."""

    def __init__(
        self, configuration: Configuration, preset: Preset, assignments: dict[str, Assignment]
    ) -> None:
        said = dict(assignments)
        for key, option in OPTION_ALONE.items():
            if key in said:
                raise UserError(f"{key}: a sweep takes {option} instead.")
        for key in ("executor", "device", "match"):
            if key in said and len(said[key].values) != 1:
                raise UserError(
                    f"{key} has several values, but a sweep has one. Use several sweeps, each with a --name of its own."
                )
        self.configuration = configuration
        models = said.pop("model").names if "model" in said else preset.models
        self.models = list(dict.fromkeys(models))
        tasks = said.pop("task").names if "task" in said else [preset.task]
        self.tasks = list(dict.fromkeys(tasks))
        self.executor = said.pop("executor").names[0] if "executor" in said else "processes"
        self.executor_keys = [said.pop(key) for key in list(said) if key.startswith("executor.")]
        self.seeds = _seeds(said.pop("seed").values) if "seed" in said else parse_seeds(preset.seeds)
        self.groups = {"task": self.tasks, "model": self.models}
        self.groups |= {key: said[key].names for key in GROUPS if key in said}
        self.keys = [each for key, each in said.items() if key not in GROUPS]
        self.keys.sort(key=lambda each: each.is_interpolated)
        for each in self.keys:
            _refuse_a_path_with_commas(each)
        self._builders: dict[tuple[tuple[str, str], ...], RunBuilder] = {}

    def matched_combinations(self, baseline: str | None) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
        """Yield the chosen names and the values of every combination but for the seeds, the arms sized."""
        for setting in itertools.product(*(each.apart() for each in self.keys)):
            for others in itertools.product(*(self.groups[group] for group in self._other_groups)):
                chosen = dict(zip(self._other_groups, others, strict=True))
                choices = [self._combination({**chosen, "model": model}, setting) for model in self.models]
                match_arms(self.configuration, choices, baseline)
                yield from choices

    @property
    def _other_groups(self) -> list[str]:
        return [group for group in self.groups if group != "model"]

    def _combination(
        self, names: dict[str, str], setting: Sequence[Assignment]
    ) -> tuple[dict[str, str], dict[str, Any]]:
        values = self.configuration.compose(names)
        for assignment in setting:
            try:
                self.configuration.assign(values, assignment)
            except UserError as error:
                group = assignment.key.partition(".")[0]
                if len(self.groups.get(group, [])) < 2:
                    raise
                raise UserError(f"{error} These are the keys of {group}={names[group]}.") from error
        return names, values

    def builder(self, names: dict[str, str]) -> RunBuilder:
        """Return what builds specifications for these choices."""
        key = tuple(sorted(names.items()))
        if key not in self._builders:
            self._builders[key] = RunBuilder(self.configuration, names)
        return self._builders[key]


def _seeds(values: Sequence[Any]) -> list[int]:
    # type() because true is an int too.
    if not all(type(each) is int and 0 <= each <= LARGEST_SEED for each in values):
        raise UserError(
            f"seed={','.join(map(str, values))}: seeds are whole numbers of at least 0 and at most {LARGEST_SEED}."
        )
    return list(dict.fromkeys(values))


def _refuse_a_path_with_commas(assignment: Assignment) -> None:
    whole = ",".join(text or "" for text in assignment.texts)
    if len(assignment.values) > 1 and at_home(whole).exists():
        raise UserError(
            f"{assignment.key}={whole} is several values, and there is a file of that name; {QUOTING}."
        )

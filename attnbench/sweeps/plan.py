"""A sweep as it is planned: what it varies, which runs that makes, and where they are executed."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

from attnbench.arm import Protocol
from attnbench.config.compose import GROUPS, Configuration, Preset
from attnbench.config.overrides import QUOTING, Assignment, at_home
from attnbench.config.run_request import RunBuilder, build_arm, build_task, root_of, without_length
from attnbench.errors import UserError, unknown
from attnbench.executors.base import Executor
from attnbench.models.sizing import VocabularySizes, match_parameters
from attnbench.ranges import LARGEST_SEED
from attnbench.runs.spec import PlannedRun
from attnbench.sweeps.budgets import by_trunk, check_warmup, set_budgets
from attnbench.sweeps.grid import Share, parse_lengths, parse_seeds, parse_share, train_ranges
from attnbench.sweeps.learning_rates import RATE_KEY, TUNING_SEED, parse_rates
from attnbench.tasks.base import Task

BASELINE = "fixed"


def match_arms(
    configuration: Configuration,
    choices: Sequence[tuple[dict[str, str], dict[str, Any]]],
    baseline: str | None = None,
) -> None:
    """Set the hidden sizes of combinations that differ in the model alone, where `match` asks for it.

    The baseline keeps its own; where nobody named one it is `fixed` if that takes part, or else the first model.

    Args:
        configuration: what the classes come from.
        choices: the chosen names and the values of each combination.
        baseline: a model among them.

    Raises:
        UserError: where the arms cannot be brought near enough.
    """
    first_names, first_values = choices[0]
    if root_of(first_values).match == "hidden":
        return
    arms = {names["model"]: build_arm(values, names, configuration) for names, values in choices}
    task = build_task(without_length(first_values["task"])[0], first_names["task"], configuration)
    kept = baseline or (BASELINE if BASELINE in arms else next(iter(arms)))
    sizes = VocabularySizes(len(task.source_vocabulary.tokens), len(task.target_vocabulary.tokens))
    matched = match_parameters(arms, kept, sizes)
    for names, values in choices:
        values["model"]["hidden_size"] = matched[names["model"]]


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
class SweepOptions:
    """The options and overrides of a sweep as they were typed; None where an option was not given.

    The names are those of the command line.
    """

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
    budgets: str | None = None
    baseline: str | None = None
    share: str | None = None
    dry_run: bool = False
    no_plot: bool = False
    no_wait: bool = False
    retry_failed: bool = False
    tensorboard: bool = False
    overrides: tuple[str, ...] = ()


OVERRIDES = ("overrides", "parts")
"""What of a preset the command line replaces key by key."""


def merge(preset: Preset, words: SweepOptions) -> Preset:
    """Replace what the preset says by what the person said."""
    typed = {each.name: getattr(words, each.name) for each in fields(preset) if each.name not in OVERRIDES}
    said = {name: value for name, value in typed.items() if value is not None}
    if words.models is not None:
        said["models"] = [model.strip() for model in words.models.split(",")]
    return replace(preset, **said)


def merge_assignments(
    configuration: Configuration, preset: Sequence[str], words: SweepOptions
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


DEFAULT_PRESET = "quick"


@dataclass(frozen=True)
class SweepPlan:
    """Everything that a sweep is about to do.

    Attributes:
        name: of the folder under the results.
        runs: in the order in which they are started: the longest first, so that none drags at the end.
        rates: the grid in which, or just beyond, each arm and train range gets its learning rate first; empty where
            none is tuned.
        longer: how many times the budget the lengths around each breakdown get once more; None where they do not.
        budgets: of the branches that share a trunk, ascending; empty where no run shares one.
        baseline: the model that the others are compared with, and matched to; None where nobody named one.
        share: which part of the runs this invocation makes; None: all of them.
    """

    name: str
    preset: str
    tasks: list[Task]
    models: list[str]
    lengths: list[int]
    seeds: list[int]
    protocol: Protocol
    runs: list[PlannedRun]
    executor: Executor
    device: str
    rates: tuple[float, ...] = ()
    longer: int | None = None
    budgets: tuple[int, ...] = ()
    baseline: str | None = None
    share: Share | None = None

    @property
    def own_runs(self) -> list[PlannedRun]:
        """The runs that this invocation makes."""
        if self.share is None:
            return self.runs
        groups = self.in_turn(self.runs)
        return list(itertools.chain(*self.share.of(groups)))

    def in_turn(self, runs: Sequence[PlannedRun]) -> list[list[PlannedRun]]:
        """Return the runs in groups, of which each is made one run after the other."""
        return by_trunk(runs) if self.budgets else [[run] for run in runs]


def plan_sweep(configuration: Configuration, words: SweepOptions) -> SweepPlan:
    """Compose the whole sweep; nothing is written.

    Raises:
        UserError: for whatever does not fit.
    """
    preset_name = DEFAULT_PRESET if words.preset is None else words.preset
    preset = merge(configuration.preset(preset_name), words)
    assigned = [
        merge_assignments(configuration, [*preset.overrides, *own], words) for own in preset.parts or [[]]
    ]
    budgets = set_budgets(configuration, preset, words.budgets, words.overrides, assigned)
    parts = [Axes(configuration, preset, each) for each in assigned]
    models, task_names, seeds = (
        list(dict.fromkeys(itertools.chain(*each)))
        for each in zip(*((part.models, part.tasks, part.seeds) for part in parts), strict=True)
    )
    if words.baseline is not None and words.baseline not in models:
        raise unknown("baseline", words.baseline, models)
    lengths, protocol = parse_lengths(preset.lengths), _protocol(preset.protocol)
    composed = [
        each
        for part in parts
        for each in _compose(part, words.baseline, protocol, lengths, preset.train_range)
    ]
    runs = [run for _, own in composed for run in own]
    check_warmup(budgets, runs)
    ordered = sorted(dict.fromkeys(runs), key=lambda run: (-run.spec.lengths.maximum, run.spec.seed))
    executor = _executor(configuration, words, parts[0])
    return SweepPlan(
        name="-".join([preset_name, *task_names]) if words.name is None else words.name,
        preset=preset_name,
        tasks=list(dict.fromkeys(run.spec.task for run in runs)),
        models=models,
        lengths=lengths,
        seeds=seeds,
        protocol=protocol,
        runs=list(itertools.chain(*by_trunk(ordered))) if budgets else ordered,
        executor=executor,
        device=composed[-1][0],
        rates=_rates(preset, parts),
        longer=_longer(preset),
        budgets=budgets,
        baseline=words.baseline,
        share=_share(words, preset, executor),
    )


def _compose(
    part: Axes, baseline: str | None, protocol: Protocol, lengths: list[int], train_range: str | None
) -> Iterator[tuple[str, list[PlannedRun]]]:
    """Yield for every combination of one part but for the seeds the device and its runs."""
    for names, values in part.matched_combinations(baseline):
        task_values, _ = without_length(values["task"])
        task = build_task(task_values, names["task"], part.configuration)
        ranges = train_ranges(task, protocol, lengths, train_range)
        # Of the parts of a run, those that are built and checked are the same for all seeds and lengths.
        first = part.builder(names).build(values, task, protocol, ranges[0][0], part.seeds[0])
        places = itertools.product(part.seeds, ranges)
        runs = [PlannedRun(first.at(trained, seed), tuple(tested)) for seed, (trained, tested) in places]
        yield root_of(values).device, runs


def _rates(preset: Preset, parts: Sequence[Axes]) -> tuple[float, ...]:
    if preset.tune_rates is None:
        return ()
    if any(each.key == RATE_KEY for part in parts for each in part.keys):
        raise UserError(f"--tune-rates and {RATE_KEY}= say the same thing twice: leave one of them out.")
    if TUNING_SEED in itertools.chain(*(part.seeds for part in parts)):
        raise UserError(
            f"--tune-rates tries its rates with the seed {TUNING_SEED}, of which no result is reported, and the seeds "
            "of this sweep contain it. Use another seed."
        )
    return tuple(parse_rates(preset.tune_rates))


def _longer(preset: Preset) -> int | None:
    if preset.longer is not None and preset.longer < 2:
        raise UserError(f"--longer {preset.longer}: expected how many times the budget, 2 or more.")
    return preset.longer


def _share(words: SweepOptions, preset: Preset, executor: Executor) -> Share | None:
    """Read which share; refused where shares would need one another's runs, or somebody else divides them."""
    if words.share is None:
        return None
    share = parse_share(words.share)
    for option, value in {"--tune-rates": preset.tune_rates, "--longer": preset.longer}.items():
        if value is not None:
            raise UserError(
                f"--share {share}: with {option} {value} later runs depend on all of the earlier ones, of which a "
                "share makes only its own. Leave out one of the two, choose a --preset without it, or let "
                "--executor slurm divide the runs."
            )
    if executor.is_remote:
        raise UserError(
            f"--share {share}: the executor divides the runs among jobs by itself. "
            "Leave it out; or, within jobs of your own, use --executor processes or inline."
        )
    return share


def _protocol(text: str) -> Protocol:
    if text not in get_args(Protocol):
        raise unknown("protocol", text, get_args(Protocol))
    return text  # type: ignore[return-value]


def _executor(configuration: Configuration, words: SweepOptions, axes: Axes) -> Executor:
    name = axes.executor if words.executor is None else words.executor
    keys = list(axes.executor_keys)
    if words.workers is not None:
        if "workers" not in configuration.compose({"executor": name})["executor"]:
            raise UserError(
                f"--workers: the executor {name} has none. Leave it out, or use another --executor."
            )
        keys.append(Assignment("executor.workers", (words.workers,)))
    return configuration.executor(name, keys)

"""A sweep, from the words of `attnbench sweep` to the list of its runs."""

from dataclasses import dataclass
from typing import get_args

from attnbench.config.composition import Configuration, Preset
from attnbench.config.overrides import Assignment
from attnbench.config.run_request import build_task, root_of, without_length
from attnbench.config.sweep_axes import Axes, SweepWords, merge, merge_assignments
from attnbench.errors import UserError, unknown
from attnbench.runs.spec import Protocol
from attnbench.sweeps.executors.base import Executor
from attnbench.sweeps.grid import parse_lengths, parse_train_range
from attnbench.sweeps.planned import PlannedRun
from attnbench.sweeps.share import Share, parse_share
from attnbench.sweeps.tuning import RATE_KEY, parse_rates
from attnbench.tasks.base import LengthRange, Task

DEFAULT_PRESET = "quick"


@dataclass(frozen=True)
class SweepPlan:
    """Everything that a sweep is about to do.

    Attributes:
        name: of the folder under the results.
        runs: in the order in which they are started: the longest first, so that none drags at the end.
        rates: the grid from which each arm and length gets its learning rate first; empty where none is tuned.
        longer: how many times the budget the lengths around each breakdown get once more; None where they do not.
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
    baseline: str | None = None
    share: Share | None = None

    @property
    def own_runs(self) -> list[PlannedRun]:
        """The runs that this invocation makes."""
        return self.share.of(self.runs) if self.share else self.runs


def plan_sweep(configuration: Configuration, words: SweepWords) -> SweepPlan:
    """Compose the whole sweep; nothing is written.

    Raises:
        UserError: for whatever does not fit.
    """
    preset_name = DEFAULT_PRESET if words.preset is None else words.preset
    preset = merge(configuration.preset(preset_name), words)
    axes = Axes(configuration, preset, merge_assignments(configuration, preset.overrides, words))
    lengths, protocol = parse_lengths(preset.lengths), _protocol(preset.protocol)
    runs: list[PlannedRun] = []
    tasks: dict[Task, None] = {}
    device = "auto"
    if words.baseline is not None and words.baseline not in axes.models:
        raise unknown("baseline", words.baseline, axes.models)
    for names, values in axes.matched_combinations(words.baseline):
        task_values, _ = without_length(values["task"])
        task = build_task(task_values, names["task"], configuration)
        tasks[task] = None
        device = root_of(values).device
        ranges = _ranges(task, protocol, lengths, preset.train_range)
        # Of the parts of a run, those that are built and checked are the same for all seeds and lengths.
        first = axes.builder(names).build(values, task, protocol, ranges[0][0], axes.seeds[0])
        runs += [
            PlannedRun(first.at(trained, seed), tuple(tested))
            for seed in axes.seeds
            for trained, tested in ranges
        ]
    executor = _executor(configuration, words, axes)
    return SweepPlan(
        name="-".join([preset_name, *axes.tasks]) if words.name is None else words.name,
        preset=preset_name,
        tasks=list(tasks),
        models=axes.models,
        lengths=lengths,
        seeds=axes.seeds,
        protocol=protocol,
        runs=sorted(dict.fromkeys(runs), key=lambda run: (-run.spec.lengths.maximum, run.spec.seed)),
        executor=executor,
        device=device,
        rates=_rates(preset, axes),
        longer=_longer(preset),
        baseline=words.baseline,
        share=_share(words, preset, executor),
    )


def _rates(preset: Preset, axes: Axes) -> tuple[float, ...]:
    if preset.tune_rates is None:
        return ()
    if any(each.key == RATE_KEY for each in axes.keys):
        raise UserError(f"--tune-rates and {RATE_KEY}= say the same thing twice: leave one of them out.")
    return tuple(parse_rates(preset.tune_rates))


def _longer(preset: Preset) -> int | None:
    if preset.longer is not None and preset.longer < 2:
        raise UserError(f"--longer {preset.longer}: expected how many times the budget, 2 or more.")
    return preset.longer


def _share(words: SweepWords, preset: Preset, executor: Executor) -> Share | None:
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


def _executor(configuration: Configuration, words: SweepWords, axes: Axes) -> Executor:
    name = axes.executor if words.executor is None else words.executor
    keys = list(axes.executor_keys)
    if words.workers is not None:
        if "workers" not in configuration.compose({"executor": name})["executor"]:
            raise UserError(
                f"--workers: the executor {name} has none. Leave it out, or use another --executor."
            )
        keys.append(Assignment("executor.workers", (words.workers,)))
    return configuration.executor(name, keys)


def _ranges(
    task: Task, protocol: Protocol, lengths: list[int], train_range: str | None
) -> list[tuple[LengthRange, list[int]]]:
    """Return what to train on, and where to evaluate each."""
    for length in lengths:
        task.check_length(length)
    task.check_information(lengths)
    if protocol == "per_length":
        if train_range is not None:
            raise UserError(
                "--train-range is for the protocols mixed and extrapolation; this one is per_length."
            )
        if task.reads_files:
            raise UserError(
                f"{task.name} reads files, whose examples have the lengths they have: one model per length cannot be "
                "trained on them. Use --protocol mixed: one model, evaluated by length."
            )
        return [(LengthRange(length, length), [length]) for length in lengths]
    if train_range is None and protocol == "extrapolation" and not task.reads_files:
        raise UserError("--protocol extrapolation needs --train-range SHORTEST:LONGEST, such as 4:16.")
    requested = parse_train_range(train_range) if train_range else None
    if requested is None and not task.reads_files:
        requested = (lengths[0], lengths[-1])
    trained = task.training_range(requested, None)
    if protocol == "mixed" and not (trained.minimum <= lengths[0] and lengths[-1] <= trained.maximum):
        raise UserError(
            f"--protocol mixed tests inside the range that it trains on, {trained.minimum}:{trained.maximum}; "
            f"the lengths go from {lengths[0]} to {lengths[-1]}. Widen the range, or use --protocol extrapolation."
        )
    task.check_length(trained.minimum)
    task.check_length(trained.maximum)
    task.check_information([trained.maximum])
    return [(trained, lengths)]

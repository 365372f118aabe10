"""What a sweep is about to do: its arms, how far its runs are, how long the rest takes; in words and as JSON."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from attnbench.analysis.statistics import USUAL_LEVEL, sign_flip_floor
from attnbench.arm import shared_changes
from attnbench.cli.options import say
from attnbench.formatting import counted, duration
from attnbench.models.sizing import VocabularySizes, count_parameters
from attnbench.plots.points import context_cell
from attnbench.report.summary import CONTEXT
from attnbench.runs.checks import find_damage
from attnbench.runs.spec import PlannedRun, RunSpec
from attnbench.runs.store import RunStore
from attnbench.sweeps import measuring
from attnbench.sweeps.budgets import starting_steps
from attnbench.sweeps.learning_rates import (
    MOST_EXTENSIONS,
    known_and_later,
    most_larger_budget_runs,
    tuning_runs,
)
from attnbench.sweeps.plan import SweepPlan
from attnbench.sweeps.run import Stage
from attnbench.tasks.base import LengthRange, Task


def announce(plan: SweepPlan, store: RunStore, device: str) -> None:
    """Say what begins now."""
    place = "the cluster" if plan.executor.is_remote else device
    units = dict.fromkeys(task.length_unit for task in plan.tasks)
    say(
        f"{counted(len(plan.own_runs), 'run')}{_share_of_all(plan)} on {place}: "
        f"{', '.join(plan.models)} on {', '.join(dict.fromkeys(task.name for task in plan.tasks))}, {plan.protocol}, "
        f"lengths {_joined(plan.lengths)} ({', '.join(units)}), seeds {_joined(plan.seeds)}, "
        f"into {store.path}"
    )
    for task in plan.tasks:
        for note in [*task.notes(), *task.evaluation_notes(plan.lengths)]:
            say(f"  {note}")
    for note in dict.fromkeys(note for run in plan.runs for note in run.spec.notes()):
        say(f"  {note}")
    _show_arms(plan)


def _share_of_all(plan: SweepPlan) -> str:
    """Say of how many runs the counted ones are a share, or nothing."""
    return f" (share {plan.share} of {len(plan.runs)})" if plan.share else ""


def _show_arms(plan: SweepPlan) -> None:
    Console(stderr=True).print(arm_table([run.spec for run in plan.runs], plan.lengths))


def _joined(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


LOOKED_AT = 16
"""Test examples that show whether all sources of a length have as many tokens; if not, all are looked at."""


def arm_table(specs: Sequence[RunSpec], lengths: Sequence[int]) -> Table:
    """Return a row for each arm: hidden size, parameters, and how many numbers cross over the tested lengths.

    The numbers are those that the summary after the sweep has: of the mean source tokens of the test examples. Of the
    variants only that is shown in which the arms differ.
    """
    arms = list(dict.fromkeys((spec.task, spec.model, spec.variant) for spec in specs))
    tokens = {
        task: _source_tokens([each for each in specs if each.task == task], lengths) for task, _, _ in arms
    }
    shared = {key for key, _ in shared_changes(variant for _, _, variant in arms).changes}
    variants = [variant.without(shared) for _, _, variant in arms]
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, caption=CONTEXT, caption_justify="left")
    table.add_column("task", overflow="fold")
    table.add_column("arm", no_wrap=True)
    if any(variants):
        table.add_column("variant", overflow="fold")
    for name in ("hidden", "parameters", "context"):
        table.add_column(name, justify="right")
    for (task, model, _), variant in zip(arms, variants, strict=True):
        sizes = VocabularySizes(len(task.source_vocabulary.tokens), len(task.target_vocabulary.tokens))
        cells = [
            *(task.name, model.name, *([str(variant)] if any(variants) else [])),
            *(str(model.hidden_size), f"{count_parameters(model, sizes):,}"),
            context_cell(
                [model.context_size(each) for each in tokens[task]],
                [bits for each in tokens[task] if (bits := model.channel_bits(each)) is not None],
            ),
        ]
        table.add_row(*map(Text, cells))
    return table


def _source_tokens(specs: Sequence[RunSpec], lengths: Sequence[int]) -> list[int]:
    """Return the mean source tokens of the test at the shortest and at the longest length, for every seed that differs.

    Args:
        specs: of one task.
        lengths: those that are tested; one without examples has no number.
    """
    task = specs[0].task
    spans = [task.evaluation_range(length, lengths) for length in sorted({min(lengths), max(lengths)})]
    some = {span: _counts(task, specs[0].seed, span, LOOKED_AT, LOOKED_AT) for span in spans}
    tokens = []
    for span in (each for each, counts in some.items() if counts):
        if len(set(some[span])) == 1 and not task.reads_files:
            tokens.append(some[span][0])
            continue
        # Files have the same test for every seed.
        tests = {
            (
                0 if task.reads_files else spec.seed,
                spec.training.test_examples,
                spec.training.evaluation_batch_size,
            )
            for spec in specs
        }
        every = [_counts(task, seed, span, *sizes) for seed, *sizes in sorted(tests)]
        tokens += [round(sum(counts) / len(counts)) for counts in every]
    return tokens


def _counts(task: Task, seed: int, span: LengthRange, examples: int, batch_size: int) -> list[int]:
    """Return the source tokens of each of so many test examples."""
    batches = task.evaluation_batches("test", seed, span, examples, batch_size)
    return [count for batch in batches for count in batch.source_lengths.tolist()]


@dataclass(frozen=True)
class Duration:
    """How long what is left takes, as far as anybody can say.

    Attributes:
        words: a sentence.
        work_seconds: of one worker; None where it is not known.
        minutes: on this machine with all workers; None where it is not known.
    """

    words: str
    work_seconds: float | None = None
    minutes: float | None = None
    workers: int | None = None


@dataclass(frozen=True)
class DryRun:
    """How far the runs of a plan are, and how much work is left; nothing is changed.

    Attributes:
        device: that the runs would be made on.
        runs: those that this invocation would make, as far as they are known.
        later: those that follow at learning rates which the others choose.
        states: of each, by run_id.
        retries_failed: whether runs that have failed are among those that are left.
    """

    plan: SweepPlan
    store: RunStore
    device: str
    runs: Sequence[PlannedRun]
    later: Sequence[PlannedRun]
    states: Mapping[str, str]
    retries_failed: bool

    @classmethod
    def of(cls, plan: SweepPlan, store: RunStore, device: str, retries_failed: bool) -> "DryRun":
        """Look how far the runs of a plan are."""
        runs, later = plan.own_runs, list[PlannedRun]()
        if plan.rates:

            def has_ended(run: PlannedRun) -> bool:
                return _state(run, store) in ("done", "failed")

            runs, later = known_and_later(store, plan.runs, plan.rates, has_ended)
        states = {run.spec.run_id: _state(run, store) for run in runs}
        return cls(plan, store, device, runs, later, states, retries_failed)

    @property
    def left(self) -> list[PlannedRun]:
        """The runs that are to be made."""
        finished = ("done",) if self.retries_failed else ("done", "failed")
        return [run for run in self.runs if self.states[run.spec.run_id] not in finished]

    @cached_property
    def starts(self) -> dict[str, int]:
        """The steps at which those of the left runs begin that find a trunk, by run_id."""
        if not self.plan.budgets:
            return {}
        return starting_steps(self.store, self.runs, {run.spec.run_id for run in self.left})

    @property
    def steps(self) -> int:
        """At most, of what is left."""
        return _steps([*self.left, *self.later]) - sum(self.starts.values())

    def as_json(self) -> dict[str, Any]:
        """Return what `--dry-run --json` prints."""
        found = self.duration()
        return {
            "folder": str(self.store.path),
            "runs": [{"run_id": run_id, "state": state} for run_id, state in self.states.items()],
            "later_runs": len(self.later),
            "steps": self.steps,
            "steps_saved": sum(self.starts.values()),
            "seconds_on_one_worker": found.work_seconds,
            "minutes": found.minutes,
            "workers": found.workers,
            "least_p": sign_flip_floor(len(self.plan.seeds)),
        }

    def show(self) -> None:
        """Print how much work is left, then what follows on it and the runs with their state."""
        left, plan = self.left, self.plan
        tokens = sum(
            measuring.work_of(run, self.starts.get(run.spec.run_id, 0)) for run in (*left, *self.later)
        )
        print(
            f"{counted(len(self.runs) + len(self.later), 'run')}{_share_of_all(plan)}, "
            f"{len(left) + len(self.later):,} to do: at most {self.steps:,} steps and about {tokens:.3g} target tokens."
        )
        if left or self.later:
            print(self.duration().words)
        for runs in filter(None, (left, self.later)):
            if jobs := plan.executor.jobs_in_words(list(map(len, plan.in_turn(runs)))):
                print(jobs)
        if self.later:
            print(
                f"First {counted(len(left), 'run')} that choose learning rates, at most {_steps(left):,} steps; then "
                f"{counted(len(self.later), 'run')} with the chosen rates and all seeds, at most "
                f"{_steps(self.later):,} steps."
            )
        if self.starts:
            begin = counted(len(self.starts), "run begins", "runs begin")
            print(
                f"{sum(self.starts.values()):,} steps are saved: {begin} where the next smaller budget branches off "
                "the trunk."
            )
        for line in (*_not_counted(plan, bool(self.later)), *_weak_comparison(plan)):
            print(line)
        _show_arms(plan)
        self._list_runs()

    def _list_runs(self) -> None:
        """Print the runs with their state: what is damaged, failed or begun first, then what waits."""
        ordered = sorted(self.runs, key=lambda run: _LAST_LISTED.get(self.states[run.spec.run_id], 0))
        for run in ordered[:LISTED]:
            tested = f"tested at {_joined(run.lengths)}" if run.lengths else "to choose a rate by validation"
            budget = f"up to {run.spec.training.steps} steps"
            print(f"{self.states[run.spec.run_id]:11}  {run.spec.run_id}  {budget}, {tested}")
        if len(ordered) > LISTED:
            print(f"… and {counted(len(ordered) - LISTED, 'more run')}: --json lists all of them.")

    def duration(self) -> Duration:
        """Reckon the time by finished runs of the same arms, or by a moment of training where there are none."""
        runs, starts = [*self.left, *self.later], self.starts
        # On a cluster the nodes look for their device themselves.
        device = "cpu" if self.device == "auto" else self.device

        def measure() -> measuring.Estimate | None:
            return measuring.estimate(runs, torch.device(device), starts=starts)

        work_seconds = measuring.seconds_by_experience(self.store, runs, starts)
        return _duration(len(self.plan.in_turn(runs)), self.plan, self.device, work_seconds, measure)


LISTED = 20
_LAST_LISTED = {"waiting": 1, "done": 2}


def _steps(runs: Sequence[PlannedRun]) -> int:
    return sum(run.spec.training.steps for run in runs)


def _duration(
    groups: int,
    plan: SweepPlan,
    device: str,
    work_seconds: float | None,
    measure: Callable[[], measuring.Estimate | None],
) -> Duration:
    """Say how long some runs of a plan take.

    Args:
        groups: how many they are, where those of one trunk, made one after the other, count once.
        plan: that they belong to.
        device: that they are made on.
        work_seconds: that they take by experience; where this is None, `measure` is asked.
        measure: estimates it on this machine.
    """
    if plan.executor.is_remote:
        found = measure() if work_seconds is None and device in ("auto", "cpu") else None
        if found is not None:
            words = (
                f"On one core like those of this machine at most about {duration(found.work_seconds)}, the longest "
                f"{'trunk with its branches' if plan.budgets else 'run'} {duration(found.longest_seconds)}: an "
                "estimate. The nodes of the cluster may be faster or slower."
            )
            return Duration(words, found.work_seconds)
        if work_seconds is None:
            return Duration("How long it takes on the cluster could not be measured here.")
        words = f"By the finished runs here, at most about {duration(work_seconds)} of one core."
        return Duration(words, work_seconds)
    workers = max(1, min(plan.executor.worker_count(device), groups))
    side_by_side = f"on this machine, {counted(workers, 'run')} at a time"
    if work_seconds is not None:
        minutes = work_seconds / workers / 60
        words = f"By the finished runs here, at most about {duration(60 * minutes)} {side_by_side}."
        return Duration(words, work_seconds, minutes, workers)
    found = measure()
    if found is None:
        return Duration("How many minutes could not be measured within seconds.", workers=workers)
    minutes = found.seconds(workers) / 60
    words = (
        f"At most about {duration(60 * minutes)} {side_by_side}: an estimate, from {found.measured_seconds:.1f} s of "
        "training. Runs that are solved early end sooner."
    )
    return Duration(words, found.work_seconds, minutes, workers)


def time_of_stage(stage: Stage, plan: SweepPlan, store: RunStore, device: str) -> Iterator[str]:
    """Say how long a stage takes that begins now, unless it is a moment, and what of the next ones is in that time."""
    runs = [*stage.runs, *stage.later]
    if not measuring.is_worth_measuring(runs, stage.starts):
        return
    found = _duration(
        len(plan.in_turn(stage.runs)),
        plan,
        device,
        measuring.seconds_by_experience(store, runs, stage.starts),
        lambda: (
            None
            if plan.executor.is_remote
            else measuring.estimate_at_the_start(runs, torch.device(device), stage.starts)
        ),
    )
    if found.work_seconds is None:
        if not plan.executor.is_remote:
            yield f"How long this takes is known once some runs have ended: attnbench status {store.path}"
        return
    yield found.words
    if stage.later:
        yield "The runs with the chosen rates are counted in, rates beyond the edge of the grid are not."
    planned = {run.spec.run_id for run in plan.runs}
    if plan.longer and (stage.later or all(run.spec.run_id in planned for run in stage.runs)):
        yield f"Not counted in: the lengths around each breakdown once more with {plan.longer} times the budget."


def _weak_comparison(plan: SweepPlan) -> Iterator[str]:
    """Say that the seeds are too few for the usual level, where they are and arms are compared."""
    seeds = len(plan.seeds)
    if len(plan.models) > 1 and sign_flip_floor(seeds) > USUAL_LEVEL:
        enough = next(each for each in itertools.count(seeds) if sign_flip_floor(each) < USUAL_LEVEL)
        yield (
            f"{counted(seeds, 'seed')} cannot reach p < {USUAL_LEVEL} when two arms are compared: the least p is "
            f"1/2^{seeds} = {sign_flip_floor(seeds):.3g}. --seeds {enough} can."
        )


def _not_counted(plan: SweepPlan, has_rates_to_choose: bool) -> Iterator[str]:
    """Say what may follow on the counted runs, which depends on what they come to, and how much that is at most."""
    if has_rates_to_choose:
        beyond = MOST_EXTENSIONS * tuning_runs(plan.runs, plan.rates[:1])
        yield (
            f"Not counted in: at most {MOST_EXTENSIONS} rates beyond the grid for each arm and length whose best rate "
            f"lies at its edge: at most {counted(len(beyond), 'run')}, {_steps(beyond):,} steps."
        )
    if plan.longer:
        most = most_larger_budget_runs(plan.runs, plan.longer)
        yield (
            f"Not counted in: the lengths around each breakdown once more with {plan.longer} times the budget: at most "
            f"{counted(len(most), 'run')}, {_steps(most):,} steps."
        )


def _state(run: PlannedRun, store: RunStore) -> str:
    """Say how far a planned run is, or that it is damaged, or has more lengths to be evaluated at."""
    folder = store.folder(run.spec.run_id)
    if find_damage(folder, run.spec):
        return "damaged"
    state = folder.state
    is_done_so_far = state == "done" and not set(run.lengths) <= set(folder.requested_lengths)
    return "unevaluated" if is_done_so_far else state

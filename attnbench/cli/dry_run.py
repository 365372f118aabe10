"""What a sweep is about to do, in words and as JSON."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from attnbench.analysis.statistics import USUAL_LEVEL, sign_flip_floor
from attnbench.cli.arm_table import arm_table
from attnbench.cli.options import say
from attnbench.cli.sweep_stages import work_of
from attnbench.runs.spec import PlannedRun
from attnbench.runs.store import RunStore
from attnbench.sweeps.learning_rates import tuning_runs
from attnbench.sweeps.plan import SweepPlan
from attnbench.sweeps.run import find_damage
from attnbench.wording import counted


def announce(plan: SweepPlan, store: RunStore, device: str) -> None:
    """Say what begins now."""
    place = "the cluster" if plan.executor.is_remote else device
    units = dict.fromkeys(task.length_unit for task in plan.tasks)
    say(
        f"{counted(len(plan.own_runs), 'run')}{_share_of_all(plan)} on {place}: "
        f"{', '.join(plan.models)} on {', '.join(task_names(plan))}, {plan.protocol}, "
        f"lengths {_joined(plan.lengths)} ({', '.join(units)}), seeds {_joined(plan.seeds)}, "
        f"into {store.path}"
    )
    for task in plan.tasks:
        for note in [*task.notes(), *task.evaluation_notes(plan.lengths)]:
            say(f"  {note}")
    _show_arms(plan)


def _share_of_all(plan: SweepPlan) -> str:
    """Say of how many runs the counted ones are a share, or nothing."""
    return f" (share {plan.share} of {len(plan.runs)})" if plan.share else ""


def _show_arms(plan: SweepPlan) -> None:
    Console(stderr=True).print(arm_table([run.spec for run in plan.runs], plan.lengths))


def _joined(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def task_names(plan: SweepPlan) -> list[str]:
    """Return the tasks of a plan, each once."""
    return list(dict.fromkeys(task.name for task in plan.tasks))


@dataclass(frozen=True)
class Prospect:
    """How far the runs of a plan are, and how much work is left.

    Attributes:
        runs: those that this invocation would make.
        states: of each, by run_id.
        retries_failed: whether runs that have failed are among those that are left.
    """

    runs: Sequence[PlannedRun]
    states: Mapping[str, str]
    retries_failed: bool

    @property
    def left(self) -> list[PlannedRun]:
        """The runs that are to be made."""
        finished = ("done",) if self.retries_failed else ("done", "failed")
        return [run for run in self.runs if self.states[run.spec.run_id] not in finished]

    @property
    def steps(self) -> int:
        """At most, of what is left."""
        return sum(run.spec.training.steps for run in self.left)


def look_ahead(plan: SweepPlan, store: RunStore, retries_failed: bool) -> Prospect:
    """Look how far the runs of a plan are, changing nothing."""
    runs = tuning_runs(plan.runs, plan.rates) if plan.rates else plan.own_runs
    states = {run.spec.run_id: _state(run, store) for run in runs}
    return Prospect(runs, states, retries_failed)


def prospect_as_json(plan: SweepPlan, prospect: Prospect, store: RunStore, device: str) -> dict[str, Any]:
    """Return what `--dry-run --json` prints."""
    listed = [{"run_id": run_id, "state": state} for run_id, state in prospect.states.items()]
    duration = _duration(plan, prospect, store, device)
    return {
        "folder": str(store.path),
        "runs": listed,
        "steps": prospect.steps,
        "seconds_on_one_worker": duration.work_seconds,
        "minutes": duration.minutes,
        "workers": duration.workers,
        "least_p": sign_flip_floor(len(plan.seeds)),
    }


def list_runs(plan: SweepPlan, prospect: Prospect, store: RunStore, device: str) -> None:
    """Print the runs of a plan with their state, and how much work is left."""
    _show_arms(plan)
    for run in prospect.runs:
        tested = f"tested at {_joined(run.lengths)}" if run.lengths else "to choose a rate by validation"
        budget = f"up to {run.spec.training.steps} steps"
        print(f"{prospect.states[run.spec.run_id]:11}  {run.spec.run_id}  {budget}, {tested}")
    left, count = prospect.left, len(prospect.runs)
    tokens = sum(work_of(run) for run in left)
    print(
        f"{counted(count, 'run')}{_share_of_all(plan)}, {len(left)} to do: "
        f"at most {prospect.steps:,} steps and about {tokens:.3g} target tokens."
    )
    if left:
        print(_duration(plan, prospect, store, device).words)
    for line in _later_stages(plan, count):
        print(line)
    for line in _weak_comparison(plan):
        print(line)


def _weak_comparison(plan: SweepPlan) -> Iterator[str]:
    """Say that the seeds are too few for the usual level, where they are and arms are compared."""
    seeds = len(plan.seeds)
    if len(plan.models) > 1 and sign_flip_floor(seeds) > USUAL_LEVEL:
        enough = next(each for each in itertools.count(seeds) if sign_flip_floor(each) < USUAL_LEVEL)
        yield (
            f"{counted(seeds, 'seed')} cannot reach p < {USUAL_LEVEL} when two arms are compared: the least p is "
            f"1/2^{seeds} = {sign_flip_floor(seeds):.3g}. --seeds {enough} can."
        )


@dataclass(frozen=True)
class _Duration:
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


def _duration(plan: SweepPlan, prospect: Prospect, store: RunStore, device: str) -> _Duration:
    """Reckon the time by finished runs of the same arms, or by a moment of training where there are none."""
    work_seconds = _seconds_by_experience(store, prospect.left)
    if plan.executor.is_remote:
        if work_seconds is None:
            return _Duration("How many minutes is not measured here: the runs are made on a cluster.")
        minutes = work_seconds / 60
        return _Duration(
            f"By the finished runs here, at most about {minutes:.1f} minutes of one core.", work_seconds
        )
    workers = max(1, min(plan.executor.worker_count(device), len(prospect.left)))
    side_by_side = f"on this machine, {counted(workers, 'run')} at a time"
    if work_seconds is not None:
        minutes = work_seconds / workers / 60
        words = f"By the finished runs here, at most about {minutes:.1f} minutes {side_by_side}."
        return _Duration(words, work_seconds, minutes, workers)
    import torch

    from attnbench.sweeps.measuring import estimate

    found = estimate(prospect.left, torch.device(device))
    if found is None:
        return _Duration("How many minutes could not be measured within seconds.", workers=workers)
    minutes = found.seconds(workers) / 60
    return _Duration(
        f"At most about {minutes:.1f} minutes {side_by_side}: an estimate, from {found.measured_seconds:.1f} s of "
        "training. Runs that are solved early end sooner.",
        found.work_seconds,
        minutes,
        workers,
    )


def _later_stages(plan: SweepPlan, tuned: int) -> Iterator[str]:
    """Say what will follow on the listed runs, and depends on what they come to."""
    if plan.rates:
        others = [run for run in plan.runs if run.spec.seed != plan.seeds[0]]
        steps = sum(run.spec.training.steps for run in others)
        yield (
            f"Then the chosen rates with the other seeds: {counted(len(others), 'run')}, at most {steps:,} steps. "
            f"({tuned // len(plan.rates)} of the runs above, those of the chosen rates, are tested as well.)"
        )
    if plan.longer:
        yield f"Then the lengths around each breakdown once more with {plan.longer} times the budget."


def _state(run: PlannedRun, store: RunStore) -> str:
    """Say how far a planned run is, or that it is damaged, or has more lengths to be evaluated at."""
    folder = store.folder(run.spec.run_id)
    if find_damage(folder, run.spec):
        return "damaged"
    state = folder.state
    is_done_so_far = state == "done" and not set(run.lengths) <= set(folder.requested_lengths)
    return "unevaluated" if is_done_so_far else state


def _seconds_by_experience(store: RunStore, left: Sequence[PlannedRun]) -> float | None:
    """Reckon the time of what is left from the speed of the finished runs of the same arm; None without any."""
    if not left:
        return 0.0
    speeds: dict[str, list[float]] = {}
    for row in store.collect(on_damage=lambda _: None):
        if row["tokens_per_second"]:
            speeds.setdefault(row["model"], []).append(float(row["tokens_per_second"]))
    if any(run.spec.model.name not in speeds for run in left):
        return None
    return sum(work_of(run) * len(each) / sum(each) for run in left for each in [speeds[run.spec.model.name]])

"""The work behind `attnbench sweep`."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

import attnbench
from attnbench.cli.arm_table import arm_table
from attnbench.cli.interruption import stop_on_signals
from attnbench.cli.options import FAILED, print_json, say
from attnbench.cli.places import named_store
from attnbench.cli.refusal import Refusal
from attnbench.cli.sweep_stages import Stages, work_of
from attnbench.config.sweep_plan import SweepPlan
from attnbench.errors import UserError
from attnbench.runs.checks import check_comparison
from attnbench.runs.store import RunStore
from attnbench.sweeps.executors.base import WorkOrder
from attnbench.sweeps.planned import PlannedRun
from attnbench.sweeps.sweep import (
    SweepResult,
    find_damage,
    result_of,
)
from attnbench.sweeps.tuning import tuning_runs
from attnbench.training.device import check_precision, resolve_device


@dataclass(frozen=True)
class SweepChoices:
    """The options that change nothing of the results.

    Attributes:
        waits: whether to stay until the runs have ended.
    """

    results: Path
    is_dry_run: bool
    is_drawn: bool
    retries_failed: bool
    as_json: bool
    waits: bool = True


def sweep_run(plan: SweepPlan, trusted_folder: Path | None, choices: SweepChoices) -> int:
    """Carry out a plan and tell what came of it; return the exit status."""
    store = named_store(choices.results, plan.name)
    store.check_ours()
    device = _checked_device(plan)
    if not choices.waits and not plan.executor.is_remote:
        raise UserError(
            "--no-wait: the runs are made by this program itself. Only --executor slurm lets it leave."
        )
    if choices.is_dry_run:
        _describe(plan, store, trusted_folder, choices)
        return 0
    check_comparison([run.spec for run in plan.runs])
    plan.executor.check(store.path)
    _announce(plan, store, device)
    damage = store.record_invocation(_invocation(plan))
    if damage:
        say(damage)
    store.clear_halves()
    refusal = Refusal()
    with stop_on_signals() as stop:
        order = WorkOrder(device, trusted_folder)
        folders = Stages(
            plan, store, order, choices.retries_failed, stop, choices.waits, refusal
        ).execute_all()
    result = result_of(folders)
    is_whole = _report(plan, store, result, choices, refusal) and not (result.unfinished and choices.waits)
    refusal.raise_noted()
    return stop.exit_status or (0 if is_whole else FAILED)


def _checked_device(plan: SweepPlan) -> str:
    """Return the device that this machine has for the runs; on a cluster each node looks for itself."""
    if plan.executor.is_remote:
        return plan.device
    device = resolve_device(plan.device)
    for run in plan.runs:
        check_precision(run.spec.training.precision, device)
    return str(device)


def _invocation(plan: SweepPlan) -> dict[str, Any]:
    return {
        "command": shlex.join(["attnbench", *sys.argv[1:]]),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": attnbench.__version__,
        "preset": plan.preset,
        "task": ", ".join(_task_names(plan)),
        "models": plan.models,
        "lengths": plan.lengths,
        "seeds": plan.seeds,
        "protocol": plan.protocol,
        "tune_rates": list(plan.rates),
        "longer": plan.longer,
        "share": str(plan.share) if plan.share else None,
        "runs": len(plan.own_runs),
    }


def _task_names(plan: SweepPlan) -> list[str]:
    return list(dict.fromkeys(task.name for task in plan.tasks))


def _announce(plan: SweepPlan, store: RunStore, device: str) -> None:
    units = dict.fromkeys(task.length_unit for task in plan.tasks)
    say(
        f"{len(plan.own_runs)} runs{_share_of_all(plan)} on {device}: "
        f"{', '.join(plan.models)} on {', '.join(_task_names(plan))}, {plan.protocol}, "
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


def _describe(plan: SweepPlan, store: RunStore, trusted_folder: Path | None, choices: SweepChoices) -> None:
    """List the runs of a plan with their state, and how much work is left."""
    runs = tuning_runs(plan.runs, plan.rates) if plan.rates else plan.own_runs
    states = {run.spec.run_id: _state(run, store, trusted_folder) for run in runs}
    finished = ("done",) if choices.retries_failed else ("done", "failed")
    left = [run for run in runs if states[run.spec.run_id] not in finished]
    steps = sum(run.spec.training.steps for run in left)
    tokens = sum(work_of(run) for run in left)
    seconds = _seconds_by_experience(store, left)
    if choices.as_json:
        listed = [{"run_id": run_id, "state": state} for run_id, state in states.items()]
        print_json(
            {"folder": str(store.path), "runs": listed, "steps": steps, "seconds_on_one_worker": seconds}
        )
        return
    _show_arms(plan)
    for run in runs:
        tested = f"tested at {_joined(run.lengths)}" if run.lengths else "to choose a rate by validation"
        budget = f"up to {run.spec.training.steps} steps"
        print(f"{states[run.spec.run_id]:11}  {run.spec.run_id}  {budget}, {tested}")
    print(
        f"{len(runs)} runs{_share_of_all(plan)}, {len(left)} to do: "
        f"at most {steps:,} steps and about {tokens:.3g} target tokens."
    )
    for line in _later_stages(plan, len(runs)):
        print(line)
    if seconds is not None:
        print(f"Going by the finished runs here, about {seconds / 60:.1f} minutes of one worker at most.")
    say("Nothing was started and nothing written (--dry-run).")


def _later_stages(plan: SweepPlan, tuned: int) -> Iterator[str]:
    """Say what will follow on the listed runs, and depends on what they come to."""
    if plan.rates:
        others = [run for run in plan.runs if run.spec.seed != plan.seeds[0]]
        steps = sum(run.spec.training.steps for run in others)
        yield (
            f"Then the chosen rates with the other seeds: {len(others)} runs, at most {steps:,} steps. "
            f"({tuned // len(plan.rates)} of the runs above, those of the chosen rates, are tested as well.)"
        )
    if plan.longer:
        yield f"Then the lengths around each breakdown once more with {plan.longer} times the budget."


def _state(run: PlannedRun, store: RunStore, trusted_folder: Path | None) -> str:
    """Say how far a planned run is, or that it is damaged, or has more lengths to be evaluated at."""
    folder = store.folder(run.spec.run_id)
    if find_damage(folder, run.spec, trusted_folder):
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


def _report(
    plan: SweepPlan, store: RunStore, result: SweepResult, choices: SweepChoices, refusal: Refusal
) -> bool:
    """Draw, tell what came of the runs, and say whether all of the folder is whole, or of the share."""
    from attnbench.cli.drawing import draw_folder

    files: list[Path] = []
    damages: list[str] = []
    if result.done:
        with refusal.noted(), store.held():
            files = draw_folder(store, choices.is_drawn, not choices.as_json, damages.append, plan.baseline)
    for damage in damages:
        say(f"{damage} Its rows are left out; the sweep that it belongs to repeats it.")
    for run_id, reason in result.failed.items():
        say(f"{run_id} failed: {reason}")
        say(f"  its folder: {store.folder(run_id).path}; --retry-failed repeats it")
    if choices.as_json:
        print_json(_as_json(store, result, files, refusal))
    else:
        _say_what_next(plan, store, result, files, refusal)
    # A damaged run that stands in the plan has been repeated by now: these are of another sweep or share.
    return not result.failed and (plan.share is not None or not damages)


def _say_what_next(
    plan: SweepPlan, store: RunStore, result: SweepResult, files: Sequence[Path], refusal: Refusal
) -> None:
    for path in files:
        say(f"{path}")
    if result.unfinished:
        say(f"{len(result.unfinished)} of {len(plan.own_runs)} runs are left; the same command carries on.")
    elif refusal.error is not None:
        say("Not everything could be written; the same command carries on.")
    elif plan.share:
        say(f"Share {plan.share} is done. When all shares are: attnbench plot {store.path}")
    elif result.done:
        say(f"Draw it again, alone or beside other sweeps: attnbench plot {store.path}")


def _as_json(store: RunStore, result: SweepResult, files: Sequence[Path], refusal: Refusal) -> dict[str, Any]:
    return {
        "folder": str(store.path),
        "done": result.done,
        "failed": result.failed,
        "unfinished": result.unfinished,
        "files": [str(path) for path in files],
        "refused": str(refusal.error) if refusal.error else None,
    }

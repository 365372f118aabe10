"""The work behind `attnbench sweep`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attnbench
from attnbench.cli.dry_run import announce, list_runs, look_ahead, prospect_as_json, task_names
from attnbench.cli.find import named_store
from attnbench.cli.options import FAILED, print_json, say
from attnbench.cli.refusal import Refusal
from attnbench.cli.stopping import stop_on_signals
from attnbench.cli.sweep_stages import Stages
from attnbench.errors import UserError, memory_faults_named
from attnbench.executors.base import WorkOrder
from attnbench.runs.checks import check_comparison
from attnbench.runs.records import typed_command
from attnbench.runs.store import RunStore
from attnbench.sweeps.learning_rates import check_one_rate
from attnbench.sweeps.plan import SweepPlan
from attnbench.sweeps.run import SweepResult, result_of
from attnbench.training.device import check_precision, resolve_device

if TYPE_CHECKING:
    from attnbench.report.settings import SweepTables


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


def sweep_run(plan: SweepPlan, choices: SweepChoices) -> int:
    """Carry out a plan and tell what came of it; return the exit status."""
    store = named_store(choices.results, plan.name)
    store.check_ours()
    check_one_rate(store, plan.runs, plan.rates)
    device = _checked_device(plan)
    if not choices.waits and not plan.executor.is_remote:
        raise UserError(
            "--no-wait: the runs are made by this program itself. Only --executor slurm lets it leave."
        )
    if choices.is_dry_run:
        with memory_faults_named():
            _show_prospect(plan, store, choices, device)
        return 0
    with memory_faults_named():
        check_comparison([run.spec for run in plan.runs])
        plan.executor.check(store.path)
        announce(plan, store, device)
    damage = store.record_invocation(_invocation(plan))
    if damage:
        say(damage)
    store.remove_partial_files()
    refusal = Refusal()
    with stop_on_signals() as stop:
        order = WorkOrder(device)
        folders = Stages(
            plan, store, order, choices.retries_failed, stop, choices.waits, refusal
        ).execute_all()
    result = result_of(folders)
    is_whole = _report(plan, store, result, choices, refusal) and not (result.unfinished and choices.waits)
    refusal.raise_noted()
    return stop.exit_status or (0 if is_whole else FAILED)


def _show_prospect(plan: SweepPlan, store: RunStore, choices: SweepChoices, device: str) -> None:
    prospect = look_ahead(plan, store, choices.retries_failed)
    if choices.as_json:
        print_json(prospect_as_json(plan, prospect, store, device))
    else:
        list_runs(plan, prospect, store, device)
        say("Nothing was started and nothing written (--dry-run).")


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
        "command": typed_command(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": attnbench.__version__,
        "preset": plan.preset,
        "task": ", ".join(task_names(plan)),
        "models": plan.models,
        "lengths": plan.lengths,
        "seeds": plan.seeds,
        "protocol": plan.protocol,
        "tune_rates": list(plan.rates),
        "longer": plan.longer,
        "share": str(plan.share) if plan.share else None,
        "runs": len(plan.own_runs),
    }


def _report(
    plan: SweepPlan, store: RunStore, result: SweepResult, choices: SweepChoices, refusal: Refusal
) -> bool:
    """Draw, tell what came of the runs, and say whether all of the folder is whole, or of the share."""
    from attnbench.cli.plot import print_report, tell_renamed
    from attnbench.report.sweep_report import report_store

    def tell(tables: "SweepTables", verdict: str) -> None:
        if not choices.as_json:
            print_report(tables, verdict)

    files: list[Path] = []
    damages: list[str] = []
    if result.done:
        with refusal.noted(), store.held():
            tell_renamed(store)
            files = report_store(store, choices.is_drawn, tell, damages.append, plan.baseline)
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
        say(f"{len(result.unfinished)} of {result.count} runs are left; the same command carries on.")
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

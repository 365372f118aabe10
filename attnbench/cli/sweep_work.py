"""Carrying out a planned sweep: for the command and for Python alike; what happens is told on the way."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attnbench
from attnbench.cli.options import FAILED, say
from attnbench.errors import UserError, memory_faults_named
from attnbench.formatting import counted

if TYPE_CHECKING:
    from attnbench.arm import Arm
    from attnbench.executors.base import Listener, Submission
    from attnbench.report.sweep_report import Tell
    from attnbench.runs.spec import PlannedRun
    from attnbench.runs.store import RunStore
    from attnbench.sweeps.learning_rates import FoundBreakdown
    from attnbench.sweeps.plan import SweepOptions, SweepPlan
    from attnbench.sweeps.run import Stage, Sweep, SweepResult


def check_sweep(plan: "SweepPlan", options: "SweepOptions", results: Path) -> "tuple[RunStore, str]":
    """Return the folder of a planned sweep and the device of its runs.

    Raises:
        UserError: where the folder or the device does not fit; nothing is written.
    """
    from attnbench.cli.find import named_store
    from attnbench.runs.tensorboard import check_tensorboard
    from attnbench.sweeps.learning_rates import check_one_rate
    from attnbench.sweeps.tuning_table import check_tuning_seed

    if options.tensorboard:
        check_tensorboard()
    store = named_store(results, plan.name)
    store.check_ours()
    if plan.rates:
        check_tuning_seed(store)
    check_one_rate(store, plan.runs, plan.rates)
    device = _checked_device(plan)
    if options.no_wait and not plan.executor.is_remote:
        raise UserError(
            "--no-wait: the runs are made by this program itself. Only --executor slurm lets it leave."
        )
    return store, device


@dataclass(frozen=True)
class FinishedSweep:
    """What came of a sweep.

    Attributes:
        work: as it was carried out.
        result: of its runs.
        files: tables and figures that were written.
        is_whole: whether all of the folder is there, or all of the share.
        stop_status: the exit status of a signal that asked to stop; 0 where none came.
    """

    work: "Sweep"
    result: "SweepResult"
    files: Sequence[Path]
    is_whole: bool
    stop_status: int

    @property
    def first_file(self) -> Path | None:
        """The one to look at first: the figure that the verdict speaks of, or the verdict where nothing was drawn."""
        by_name = {path.name: path for path in self.files}
        names = ["law.png", "accuracy_vs_length.png", "bleu_vs_length.png", "verdict.md"]
        if all(task.reads_files for task in self.work.plan.tasks):  # of real text L50 is not known
            names.insert(0, "bleu_vs_length.png")
        return next((by_name[name] for name in names if name in by_name), None)

    @property
    def exit_status(self) -> int:
        """The exit status of the command."""
        is_done = self.is_whole and not (self.result.unfinished and self.work.waits)
        return self.stop_status or (0 if is_done else FAILED)


def carry_out(
    plan: "SweepPlan", options: "SweepOptions", store: "RunStore", device: str, tell: "Tell"
) -> FinishedSweep:
    """Make the runs of a checked plan, write tables and figures, and say on the way what happens.

    Args:
        plan: of the sweep.
        options: of the person.
        store: see `check_sweep`, as for `device`.
        device: of the runs.
        tell: is told the tables and the verdict.
    """
    from attnbench.cli.dry_run import announce
    from attnbench.cli.stopping import stop_on_signals
    from attnbench.executors.base import WorkOrder
    from attnbench.runs import checks
    from attnbench.runs.tensorboard import tensorboard_command
    from attnbench.sweeps.run import Sweep, result_of

    with memory_faults_named():
        checks.check_comparison([run.spec for run in plan.runs])
        plan.executor.check(store.path)
        announce(plan, store, device)
        for line in other_settings(plan, store):
            say(line)
        if options.tensorboard:
            say(f"  To watch: {tensorboard_command(store.path)}")
    damage = store.record_invocation(_invocation(plan))
    if damage:
        say(damage)
    store.remove_partial_files()
    with stop_on_signals() as stop:
        work = Sweep(
            plan,
            store,
            WorkOrder(device, writes_events=options.tensorboard),
            _Shown(plan, store, device),
            stop,
            lambda runs: _breakdowns(store, runs),
            retries_failed=options.retry_failed,
            waits=not options.no_wait,
        )
        folders = work.execute_all()
    result = result_of(folders)
    files, is_whole = _report(work, result, not options.no_plot, tell)
    return FinishedSweep(work, result, files, is_whole, stop.exit_status)


MOST_DIFFERENCES = 3


def other_settings(plan: "SweepPlan", store: "RunStore") -> Iterator[str]:
    """Say that a folder holds runs of other settings than the planned ones, where it does: figures will show both.

    Other models with the same settings are no other settings: more models extend a folder.
    """
    from attnbench.errors import RefusedError
    from attnbench.runs.spec import RunSpec
    from attnbench.sweeps.learning_rates import with_budget

    planned, own = {run.spec.run_id for run in plan.runs}, {run.spec.arm for run in plan.runs}
    if plan.longer:
        own |= {with_budget(run.spec, plan.longer).arm for run in plan.runs}
    count, facts = 0, dict[str, None]()
    for folder in store.folders():
        if folder.run_id in planned:
            continue
        try:
            arm = RunSpec.from_values(folder.read_spec()).arm
        except (UserError, RefusedError):
            continue  # damaged: named where it is read in earnest
        alike = [each for each in own if each.model == arm.model] or own
        if told := min((_differences(arm, each) for each in alike), key=len):
            count += 1
            facts |= dict.fromkeys(told)
    if count:
        some = ", ".join([*list(facts)[:MOST_DIFFERENCES], *(["…"] if len(facts) > MOST_DIFFERENCES else [])])
        yield (
            f"{store.path} holds {counted(count, 'run')} with other settings ({some}): tables and figures will show "
            "both. Another --name keeps them apart."
        )


def _differences(arm: "Arm", own: "Arm") -> list[str]:
    """Return in which settings an arm differs from a planned one, but for those of the model where it is another."""
    columns = ["task", "protocol", "train_min_length", "train_max_length"]
    is_same_model = arm.model == own.model
    columns += ["hidden_size"] if is_same_model else []
    told = [
        f"{name.replace('_', ' ')} {getattr(arm, name)}"
        for name in columns
        if getattr(arm, name) != getattr(own, name)
    ]
    its, ours = dict(arm.variant.changes), dict(own.variant.changes)
    for key in dict.fromkeys([*its, *ours]):
        if its.get(key) != ours.get(key) and (is_same_model or not key.startswith("model.")):
            name = key.rpartition(".")[2]
            told.append(f"{name}={its[key]}" if key in its else f"{name} at its default")
    return told


class _Shown:
    """Shows on standard error what a sweep tells: see `SweepListener`."""

    def __init__(self, plan: "SweepPlan", store: "RunStore", device: str) -> None:
        self._plan, self._store, self._device = plan, store, device
        self._later: Sequence[PlannedRun] = ()

    def note(self, text: str) -> None:
        say(text)

    def handed_over(self, submission: "Submission") -> None:
        say(submission.describe())
        say(f"How far they are: attnbench status {self._store.path}")
        say(f"To end them: attnbench cancel {self._store.path}")

    def begins(self, stage: "Stage") -> None:
        from attnbench.cli.dry_run import time_of_stage

        self._later = stage.later
        for line in time_of_stage(stage, self._plan, self._store, self._device):
            say(line)

    @contextmanager
    def watch(self, work: Mapping[str, float], runs: int) -> "Iterator[Listener]":
        from attnbench.cli.progress import SweepProgress
        from attnbench.sweeps.measuring import work_of

        with SweepProgress(work, runs, sum(map(work_of, self._later))) as progress:
            yield progress.listen


def _breakdowns(store: "RunStore", runs: "Sequence[PlannedRun]") -> "list[FoundBreakdown]":
    """Return where the arms of these runs broke down, as far as they have finished."""
    from attnbench.analysis.arms import Metrics
    from attnbench.analysis.breakdown import breakdown_table, l50_by_arm
    from attnbench.runs.metrics_table import join_metrics
    from attnbench.runs.training_records import TrainingRecords
    from attnbench.sweeps.learning_rates import FoundBreakdown

    own = {run.spec.run_id for run in runs}
    rows = [row for row in store.collect(on_damage=lambda _: None) if row["run_id"] in own]
    if not rows:
        return []
    tuning = TrainingRecords([store.path]).tuning_rows()
    breakdowns = breakdown_table(Metrics.of(join_metrics(rows)), tuning)
    found = l50_by_arm(breakdowns) | l50_by_arm(breakdowns, "bleu")  # real text has no L50
    return [FoundBreakdown(arm, each.length, each.censored) for arm, each in found.items()]


def _checked_device(plan: "SweepPlan") -> str:
    """Return the device that this machine has for the runs; on a cluster each node looks for itself."""
    from attnbench.training.device import check_cuda_graphs, check_precision, resolve_device

    if plan.executor.is_remote:
        return plan.device
    device = resolve_device(plan.device)
    for run in plan.runs:
        check_precision(run.spec.training.precision, device)
        check_cuda_graphs(run.spec.training.cuda_graphs, device)
    return str(device)


def _invocation(plan: "SweepPlan") -> dict[str, Any]:
    from attnbench.runs.records import typed_command

    return {
        "command": typed_command(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": attnbench.__version__,
        "preset": plan.preset,
        "task": ", ".join(dict.fromkeys(task.name for task in plan.tasks)),
        "models": plan.models,
        "lengths": plan.lengths,
        "seeds": plan.seeds,
        "protocol": plan.protocol,
        "tune_rates": list(plan.rates),
        "longer": plan.longer,
        "budgets": list(plan.budgets),
        "share": str(plan.share) if plan.share else None,
        "runs": len(plan.own_runs),
    }


def _report(
    work: "Sweep", result: "SweepResult", is_drawn: bool, tell: "Tell"
) -> tuple[Sequence[Path], bool]:
    """Draw, tell what came of the runs; return the files, and whether all of the folder is whole, or of the share."""
    from attnbench.cli.plot import tell_renamed
    from attnbench.report.sweep_report import report_store

    plan, store, refusal = work.plan, work.store, work.refusal
    files: list[Path] = []
    damages: list[str] = []
    if result.done:
        with refusal.noted(), store.held():
            tell_renamed(store)
            files = report_store(store, is_drawn, tell, damages.append, plan.baseline)
    for damage in damages:
        say(f"{damage} Its rows are left out; the sweep that it belongs to repeats it.")
    for run_id, reason in result.failed.items():
        say(f"{run_id} failed: {reason}")
        say(f"  its folder: {store.folder(run_id).path}; --retry-failed repeats it")
    # A damaged run that stands in the plan has been repeated by now: these are of another sweep or share.
    return files, not result.failed and (plan.share is not None or not damages)

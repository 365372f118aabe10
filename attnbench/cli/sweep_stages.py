"""The stages of a sweep: learning rates are chosen, the runs are made, and breakdowns get a longer look."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from attnbench.cli.options import say
from attnbench.cli.progress import SweepProgress
from attnbench.cli.refusal import Refusal
from attnbench.cli.stopping import StopRequest
from attnbench.executors.base import WorkOrder
from attnbench.executors.slurm.queue import SlurmError
from attnbench.runs.folder import RunFolder, forget_failures
from attnbench.runs.metrics_csv import write_rows
from attnbench.runs.spec import PlannedRun
from attnbench.runs.store import RunStore
from attnbench.sweeps.learning_rates import (
    TUNING_COLUMNS,
    FoundBreakdown,
    NoRateError,
    check_not_named,
    check_one_rate,
    choose_rates,
    longer_runs,
    read_tuning,
    tuning_rows,
    tuning_runs,
    with_rates,
)
from attnbench.sweeps.plan import SweepPlan
from attnbench.sweeps.run import missing, prepare, run_to_the_end
from attnbench.tasks.base import LengthRange, Task
from attnbench.wording import counted

LOOKED_AT = 4
"""Training batches from which the work of a run is reckoned."""


@dataclass(frozen=True)
class Stages:
    """What all stages of one sweep work with.

    Attributes:
        waits: whether to stay until a stage has ended; the next ones need it.
        refusal: takes in that the disk refused a file, or the cluster a job, after which no stage goes on.
    """

    plan: SweepPlan
    store: RunStore
    order: WorkOrder
    retries_failed: bool
    stop: StopRequest
    waits: bool = True
    refusal: Refusal = field(default_factory=Refusal)

    def execute_all(self) -> list[RunFolder]:
        """Go through the stages, and return the folders of their runs; of the first that did not end, those alone."""
        runs: Sequence[PlannedRun] = self.plan.own_runs
        if self.plan.rates:
            candidates = tuning_runs(self.plan.runs, self.plan.rates)
            say(
                f"Choosing learning rates: {counted(len(candidates), 'run')}, judged on validation data alone."
            )
            folders, have_ended = self.execute(candidates)
            if not have_ended:
                say("No rate is chosen before all of these runs have ended; the same command comes to it.")
                return folders
            try:
                runs = self.tune(candidates)
            except NoRateError as error:
                say(f"{error}")
                return folders
            if self.refusal.error is not None:
                return folders
        folders, have_ended = self.execute(runs)
        if self.plan.longer and have_ended:
            folders += self.execute(self.longer(runs, self.plan.longer))[0]
        return folders

    def execute(self, runs: Sequence[PlannedRun]) -> tuple[list[RunFolder], bool]:
        """Bring runs to their end, as far as nobody says stop and the disk takes what they save.

        Returns:
            Their folders; and whether all have ended, so that the next stage can begin. Another sweep may ask for more
            of them at that very moment.
        """
        with self.refusal.noted(), self._slurm_noted():
            return self._execute(runs)
        return [self.store.folder(run.spec.run_id) for run in runs], False

    @contextmanager
    def _slurm_noted(self) -> Iterator[None]:
        """Leave the block where Slurm refuses; or where a signal to stop has ended one of its commands as well."""
        try:
            yield
        except SlurmError as error:
            if self.stop():
                say(f"{error}")
            else:
                self.refusal.note(error)

    def _execute(self, runs: Sequence[PlannedRun]) -> tuple[list[RunFolder], bool]:
        folders = prepare(self.store, runs, _say_note)
        left = missing(folders, self.retries_failed)
        if self.retries_failed:
            forget_failures(left)
        if not self.waits:
            self._hand_over(left)
            return folders, not left
        left_ids = {folder.run_id for folder in left}
        left_weights = {run.spec.run_id: work_of(run) for run in runs if run.spec.run_id in left_ids}
        with SweepProgress(left_weights, len(folders)) as progress:
            unfinished = run_to_the_end(left, self.plan.executor, self.order, progress.listen, self.stop)
        for folder, run in zip(folders, runs, strict=True):
            # Of no effect, but where the file was damaged while the run waited: it ended without rows.
            folder.request(run.lengths)
        return folders, not unfinished and not self.stop()

    def _hand_over(self, left: Sequence[RunFolder]) -> None:
        if left:
            submission = self.plan.executor.submit([folder.path for folder in left], self.order)
            say(submission.describe())
            say(f"How far they are: attnbench status {self.store.path}")
            say(f"To end them: attnbench cancel {self.store.path}")
            if submission.rejection is not None:
                self.refusal.note(submission.rejection)

    def tune(self, candidates: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Choose a learning rate for each arm and length, and return the runs with it.

        Where the disk refuses the table of them this is noted.

        Raises:
            NoRateError: where every rate of an arm failed.
            UserError: where the folder holds the same runs, or the same training at another rate, as other arms.
        """
        tuned = read_tuning(self.store, candidates)
        chosen = choose_rates(tuned)
        rows = tuning_rows(tuned, chosen)
        with self.refusal.noted():
            write_rows(self.store.tuning_file, rows, TUNING_COLUMNS)
        self._say_chosen(rows)
        runs = with_rates(self.plan.runs, chosen)
        check_not_named(self.store, runs)
        check_one_rate(self.store, runs)
        return runs

    def _say_chosen(self, rows: Sequence[dict[str, Any]]) -> None:
        counts: dict[str, dict[float, int]] = {}
        for row in rows:
            if row["chosen"] == "true":
                of_arm = counts.setdefault(row["model"], {})
                of_arm[row["learning_rate"]] = of_arm.get(row["learning_rate"], 0) + 1
        for model, rates in counts.items():
            said = ", ".join(f"{rate:g} at {count}" for rate, count in sorted(rates.items()))
            say(f"  {model}: {said} of its trainings")
        at_edge = sum(row["at_edge"] == "true" for row in rows)
        if at_edge:
            say(
                f"  {at_edge} of the chosen rates lie at the edge of the grid: a better one may lie beyond. "
                f"Which: {self.store.tuning_file}"
            )

    def longer(self, runs: Sequence[PlannedRun], factor: int) -> list[PlannedRun]:
        """Return the runs next to each breakdown with a larger budget."""
        longer = longer_runs(runs, self._breakdowns(runs), factor)
        say(f"With {factor} times the budget around each breakdown: {counted(len(longer), 'run')}.")
        return longer

    def _breakdowns(self, runs: Sequence[PlannedRun]) -> list[FoundBreakdown]:
        from attnbench.analysis.arms import Metrics
        from attnbench.analysis.breakdown import breakdown_table, l50_by_arm
        from attnbench.runs.metrics_table import join_metrics

        own = {run.spec.run_id for run in runs}
        rows = [row for row in self.store.collect(on_damage=lambda _: None) if row["run_id"] in own]
        if not rows:
            return []
        found = l50_by_arm(breakdown_table(Metrics.of(join_metrics(rows))))
        return [FoundBreakdown(arm, each.length, each.censored) for arm, each in found.items()]


def work_of(run: PlannedRun) -> float:
    """Return target tokens, about: the budget times what the first few training batches hold."""
    spec = run.spec
    return spec.training.steps * _tokens_per_step(spec.task, spec.lengths, spec.training.batch_size)


@cache
def _tokens_per_step(task: Task, lengths: LengthRange, batch_size: int) -> float:
    batches = [task.training_batch(0, step, batch_size, lengths) for step in range(LOOKED_AT)]
    return sum(int(batch.target_mask.sum()) for batch in batches) / LOOKED_AT


def _say_note(event: Any) -> None:
    say(event.text)

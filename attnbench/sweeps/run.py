"""A sweep at work: rates are chosen, runs are made, and breakdowns get a larger budget.

It writes down what is missing, hands it to an executor and stays until it is done. How far it is it tells a listener;
of terminals it knows nothing.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from attnbench.errors import RefusedError, UserError, storage_faults_named
from attnbench.executors.base import Executor, Listener, Note, Submission, WorkOrder
from attnbench.executors.slurm.queue import SlurmError
from attnbench.formatting import counted
from attnbench.runs.checks import find_damage
from attnbench.runs.folder import RunFolder, forget_failures
from attnbench.runs.io import ClaimedError, is_claimed
from attnbench.runs.spec import PlannedRun, RunSpec
from attnbench.runs.store import RunStore
from attnbench.runs.tensorboard import complete_events
from attnbench.sweeps.budgets import starting_steps, trunks_of
from attnbench.sweeps.learning_rates import (
    FoundBreakdown,
    NoRateError,
    TunedRate,
    check_not_named,
    check_one_rate,
    choose_rates,
    extending_runs,
    larger_budget_runs,
    read_tuning,
    tuning_runs,
    with_rates,
)
from attnbench.sweeps.measuring import work_of
from attnbench.sweeps.plan import SweepPlan
from attnbench.sweeps.tuning_table import chosen_in_words, tuning_rows, write_tuning

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Stage:
    """The runs that are made next.

    Attributes:
        runs: those that are left.
        starts: the steps at which those of them begin that do not begin at their first, by run_id.
        later: runs that the next stage makes, at learning rates that are not chosen yet.
    """

    runs: Sequence[PlannedRun]
    starts: Mapping[str, int]
    later: Sequence[PlannedRun]


class SweepListener(Protocol):
    """Who is told what a sweep does, and shows it to somebody."""

    def note(self, text: str) -> None:
        """Take in something that a person should know."""

    def handed_over(self, submission: Submission) -> None:
        """Take in that runs were handed over for which nobody waits."""

    def begins(self, stage: Stage) -> None:
        """Take in that a stage begins, which has a run at least to make."""

    def watch(self, work: Mapping[str, float], runs: int) -> AbstractContextManager[Listener]:
        """Begin to show how far the runs of a stage are; what it returns is told of them.

        Args:
            work: of each run that is left, by run_id, in target tokens, about.
            runs: how many the stage has, those that have ended included.
        """


class Refusal:
    """Remembers the first refusal of a disk or a cluster: the rest goes on as far as it can; it is named once.

    Attributes:
        error: None where everything was taken.
    """

    def __init__(self) -> None:
        self.error: RefusedError | None = None

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Leave the block where the disk refuses a file, and go on after it."""
        try:
            with storage_faults_named(is_writing=True):
                yield
        except RefusedError as error:
            self.error = self.error or error

    def note(self, error: UserError) -> None:
        """Take in what would have been the person's error had it come before anything was begun."""
        self.error = self.error or RefusedError(f"{error}")

    def raise_noted(self) -> None:
        """Raise what was noted, if anything was: the command ends by saying so."""
        if self.error is not None:
            raise self.error


@dataclass
class SweepResult:
    """What came of the planned runs.

    Attributes:
        failed: reason by run_id.
        unfinished: run_ids that are left to be done, after an interruption.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """All of them."""
        return len(self.done) + len(self.failed) + len(self.unfinished)


def prepare(store: RunStore, planned: Sequence[PlannedRun], note: Callable[[str], object]) -> list[RunFolder]:
    """Write down every planned run; a damaged one is named, in words to `note`, and begins anew.

    Raises:
        StorageError: when the disk refuses a file.
    """
    folders = []
    with store.held():
        _tell_renamed(store, {run.spec.run_id for run in planned}, note)
        for run in planned:
            folder = store.folder(run.spec.run_id)
            _repair(folder, run.spec, note)
            folder.prepare(run.spec.to_values(), run.lengths, run.spec.paths)
            folders.append(folder)
    return folders


def _tell_renamed(store: RunStore, planned: Set[str], note: Callable[[str], object]) -> None:
    """Name the planned runs that are there, but in a folder of another name: they are about to be made again."""
    for folder in store.folders():
        true = None if folder.run_id in planned else folder.true_name
        if true is not None and true in planned and not store.folder(true).path.exists():
            note(f"{store.about_renamed(folder.run_id, true)} Until then it is made again.")


def _repair(folder: RunFolder, spec: RunSpec, note: Callable[[str], object]) -> None:
    """Make a damaged run one that is still to be done, unless somebody is at it."""
    if not (find_damage(folder, spec) or folder.find_damaged_record()):
        return
    with suppress(ClaimedError), folder.claim():
        # Looked at once more: who was at the run may have come to its end in between.
        if damage := find_damage(folder, spec):
            note(f"{damage} The run {folder.run_id} is repeated.")
            folder.discard()
        elif damage := folder.find_damaged_record():
            note(f"{damage} It is written anew from the checkpoint of {folder.run_id}.")
            folder.reset()


def missing(folders: Sequence[RunFolder], retry_failed: bool) -> list[RunFolder]:
    """Return the runs that are still to be done."""
    finished = ("done",) if retry_failed else ("done", "failed")
    return [folder for folder in folders if folder.state not in finished]


def run_to_the_end(
    folders: Sequence[RunFolder],
    executor: Executor,
    order: WorkOrder,
    listener: Listener,
    should_stop: Callable[[], bool],
) -> list[RunFolder]:
    """Execute what nobody else works on, and wait for what somebody else does.

    Returns:
        The runs that have not ended, because somebody said stop or ended the work from outside.

    Raises:
        StorageError: when the disk refuses a file; what could be saved has been.
    """
    left, has_told = list(folders), False
    while left and not should_stop():
        free = [folder for folder in left if executor.is_remote or not is_claimed(folder.claim_file)]
        if free:
            submission = executor.submit([folder.path for folder in free], order)
            submission.wait(listener, should_stop)
            if submission.is_given_up:
                return missing(left, retry_failed=False)
        else:
            if not has_told:
                listener(Note(f"Waiting for runs that another process is at: {', '.join(_names(left))}."))
            has_told = True
            time.sleep(POLL_SECONDS)
        left = missing(left, retry_failed=False)
    return left


def _names(folders: Sequence[RunFolder], most: int = 3) -> list[str]:
    names = [folder.run_id for folder in folders]
    return names if len(names) <= most else [*names[:most], f"and {len(names) - most} more"]


def result_of(folders: Sequence[RunFolder]) -> SweepResult:
    """Say what came of the runs, from their folders alone."""
    result = SweepResult()
    for folder in folders:
        state = folder.state
        if state == "done":
            result.done.append(folder.run_id)
        elif state == "failed":
            outcome = folder.read_outcome()
            result.failed[folder.run_id] = (outcome and outcome.error) or "no reason was given"
        else:
            result.unfinished.append(folder.run_id)
    return result


@dataclass(frozen=True)
class Sweep:
    """A plan that is being carried out, in stages.

    Attributes:
        should_stop: asked again and again; what is in flight then saves and ends.
        find_breakdowns: says where the arms of finished runs broke down, for the stage with a larger budget.
        retries_failed: whether runs that have failed are repeated.
        waits: whether to stay until a stage has ended; the next ones need it.
        refusal: takes in that the disk refused a file, or the cluster a job, after which no stage goes on.
    """

    plan: SweepPlan
    store: RunStore
    order: WorkOrder
    listener: SweepListener
    should_stop: Callable[[], bool]
    find_breakdowns: Callable[[Sequence[PlannedRun]], Sequence[FoundBreakdown]]
    retries_failed: bool = False
    waits: bool = True
    refusal: Refusal = field(default_factory=Refusal)

    def execute_all(self) -> list[RunFolder]:
        """Go through the stages, and return the folders of their runs; of the first that did not end, those alone."""
        runs: Sequence[PlannedRun] = self.plan.own_runs
        if self.plan.share:
            with self.refusal.noted():
                self.write_down_plan()
            if self.refusal.error is not None:
                return [self.store.folder(run.spec.run_id) for run in runs]
        if self.plan.rates:
            folders, tuned = self.try_rates()
            if tuned is None:
                return folders
            runs = self.tune(tuned)
            if self.refusal.error is not None:
                return folders
        folders, have_ended = self.execute(runs)
        if self.plan.longer and have_ended:
            folders += self.execute(self.with_larger_budget(runs, self.plan.longer))[0]
        return folders

    def write_down_plan(self) -> None:
        """Write down the runs of all shares, as far as none has yet: so the folder tells what is missing of them."""
        with self.store.held():
            there = {folder.run_id for folder in self.store.folders()}
            for run in self.plan.runs:
                if run.spec.run_id not in there:
                    self.store.folder(run.spec.run_id).prepare(
                        run.spec.to_values(), run.lengths, run.spec.paths
                    )

    def execute(
        self, runs: Sequence[PlannedRun], later: Sequence[PlannedRun] = ()
    ) -> tuple[list[RunFolder], bool]:
        """Bring runs to their end, as far as nobody says stop and the disk takes what they save.

        Args:
            runs: of this stage.
            later: see `Stage`.

        Returns:
            Their folders; and whether all have ended, so that the next stage can begin. Another sweep may ask for more
            of them at that very moment.
        """
        with self.refusal.noted(), self._slurm_noted():
            return self._execute(runs, later)
        return [self.store.folder(run.spec.run_id) for run in runs], False

    @contextmanager
    def _slurm_noted(self) -> Iterator[None]:
        """Leave the block where Slurm refuses; or where a signal to stop has ended one of its commands as well."""
        try:
            yield
        except SlurmError as error:
            if self.should_stop():
                self.listener.note(f"{error}")
            else:
                self.refusal.note(error)

    def _execute(
        self, runs: Sequence[PlannedRun], later: Sequence[PlannedRun]
    ) -> tuple[list[RunFolder], bool]:
        folders = prepare(self.store, runs, self.listener.note)
        left = missing(folders, self.retries_failed)
        order = replace(self.order, trunks=trunks_of(runs)) if self.plan.budgets else self.order
        if self.order.writes_events:
            complete_events(folders)
        if self.retries_failed:
            forget_failures(left)
        if not self.waits:
            self._hand_over(left, order)
            return folders, not left
        left_ids = {folder.run_id for folder in left}
        to_make = [run for run in runs if run.spec.run_id in left_ids]
        starts = starting_steps(self.store, runs, left_ids) if self.plan.budgets else {}
        work = {run.spec.run_id: work_of(run, starts.get(run.spec.run_id, 0)) for run in to_make}
        if to_make and not self.should_stop():
            self.listener.begins(Stage(to_make, starts, later))
        with self.listener.watch(work, len(folders)) as tell:
            unfinished = run_to_the_end(left, self.plan.executor, order, tell, self.should_stop)
        for folder, run in zip(folders, runs, strict=True):
            # Of no effect, but where the file was damaged while the run waited: it ended without rows.
            folder.request(run.lengths)
        return folders, not unfinished and not self.should_stop()

    def _hand_over(self, left: Sequence[RunFolder], order: WorkOrder) -> None:
        if left:
            submission = self.plan.executor.submit([folder.path for folder in left], order)
            self.listener.handed_over(submission)
            if submission.rejection is not None:
                self.refusal.note(submission.rejection)

    def try_rates(self) -> tuple[list[RunFolder], list[TunedRate] | None]:
        """Train each arm and train range at every rate of the grid, and beyond it while the best rate is an outermost.

        Returns:
            The folders of these runs; and what each rate came to, None where no rate can be chosen yet or at all.
        """
        candidates = tuning_runs(self.plan.runs, self.plan.rates)
        words = (
            f"Choosing learning rates: {counted(len(candidates), 'run')}, judged on validation data alone."
        )
        folders: list[RunFolder] = []
        tuned: list[TunedRate] = []
        while candidates:
            self.listener.note(words)
            own, have_ended = self.execute(candidates, later=self.plan.runs)
            folders += own
            if not have_ended:
                self.listener.note(
                    "No rate is chosen before all of these runs have ended; the same command comes to it."
                )
                return folders, None
            tuned += read_tuning(self.store, candidates)
            try:
                candidates = extending_runs(tuned, self.plan.rates)
            except NoRateError as error:
                self.listener.note(f"{error}")
                return folders, None
            words = f"Where the best rate lies at an edge, the next one beyond it: {counted(len(candidates), 'run')}."
        return folders, tuned

    def tune(self, tuned: Sequence[TunedRate]) -> list[PlannedRun]:
        """Choose a learning rate for each arm and train range, and return the runs with it.

        Where the disk refuses the table of them this is noted.

        Args:
            tuned: what each rate came to, of which one at least could be trained.

        Raises:
            UserError: where the folder holds the same runs, or the same training at another rate, as other arms.
        """
        chosen = choose_rates(tuned)
        rows = tuning_rows(tuned, chosen)
        with self.refusal.noted():
            write_tuning(self.store, rows)
        for line in chosen_in_words(rows, self.store.tuning_file):
            self.listener.note(line)
        runs = with_rates(self.plan.runs, chosen)
        check_not_named(self.store, runs)
        check_one_rate(self.store, runs)
        return runs

    def with_larger_budget(self, runs: Sequence[PlannedRun], factor: int) -> list[PlannedRun]:
        """Return the runs next to each breakdown with a larger budget."""
        larger = larger_budget_runs(runs, self.find_breakdowns(runs), factor)
        self.listener.note(
            f"With {factor} times the budget around each breakdown: {counted(len(larger), 'run')}."
        )
        return larger

"""Brings many runs to their end: prepares what is missing, hands it over, and stays until it is done."""

import time
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field

from attnbench.errors import UserError
from attnbench.executors.base import Executor, Listener, Note, WorkOrder
from attnbench.runs.folder import RunFolder
from attnbench.runs.io import ClaimedError, is_claimed
from attnbench.runs.spec import PlannedRun, RunSpec
from attnbench.runs.store import RunStore

POLL_SECONDS = 0.5


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


def prepare(store: RunStore, planned: Sequence[PlannedRun], listener: Listener) -> list[RunFolder]:
    """Write down every planned run; a damaged one is named and begins anew.

    Raises:
        StorageError: when the disk refuses a file.
    """
    folders = []
    with store.held():
        _tell_renamed(store, {run.spec.run_id for run in planned}, listener)
        for run in planned:
            folder = store.folder(run.spec.run_id)
            _repair(folder, run.spec, listener)
            folder.prepare(run.spec.to_values(), run.lengths, run.spec.paths)
            folders.append(folder)
    return folders


def _tell_renamed(store: RunStore, planned: Set[str], listener: Listener) -> None:
    """Name the planned runs that are there, but in a folder of another name: they are about to be made again."""
    for folder in store.folders():
        true = None if folder.run_id in planned else folder.true_name
        if true is not None and true in planned and not store.folder(true).path.exists():
            listener(Note(f"{store.about_renamed(folder.run_id, true)} Until then it is made again."))


def _repair(folder: RunFolder, spec: RunSpec, listener: Listener) -> None:
    """Make a damaged run one that is still to be done, unless somebody is at it."""
    if not (find_damage(folder, spec) or folder.find_damaged_record()):
        return
    with suppress(ClaimedError), folder.claim():
        # Looked at once more: who was at the run may have come to its end in between.
        if damage := find_damage(folder, spec):
            listener(Note(f"{damage} The run {folder.run_id} is repeated."))
            folder.discard()
        elif damage := folder.find_damaged_record():
            listener(Note(f"{damage} It is written anew from the checkpoint of {folder.run_id}."))
            folder.unfinish()


def find_damage(folder: RunFolder, spec: RunSpec) -> str | None:
    """Return what is wrong with the files of a run, or None."""
    damage = folder.find_damage()
    outcome = folder.read_outcome()
    if damage is not None or (outcome is not None and outcome.state == "done"):
        return damage  # a finished run's spec was compared with its recorded checksum
    if not folder.spec_file.exists() or folder.holds_spec(spec.to_values()):
        return None  # to parse it would tell the same, and take twice as long
    try:
        found = RunSpec.from_values(folder.read_spec())
    except UserError as error:
        return f"{folder.spec_file} is damaged: {error}"
    if found.run_id != spec.run_id:
        return f"{folder.spec_file} is damaged: it describes {found.run_id}."
    return None


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

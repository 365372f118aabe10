"""How often Slurm is asked: every question costs the one daemon that serves a whole cluster.

And which lost or refused runs are submitted again; the requeueing at a time limit is in `job`.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from attnbench.errors import UserError
from attnbench.executors.base import Listener, Note, RunEnded, RunStarted, Submission
from attnbench.executors.slurm.queue import SilentSlurmError, SlurmError
from attnbench.executors.slurm.records import JobOfRun, JobRecords, JobState, why_held
from attnbench.formatting import counted
from attnbench.runs.folder import RunFolder, give_up


@dataclass
class Backoff:
    """Pauses between questions: they double while nothing changes, and are short again once something does."""

    shortest_seconds: float
    longest_seconds: float
    pause_seconds: float = field(init=False)
    next_at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.pause_seconds = self.shortest_seconds

    def is_due(self) -> bool:
        return time.monotonic() >= self.next_at

    def take(self, *, has_changed: bool) -> None:
        """Reckon from the answer when to ask next."""
        longer = min(2 * self.pause_seconds, self.longest_seconds)
        self.pause_seconds = self.shortest_seconds if has_changed else longer
        self.next_at = time.monotonic() + self.pause_seconds


POLL_SECONDS = 2.0
"""How often the run folders are looked at, and whether to stop; Slurm as often only while something changes."""
LONGEST_PAUSE_SECONDS = 30.0
LOST_AFTER_SECONDS = 6.0
"""How long a job must be gone before its runs are lost: over a network file system results come late."""
ATTEMPTS = 2
ALONE = 0
"""In the place of runs per job: each run has a job of its own, also where several are branches of one trunk."""
REFUSED_SECONDS = 60.0
REFUSALS = 10
"""How often in a row Slurm may refuse runs, while no job of theirs is in its queue, before the sweep gives up."""


@dataclass
class SubmitResult:
    """What came of handing runs to Slurm.

    Attributes:
        arrays: ids of what was submitted.
        found: runs that a living job was at already.
        refused: runs that no job is at.
        refusal: why.
    """

    arrays: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    refusal: SlurmError | None = None

    @property
    def is_in_vain(self) -> bool:
        """Whether Slurm answered, and no job is at any of the runs."""
        is_refused = self.refusal is not None and not isinstance(self.refusal, SilentSlurmError)
        return is_refused and not self.arrays and not self.found


@dataclass
class SlurmSubmission(Submission):
    """Runs that jobs of the cluster are at, or will be.

    Attributes:
        left: runs that have not ended.
        first: what came of handing them over.
        hand_over: submits those of the runs that no job is at, so many in each.
        runs_per_job: of the first submission; what was lost goes alone.
        known: what Slurm said last of the jobs.
        reasons: why it had them wait then.
    """

    book: JobRecords
    left: dict[str, RunFolder]
    first: SubmitResult
    hand_over: Callable[[Sequence[RunFolder], int], SubmitResult]
    runs_per_job: int
    is_given_up: bool = False
    started: set[str] = field(default_factory=set)
    losses: dict[str, int] = field(default_factory=dict)
    saved: dict[str, int | None] = field(default_factory=dict)
    gone_since: dict[str, float] = field(default_factory=dict)
    refused: set[str] = field(init=False)
    refused_at: float = field(default_factory=time.monotonic)
    refusals: int = 0
    told: set[str] = field(default_factory=set)
    known: dict[str, JobState] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    rhythm: Backoff = field(default_factory=lambda: Backoff(POLL_SECONDS, LONGEST_PAUSE_SECONDS))
    is_silent: bool = False

    def __post_init__(self) -> None:
        self.refused = set(self.first.refused)

    @property
    def rejection(self) -> UserError | None:
        """Why no job is at some of the runs."""
        return self.first.refusal

    def describe(self) -> str:
        handed_over = len(self.left) - len(self.first.found) - len(self.first.refused)
        parts = []
        if handed_over:
            parts.append(
                f"{counted(handed_over, 'run')} handed to Slurm (job {', '.join(self.first.arrays)})"
            )
        if self.first.found:
            parts.append(f"{counted(len(self.first.found), 'run was', 'runs were')} in its queue already")
        if self.first.refused:
            parts.append(f"{counted(len(self.first.refused), 'run was', 'runs were')} not taken")
        return "; ".join(parts) + "."

    def wait(self, listener: Listener, should_stop: Callable[[], bool]) -> None:
        listener(Note(self.describe()))
        self._tell_refusal(self.first, listener)
        while self.left and not should_stop():
            # Slurm is asked before the folders: a job that ends in between is then found done, not lost.
            states = self._ask(listener) if self.rhythm.is_due() else None
            self._tell_ended(listener)
            self._tell_started(listener)
            if states is not None:
                # In this order: what was refused and is taken now has no state in what Slurm said before.
                self._care_for_lost(states, listener)
                self._care_for_refused(states, listener)
            if self.left:
                time.sleep(POLL_SECONDS)
        if self.left and should_stop():
            listener(Note("The jobs go on without this sweep; `attnbench cancel` ends them."))

    def _ask(self, listener: Listener) -> dict[str, JobState] | None:
        """Return what the jobs do; None where Slurm is silent, which may pass."""
        try:
            jobs = self.book.jobs_of(list(self.left))
        except SlurmError as error:
            self.rhythm.take(has_changed=False)
            if not self.is_silent:
                listener(Note(f"{error} Still waiting."))
            self.is_silent = True
            return None
        if self.is_silent:
            listener(Note("Slurm answers again."))
        self.is_silent = False
        self._tell_held(jobs, listener)
        states = {run_id: job.state for run_id, job in jobs.items()}
        has_changed = any(states.get(run_id) != self.known.get(run_id) for run_id in self.left)
        # What is gone is looked at again soon: whether it is lost only a second look can tell.
        self.rhythm.take(has_changed=has_changed or bool(self.gone_since))
        self.known = states
        return states

    def _tell_held(self, jobs: Mapping[str, JobOfRun], listener: Listener) -> None:
        """Say once why runs wait for what may not pass by itself; some reasons do, so it takes a second look."""
        stay = [job for run_id, job in jobs.items() if job.reason == self.reasons.get(run_id)]
        self.reasons = {run_id: job.reason for run_id, job in jobs.items()}
        for count, reason in why_held(stay):
            if reason not in self.told:
                self.told.add(reason)
                listener(Note(f"Slurm holds {counted(count, 'run')}: {reason}."))

    def _tell_ended(self, listener: Listener) -> None:
        for run_id, folder in list(self.left.items()):
            if folder.has_ended:
                del self.left[run_id]
                listener(RunEnded(run_id, folder.read_outcome()))

    def _tell_started(self, listener: Listener) -> None:
        for run_id, folder in self.left.items():
            is_started = self.known.get(run_id) == "running" and folder.claim_file.exists()
            if is_started and run_id not in self.started:
                self.started.add(run_id)
                listener(RunStarted(run_id))

    def _care_for_refused(self, states: Mapping[str, JobState], listener: Listener) -> None:
        """Hand over once more what Slurm refused: it may have room by now, or answer again."""
        self.refused &= self.left.keys()
        if not self.refused or time.monotonic() - self.refused_at < REFUSED_SECONDS:
            return
        handed_over = self._hand_over(self.refused, self.runs_per_job, listener)
        lives = any(state != "lost" for state in states.values())
        self.refusals = self.refusals + 1 if handed_over.refusal and not lives else 0
        if handed_over.is_in_vain and handed_over.refusal and self.refusals >= REFUSALS:
            raise handed_over.refusal

    def _hand_over(self, run_ids: Collection[str], runs_per_job: int, listener: Listener) -> SubmitResult:
        handed_over = self.hand_over([self.left[run_id] for run_id in run_ids], runs_per_job)
        self.refused = self.refused.difference(run_ids).union(handed_over.refused)
        self.refused_at = time.monotonic()
        self._tell_refusal(handed_over, listener)
        return handed_over

    def _tell_refusal(self, handed_over: SubmitResult, listener: Listener) -> None:
        """Say once in Slurm's own words why runs have to wait."""
        words = f"{handed_over.refusal} What was not taken is handed over again every {REFUSED_SECONDS:g} s."
        if handed_over.refusal is not None and words not in self.told:
            self.told.add(words)
            listener(Note(words))

    def _care_for_lost(self, states: Mapping[str, JobState], listener: Listener) -> None:
        """Let go of what was cancelled, and do again, alone in its job, what was lost."""
        now = time.monotonic()
        handed_over = {run_id: folder for run_id, folder in self.left.items() if run_id not in self.refused}
        if self.is_given_up or handed_over.keys() - states.keys():
            self._let_go(states, listener)
            return
        gone = [run_id for run_id in handed_over if states.get(run_id) == "lost" and self._is_left(run_id)]
        self.gone_since = {run_id: self.gone_since.get(run_id, now) for run_id in gone}
        lost = [each for each in gone if now - self.gone_since[each] >= LOST_AFTER_SECONDS]
        again = [run_id for run_id in lost if self._may_try_again(run_id, listener)]
        if again:
            runs = counted(len(again), "run is", "runs are")
            listener(Note(f"{runs} submitted once more: the job ended before."))
            self._hand_over(again, ALONE, listener)

    def _let_go(self, states: Mapping[str, JobState], listener: Listener) -> None:
        """Leave all that no job is at, be it lost or refused: who cancelled the others wants no further jobs."""
        self.is_given_up = True
        for run_id in [each for each in self.left if states.get(each, "lost") == "lost"]:
            del self.left[run_id]
            listener(RunEnded(run_id, None))

    def _is_left(self, run_id: str) -> bool:
        """Say whether nobody has ended the run, nor is at it; a sweep that works on this machine may be."""
        folder = self.left[run_id]
        # Reading a folder makes a network file system look anew for files that it has not found before.
        with suppress(OSError):
            list(folder.path.iterdir())
        return folder.state in ("interrupted", "waiting")

    def _may_try_again(self, run_id: str, listener: Listener) -> bool:
        """Count a loss; where the run saved something since the last one, it is as if there had been none."""
        del self.gone_since[run_id]
        saved = _when_saved(self.left[run_id])
        came_on = saved != self.saved.get(run_id)
        self.saved[run_id] = saved
        self.losses[run_id] = 1 if came_on else self.losses.get(run_id, 0) + 1
        if self.losses[run_id] < ATTEMPTS:
            return True
        reason = f"its job ended before it did, {ATTEMPTS} times; {self._words_of(run_id)}"
        listener(RunEnded(run_id, give_up(self.left.pop(run_id), reason)))
        return False

    def _words_of(self, run_id: str) -> str:
        log = self.book.log_of(run_id)
        if log is not None and log.exists():
            return f"what the job said: {log}"
        return f"it left no log in {self.book.logs_folder}: does its node see that folder?"


def _when_saved(folder: RunFolder) -> int | None:
    try:
        return folder.checkpoint_file.stat().st_mtime_ns
    except FileNotFoundError:
        return None

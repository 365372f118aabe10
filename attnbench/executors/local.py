"""Executors on this machine: in this process, or in several that work side by side."""

import itertools
import math
import os
import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attnbench.errors import InterruptedRunError, StorageError
from attnbench.executors.base import (
    Executor,
    Listener,
    Note,
    RunEnded,
    RunProgressed,
    RunStarted,
    StorageRefused,
    Submission,
    WorkOrder,
    from_line,
)
from attnbench.executors.resources import suitable_workers
from attnbench.executors.worker import Messages, Worker, WorkerError, start_worker
from attnbench.formatting import counted
from attnbench.ranges import Count
from attnbench.runs.execute import Execution, execute
from attnbench.runs.folder import RunFolder, give_up
from attnbench.runs.io import ClaimedError
from attnbench.runs.status import RunStatus


def execute_and_tell(
    folder: RunFolder, order: WorkOrder, listener: Listener, should_stop: Callable[[], bool]
) -> RunStatus | None:
    """Execute one run, turning what happens into events; None where it was interrupted or is claimed.

    Raises:
        StorageError: when the disk refuses a file of the run; everybody has been told.
    """
    run_id = folder.run_id
    listener(RunStarted(run_id))
    execution = Execution(
        device=order.device,
        should_stop=should_stop,
        on_progress=lambda step, steps, accuracy: listener(RunProgressed(run_id, step, steps, accuracy)),
        on_note=lambda text: listener(Note(text)),
        command=order.command,
        shares_trunk=run_id in order.trunks,
        writes_events=order.writes_events,
    )
    try:
        outcome: RunStatus | None = execute(folder, execution)
    except (InterruptedRunError, ClaimedError):
        outcome = None
    except StorageError as error:
        listener(StorageRefused(run_id, f"{error}"))
        listener(RunEnded(run_id, None))
        raise
    listener(RunEnded(run_id, outcome))
    return outcome


@dataclass(frozen=True)
class InlineSubmission(Submission):
    """Runs that begin when somebody waits for them."""

    run_folders: Sequence[Path]
    order: WorkOrder

    def wait(self, listener: Listener, should_stop: Callable[[], bool]) -> None:
        for path in itertools.chain(*self.order.by_trunk(self.run_folders)):
            if should_stop():
                return
            execute_and_tell(RunFolder(path), self.order, listener, should_stop)


@dataclass(frozen=True, kw_only=True)
class Inline(Executor):
    """Executes in the process of the sweep."""

    def submit(self, run_folders: Sequence[Path], order: WorkOrder) -> InlineSubmission:
        return InlineSubmission(list(run_folders), order)


ATTEMPTS = 2
GRACE_SECONDS = 120.0
LONGEST_QUOTE = 200  # characters


@dataclass
class ProcessSubmission(Submission):
    """Runs that a few workers share.

    Attributes:
        refusal: why the disk takes no more, as the first worker put it that met with it.
        grace_ends: when, by the monotonic clock, a worker that has not saved and left is ended.
        shortage: why there are fewer workers than there could be.
    """

    waiting: deque[Path]
    order: WorkOrder
    worker_count: int
    environments: list[dict[str, str]]
    attempts: dict[Path, int] = field(default_factory=dict)
    messages: Messages = field(default_factory=queue.SimpleQueue)
    workers: dict[int, Worker] = field(default_factory=dict)
    is_stopping: bool = False
    grace_ends: float = math.inf
    refusal: str | None = None
    shortage: WorkerError | None = None

    def wait(self, listener: Listener, should_stop: Callable[[], bool]) -> None:
        try:
            self._begin(listener)
            while self._busy_count:
                if not self.is_stopping and (should_stop() or self.refusal):
                    self._let_save()
                if time.monotonic() >= self.grace_ends:
                    self._end_overdue(listener)
                self._take_next(listener)
        finally:
            self._ask_to_leave()
            for worker in self.workers.values():
                worker.leave(max(0.0, self.grace_ends - time.monotonic()))
        if self.refusal is not None:
            raise StorageError(self.refusal)
        if self.waiting and self.shortage is not None:
            raise self.shortage

    @property
    def _busy_count(self) -> int:
        return sum(worker.run_folder is not None for worker in self.workers.values())

    def _begin(self, listener: Listener) -> None:
        """Put as many workers to work as there are to be, or as the machine has room for."""
        for number in range(min(self.worker_count, len(self.order.by_trunk(self.waiting)))):
            if self.shortage is None:
                self._put_to_work(number, listener)

    def _put_to_work(self, number: int, listener: Listener) -> None:
        """Start a worker and give it a run; where that cannot be, the run waits for one of the others."""
        environment = self.environments[number % len(self.environments)]
        try:
            self.workers[number] = start_worker(environment, self.messages)
        except WorkerError as error:
            self.shortage = error
            if self._busy_count:
                listener(Note(f"{error} The runs go on with {counted(self._busy_count, 'worker')}."))
        else:
            self._hand_over(self.workers[number])

    def _let_save(self) -> None:
        """Begin no other run, and let those in flight save and end."""
        self.is_stopping = True
        self.waiting.clear()
        self._ask_to_leave()

    def _ask_to_leave(self) -> None:
        """Let the workers save and leave while the grace lasts, which begins but once."""
        self.grace_ends = min(self.grace_ends, time.monotonic() + GRACE_SECONDS)
        for worker in self.workers.values():
            worker.end_input()

    def _end_overdue(self, listener: Listener) -> None:
        """End the workers that are still at a run."""
        for worker in self.workers.values():
            if worker.run_folder is not None:
                name, worker.run_folder = worker.run_folder.name, None
                worker.leave(0.0)
                listener(
                    Note(f"The worker of {name} did not save within {GRACE_SECONDS:g} s, and was ended.")
                )
                listener(RunEnded(name, None))

    def _take_next(self, listener: Listener) -> None:
        """Take in what a worker said next, if any says something soon."""
        try:
            worker, line = self.messages.get(timeout=0.1)
        except queue.Empty:
            return
        if line is None:
            self._replace_dead(worker, listener)
        else:
            self._take(worker, line, listener)

    def _hand_over(self, worker: Worker) -> None:
        """Give the worker its next run, first of all one of the trunk that it is at, or let it go."""
        at = None if worker.run_folder is None else self.order.trunk_of(worker.run_folder)
        worker.run_folder = None
        # Of a trunk that another worker is at the next branch would not find its beginning yet.
        taken = {self.order.trunk_of(each.run_folder) for each in self.workers.values() if each.run_folder}
        free = [path for path in self.waiting if self.order.trunk_of(path) not in taken]
        if free:
            path = next((each for each in free if self.order.trunk_of(each) == at), free[0])
            self.waiting.remove(path)
            worker.begin(path, self.order)
        else:
            worker.end_input()

    def _take(self, worker: Worker, line: str, listener: Listener) -> None:
        event = from_line(line)
        if event is None:
            listener(Note(f"A worker printed: {line.strip()[:LONGEST_QUOTE]}"))
            return
        if isinstance(event, StorageRefused):
            self.refusal = self.refusal or event.reason
        listener(event)
        if isinstance(event, RunEnded):
            self._hand_over(worker)

    def _replace_dead(self, dead: Worker, listener: Listener) -> None:
        """Let a new worker take up the run of one that died, once, or that somebody asked to leave."""
        folder, cause = dead.run_folder, dead.cause_of_death()
        dead.run_folder = None
        dead.end_input()
        if folder is None:
            return
        if self.is_stopping:
            listener(RunEnded(folder.name, None))
            return
        if dead.process.returncode == 0:
            listener(Note(f"The worker of {folder.name} was asked to leave; another one takes the run up."))
            self.waiting.appendleft(folder)
        else:
            self._count_death(folder, cause, listener)
        if self.waiting:
            number = next(number for number, worker in self.workers.items() if worker is dead)
            self._put_to_work(number, listener)

    def _count_death(self, folder: Path, cause: str, listener: Listener) -> None:
        """Let the run of a worker that died be tried once more, or give it up."""
        self.attempts[folder] = self.attempts.get(folder, 0) + 1
        if self.attempts[folder] < ATTEMPTS:
            listener(Note(f"The worker of {folder.name} {cause}; the run is tried once more."))
            self.waiting.appendleft(folder)
        else:
            outcome = give_up(RunFolder(folder), f"its worker {cause}, {ATTEMPTS} times")
            listener(RunEnded(folder.name, outcome))


@dataclass(frozen=True, kw_only=True)
class Processes(Executor):
    """Executes in worker processes.

    Attributes:
        workers: how many; None for one per core that there is memory for, or `workers_per_gpu` for each GPU.
        workers_per_gpu: how many share one GPU.
    """

    workers: Count | None
    workers_per_gpu: Count

    def worker_count(self, device: str) -> int:
        gpus = _count_gpus(device)
        return self.workers or (self.workers_per_gpu * len(gpus) if gpus else suitable_workers())

    def submit(self, run_folders: Sequence[Path], order: WorkOrder) -> ProcessSubmission:
        gpus = _count_gpus(order.device)
        environments: list[dict[str, str]] = [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus] or [{}]
        return ProcessSubmission(deque(run_folders), order, self.worker_count(order.device), environments)


def _count_gpus(device: str) -> list[str]:
    """Return the CUDA devices that the runs will use, as CUDA_VISIBLE_DEVICES names them."""
    if device not in ("auto", "cuda"):
        return []
    import torch

    if not torch.cuda.is_available():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(number) for number in range(torch.cuda.device_count())]

"""A process that executes one run after the other, from both ends: `python -m attnbench.executors.worker [FOLDER]`.

FOLDER is the one that the sweep trusts for classes of a person's own. The process reads one JSON object per line, a
run folder and how to execute it, and writes one per line for every event. When its input ends, because the sweep has no
more work, was told to stop or was killed, it lets the run save itself and leaves.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from attnbench.errors import RefusedError, StorageError
from attnbench.executors.base import Event, WorkOrder, to_line
from attnbench.schema import trust_folder, trusted_folder
from attnbench.standard_streams import make_streams_forgiving

# glibc returns large blocks to the system at once, and asks for them again at the next step; keeping them takes a
# third off a step of additive attention.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "268435456", "MALLOC_TRIM_THRESHOLD_": "268435456"}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
KILLED_SECONDS = 10.0


class WorkerError(RefusedError):
    """A worker process that the system does not start."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"A worker process could not be started: {reason}. Fewer of them need less: --workers."
        )


@dataclass(eq=False)
class Worker:
    """One process and the run that it is at."""

    process: "subprocess.Popen[str]"
    run_folder: Path | None = None

    def begin(self, run_folder: Path, order: WorkOrder) -> None:
        """Give it a run."""
        self.run_folder = run_folder
        values = {
            "run_folder": str(run_folder),
            "device": order.device,
            "command": order.command,
            "trunks": {name: trunk for name, trunk in order.trunks.items() if name == run_folder.name},
            "writes_events": order.writes_events,
        }
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps(values) + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # it has died: the end of its output says so in a moment

    def end_input(self) -> None:
        """Ask it to save and leave."""
        try:
            if self.process.stdin is not None:
                self.process.stdin.close()
        except BrokenPipeError:
            pass  # it has died already

    def leave(self, patience_seconds: float) -> None:
        """End it where it has not left by itself in time."""
        try:
            self.process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            with suppress(subprocess.TimeoutExpired):  # a server of files that is gone holds even the killed
                self.process.wait(KILLED_SECONDS)

    def cause_of_death(self) -> str:
        """Say what it died of; it is dead, or about to be."""
        status = self.process.wait()
        if status < 0:
            name = signal.Signals(-status).name
            hint = " (out of memory?)" if name == "SIGKILL" else ""
            return f"was killed by {name}{hint}"
        return f"died with status {status}"


Messages = queue.SimpleQueue[tuple[Worker, str | None]]
"""Lines that workers have said, and None at the end of the last one of a worker."""


def start_worker(environment: Mapping[str, str], messages: Messages) -> Worker:
    """Start a worker that says into `messages` what comes of its runs.

    Raises:
        WorkerError: where the system has no room for it.
    """
    try:
        worker = Worker(_start_process(environment))
    except OSError as error:
        raise WorkerError(error.strerror or f"{error}") from error
    try:
        threading.Thread(target=_listen, args=(worker, messages), daemon=True).start()
    except RuntimeError as error:  # a thread counts as a process to the system
        worker.end_input()
        worker.leave(0.0)
        assert worker.process.stdout is not None
        worker.process.stdout.close()
        raise WorkerError(f"{error}") from error
    return worker


def _start_process(environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    trusted = trusted_folder()
    with signals_held_back():
        return subprocess.Popen(
            # -P: a file of the working folder, such as copy.py, must not stand in for a module.
            [
                *(sys.executable, "-P", "-m", "attnbench.executors.worker"),
                *([] if trusted is None else [str(trusted)]),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env={**KEEP_MEMORY, **os.environ, **ONE_THREAD, **environment},
        )


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let a process that is started here inherit that signals to a whole group are blocked, for good.

    Ctrl-C, the end of a terminal and a cluster's warning reach every process, but we decide when to stop; and they
    may come before it could say so itself.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP, signal.SIGUSR2})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _listen(worker: Worker, messages: Messages) -> None:
    assert worker.process.stdout is not None
    with worker.process.stdout as events:
        for line in events:
            messages.put((worker, line))
    messages.put((worker, None))


def main() -> None:
    """Work until the input ends."""
    events = _own_the_output()
    trust_folder(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    is_over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    threading.Thread(target=_read_orders, args=(orders, is_over), daemon=True).start()
    while (order := orders.get()) is not None and not is_over.is_set():
        _execute(order, events, is_over)


def _own_the_output() -> TextIO:
    """Keep standard output for events alone: whatever a library prints goes to standard error."""
    make_streams_forgiving()
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return events


def _read_orders(orders: "queue.SimpleQueue[dict[str, Any] | None]", is_over: threading.Event) -> None:
    for line in sys.stdin:
        orders.put(json.loads(line))
    is_over.set()
    orders.put(None)


def _execute(values: dict[str, Any], events: TextIO, is_over: threading.Event) -> None:
    # Imported here so that a worker that is told to end at once need not load torch first.
    from attnbench.executors.base import WorkOrder
    from attnbench.executors.local import execute_and_tell
    from attnbench.runs.folder import RunFolder

    def tell(event: Event) -> None:
        try:
            events.write(to_line(event))
        except BrokenPipeError:
            is_over.set()  # the sweep was killed: save and leave

    order = WorkOrder(values["device"], values["command"], values["trunks"], values["writes_events"])
    with suppress(StorageError):  # the sweep has been told, and decides
        execute_and_tell(RunFolder(Path(values["run_folder"])), order, tell, is_over.is_set)


if __name__ == "__main__":
    main()

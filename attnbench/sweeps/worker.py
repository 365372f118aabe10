"""A process that executes one run after the other: `python -m attnbench.sweeps.worker`.

It reads one JSON object per line, a run folder and how to execute it, and writes one per line for every event.
When its input ends, because the sweep has no more work, was told to stop or was killed, it lets the run save
itself and leaves.
"""

import json
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from attnbench.errors import StorageError
from attnbench.standard_streams import make_streams_forgiving
from attnbench.sweeps.event_lines import to_line
from attnbench.sweeps.events import Event


def main() -> None:
    """Work until the input ends."""
    events = _own_the_output()
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
    from attnbench.runs.folder import RunFolder
    from attnbench.schema import trust_folder
    from attnbench.sweeps.executors.base import WorkOrder
    from attnbench.sweeps.executors.inline import execute_and_tell

    def tell(event: Event) -> None:
        try:
            events.write(to_line(event))
        except BrokenPipeError:
            is_over.set()  # the sweep was killed: save and leave

    trusted_folder = Path(values["trusted_folder"]) if values["trusted_folder"] else None
    if trusted_folder is not None:
        trust_folder(trusted_folder)
    order = WorkOrder(values["device"], trusted_folder, values["command"])
    with suppress(StorageError):  # the sweep has been told, and decides
        execute_and_tell(RunFolder(Path(values["run_folder"])), order, tell, is_over.is_set)


if __name__ == "__main__":
    main()

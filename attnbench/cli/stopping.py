"""Ctrl-C, SIGTERM and a closed terminal: save, then leave with the status that the shell expects."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeVar

STANDARD_ERROR = 2
Result = TypeVar("Result")
TOGETHER_SECONDS = 0.5
"""Signals that come so close are one: `timeout` and batch systems signal a process, and then its whole group."""


class StopRequest:
    """Remembers which signal came, if any."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.signal is not None

    @property
    def exit_status(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, 129 after a closed terminal, 0 where no signal came."""
        return 128 + self.signal if self.signal is not None else 0


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Let the first signal ask the work to save and stop; a second one of the same kind ends it at once.

    But for SIGHUP: a terminal that closes sends it, and its shell once more, and nobody there is impatient. Where it is
    ignored, as `nohup` arranges it, it stays so. Beside the main thread, where Python takes no signal, none is heard.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    first_came: dict[int, float] = {}
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] == signal.SIG_IGN:
        del before[signal.SIGHUP]

    def take(number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if number not in first_came:
            first_came[number], request.signal = now, number
            # Past sys.stderr: the signal may have come while it was writing, and it must not be entered twice.
            with suppress(OSError):
                os.write(STANDARD_ERROR, "Saving what has been done …\n".encode())
        elif number != signal.SIGHUP and now - first_came[number] >= TOGETHER_SECONDS:
            signal.signal(number, before[signal.Signals(number)])
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, take)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def heard_at_once(work: Callable[[], Result]) -> Result:
    """Do the work beside the main thread, which waits for it, and return what it returns or raise what it raises.

    Python runs the handler of a signal in the main thread alone, and not before torch has returned from a call, which
    may take seconds. Nobody waits for the thread when the program ends.
    """
    outcome: Future[Result] = Future()

    def do() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.set_exception(error)

    threading.Thread(target=do, daemon=True, name="inspect").start()
    return outcome.result()

"""Ctrl-C and SIGTERM: save, then leave with the status that the shell expects."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

STANDARD_ERROR = 2


class StopRequest:
    """Remembers which signal came, if any."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.signal is not None

    @property
    def exit_status(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, 0 where no signal came."""
        return 128 + self.signal if self.signal is not None else 0


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Let the first signal ask the work to save and stop; a second one of the same kind ends it at once."""
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def take(number: int, _frame: FrameType | None) -> None:
        request.signal = number
        signal.signal(number, before[signal.Signals(number)])
        # Past sys.stderr: the signal may have come while it was writing, and it must not be entered twice.
        with suppress(OSError):
            os.write(STANDARD_ERROR, "Saving what has been done …\n".encode())

    for number in before:
        signal.signal(number, take)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

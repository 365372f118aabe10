"""What every kind of progress has in common."""

import sys
import time
from typing import Self

from rich.console import Console
from rich.progress import Progress, ProgressColumn

PLAIN_SECONDS = 10.0


class BarOrLines:
    """Bars on a terminal; elsewhere a plain line now and then."""

    def __init__(self, *columns: ProgressColumn) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar.live.is_started:  # stopping what never began prints an empty line
            self._bar.stop()

    def say(self, text: str) -> None:
        """Print a line, above the bars where there are any."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def say_now_and_then(self, text: str) -> None:
        """Print a line, unless there are bars or the last line is but seconds old."""
        if not self._console.is_terminal and time.monotonic() - self._last_line > PLAIN_SECONDS:
            self._last_line = time.monotonic()
            print(text, file=sys.stderr, flush=True)

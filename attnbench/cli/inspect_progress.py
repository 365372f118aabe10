"""What a person sees while a test set is gone through: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from attnbench.cli.progress import PLAIN_SECONDS

Tell = Callable[[int, int], None]
"""Told of examples done and examples in all."""


class StageProgress:
    """Progress of one stage after the other."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("examples"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar.live.is_started:  # stopping what never began prints an empty line
            self._bar.stop()

    def stage(self, name: str) -> Tell:
        """Begin a stage in place of the one before; return what is to be told how far it is."""
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        task = self._bar.add_task(name, total=None)

        def tell(done: int, of: int) -> None:
            self._bar.update(task, completed=done, total=of)
            if not self._console.is_terminal and time.monotonic() - self._last_line > PLAIN_SECONDS:
                self._last_line = time.monotonic()
                print(f"{name}: {done:,} of {of:,} examples", file=sys.stderr, flush=True)

        return tell

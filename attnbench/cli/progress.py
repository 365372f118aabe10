"""What a person sees of runs and test sets that are gone through: bars on a terminal, plain lines elsewhere."""

import io
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from attnbench.executors.base import Event, Note, RunEnded, RunProgressed, RunStarted
from attnbench.formatting import duration
from attnbench.runs.status import RunStatus

PLAIN_SECONDS = 10.0
NOTEBOOK_COLUMNS = 100


class BarOrLines:
    """Bars on a terminal and in a notebook; elsewhere a plain line now and then."""

    def __init__(self, *columns: ProgressColumn) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._last_line = time.monotonic()
        self._in_notebook: Any = None  # where IPython shows the bars; rich would need ipywidgets there

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar.live.is_started:  # stopping what never began prints an empty line
            self._bar.stop()
        if self._in_notebook is not None:
            self._in_notebook.update({"text/plain": ""}, raw=True)

    def say(self, text: str) -> None:
        """Print a line, above the bars where there are any."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def say_now_and_then(self, text: str) -> None:
        """Print a line, unless there are bars or the last line is but seconds old."""
        if self._console.is_jupyter:
            self._show_in_notebook()
        elif not self._console.is_terminal and time.monotonic() - self._last_line > PLAIN_SECONDS:
            self._last_line = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    def _show_in_notebook(self) -> None:
        """Show the bars as they stand, in the place where they stood."""
        from IPython.display import DisplayHandle

        text = io.StringIO()
        # Plain, whatever a notebook says of colours: the text is put in place of the one before.
        plain = Console(
            file=text,
            width=NOTEBOOK_COLUMNS,
            force_jupyter=False,
            force_terminal=False,
            color_system=None,
        )
        plain.print(self._bar.get_renderable())
        shown = {"text/plain": text.getvalue().rstrip()}
        if self._in_notebook is None:
            self._in_notebook = DisplayHandle()
            self._in_notebook.display(shown, raw=True)
        else:
            self._in_notebook.update(shown, raw=True)


class TrainProgress(BarOrLines):
    """Progress of a single run."""

    def __init__(self) -> None:
        description = TextColumn("{task.description}")
        super().__init__(
            TextColumn("step"), BarColumn(), MofNCompleteColumn(), description, TimeRemainingColumn()
        )
        self._task: TaskID | None = None

    def listen(self, event: Event) -> None:
        """Take in an event."""
        if isinstance(event, Note):
            self.say(event.text)
        if not isinstance(event, RunProgressed):
            return
        text = f"validation accuracy {event.accuracy:.3f}"
        if self._task is None:
            self._task = self._bar.add_task(text, total=event.steps)
        self._bar.update(self._task, completed=event.step, description=text)
        self.say_now_and_then(f"step {event.step}/{event.steps}, {text}")


class SweepProgress(BarOrLines):
    """Progress of many runs: how many are done, which are in flight and how they do, how long it will take.

    The time left is reckoned from target tokens: a step at length 32 costs more than one at length 4.

    Args:
        weights: target tokens of each run that is left, by run_id.
        runs_in_all: those that have ended included.
        later_work: target tokens of the next stage, as far as it is known.
    """

    def __init__(self, weights: Mapping[str, float], runs_in_all: int, later_work: float = 0.0) -> None:
        self._weights = weights
        self._later_work = later_work
        self._started: float | None = None  # at the first run, since a cluster may let all of them wait
        self._runs_in_all = runs_in_all
        self._ended = runs_in_all - len(weights)
        self._shares: dict[str, float] = {}
        self._lines: dict[str, TaskID] = {}
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        self._total = self._bar.add_task(
            "all runs", total=max(sum(weights.values()), 1e-9), state=self._count()
        )

    def _count(self) -> str:
        return f"{self._ended}/{self._runs_in_all} done"

    def listen(self, event: Event) -> None:
        """Take in an event."""
        if isinstance(event, Note):
            self.say(event.text)
        elif isinstance(event, RunStarted):
            if self._started is None:
                self._started = time.monotonic()
            self._drop_line(event.run_id)  # of a worker that died
            self._lines[event.run_id] = self._bar.add_task(f"  {_short(event.run_id)}", total=1.0, state="")
        elif isinstance(event, RunProgressed):
            self._progress(event)
        elif isinstance(event, RunEnded):
            self._end(event)
        if self._console.is_jupyter:
            self._show_in_notebook()

    def _progress(self, event: RunProgressed) -> None:
        share = event.step / event.steps
        self._advance(event.run_id, share)
        if event.run_id in self._lines:
            state = f"step {event.step}/{event.steps}, accuracy {event.accuracy:.3f}"
            self._bar.update(self._lines[event.run_id], completed=share, state=state)

    def _advance(self, run_id: str, share: float) -> None:
        gained = share - self._shares.get(run_id, 0.0)
        self._shares[run_id] = share
        self._bar.advance(self._total, gained * self._weights.get(run_id, 0.0))

    def _end(self, event: RunEnded) -> None:
        self._drop_line(event.run_id)
        if event.outcome is None:
            return
        self._advance(event.run_id, 1.0)
        self._ended += 1
        self._bar.update(self._total, state=self._count())
        self._tell_end(event.run_id, event.outcome)

    def _drop_line(self, run_id: str) -> None:
        if run_id in self._lines:
            self._bar.remove_task(self._lines.pop(run_id))

    def _tell_end(self, run_id: str, outcome: RunStatus) -> None:
        if outcome.state == "failed":
            self.say(f"{run_id} failed: {outcome.error}")
        elif not self._console.is_terminal:
            resumed = f", from step {outcome.resumed_from_step} on" if outcome.resumed_from_step else ""
            self.say(
                f"[{self._count()}] {run_id}: {outcome.stop_reason} after {outcome.steps} steps"
                f"{resumed}, {outcome.seconds:.1f} s{self._time_left()}"
            )

    def _time_left(self) -> str:
        """Say about how long the rest takes at the speed so far; nothing where there is no rest, or too soon to say."""
        taken = 0.0 if self._started is None else time.monotonic() - self._started
        done = sum(share * self._weights.get(run_id, 0.0) for run_id, share in self._shares.items())
        left = sum(self._weights.values()) - done + self._later_work
        if taken < PLAIN_SECONDS or not done or self._ended == self._runs_in_all:
            return ""
        return f"; about {duration(taken * left / done)} left"


def _short(run_id: str) -> str:
    """Leave out what every run of a sweep shares and what nobody reads, so that a line fits on 80 columns."""
    return run_id.partition("-")[2].rpartition("-")[0]


Tell = Callable[[int, int], None]
"""Told of examples or words done, and of all."""


class StageProgress(BarOrLines):
    """Progress of one stage after the other."""

    def __init__(self) -> None:
        unit = TextColumn("{task.fields[unit]}")
        super().__init__(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), unit, TimeRemainingColumn()
        )

    def stage(self, name: str, unit: str = "examples") -> Tell:
        """Begin a stage in place of the one before; return what is to be told how far it is."""
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        task = self._bar.add_task(name, total=None, unit=unit)

        def tell(done: int, of: int) -> None:
            self._bar.update(task, completed=done, total=of)
            self.say_now_and_then(f"{name}: {done:,} of {of:,} {unit}")

        return tell

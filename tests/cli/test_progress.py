import contextlib
import io

import pytest

from attnbench.cli.progress import SweepProgress, TrainProgress
from attnbench.executors.base import Note, RunEnded, RunProgressed, RunStarted
from attnbench.runs.status import RunStatus

DONE = RunStatus("a", "done", stop_reason="solved", steps=300, seconds=2.5)
FAILED = RunStatus("b", "failed", error="the [reason]")
EVENTS = [
    RunStarted("a"),
    RunProgressed("a", 100, 1000, 0.5),
    RunStarted("b"),
    Note("a [note]"),
    RunEnded("a", DONE),
    RunEnded("b", FAILED),
    RunStarted("c"),
    RunEnded("c", None),
]


def told_by(progress_of, events=EVENTS):
    """Return what is printed to standard error, which is no terminal here."""
    err = io.StringIO()
    with contextlib.redirect_stderr(err), progress_of() as progress:
        for event in events:
            progress.listen(event)
    return err.getvalue().splitlines()


def test_without_a_terminal_every_end_is_a_line():
    # Of five runs two were done before.
    lines = told_by(lambda: SweepProgress({"a": 1.0, "b": 1.0, "c": 1.0}, 5))
    assert lines == ["a [note]", "[3/5 done] a: solved after 300 steps, 2.5 s", "b failed: the [reason]"]


def test_the_line_of_an_end_says_about_how_long_the_rest_takes(monkeypatch):
    now = 100.0
    monkeypatch.setattr("attnbench.cli.progress.time.monotonic", lambda: now)

    def events():
        nonlocal now
        yield RunStarted("a")
        for name, seconds in (("a", 30.0), ("b", 30.0), ("c", 40.0)):
            now += seconds
            yield RunEnded(name, RunStatus(name, "done", stop_reason="budget", steps=9, seconds=1.0))

    # 30 s for a weight of 1; then 60 s for 3, of 4 and the 5 of the next stage.
    lines = told_by(lambda: SweepProgress({"a": 1.0, "b": 2.0, "c": 1.0}, 3, later_work=5.0), events())
    assert [line.partition("1.0 s")[2] for line in lines] == [
        "; about 4 minutes left",
        "; about 2 minutes left",
        "",
    ]


def test_the_first_seconds_tell_nothing_of_the_rest():
    lines = told_by(lambda: SweepProgress({"a": 1.0, "b": 1e9}, 2), [RunStarted("a"), RunEnded("a", DONE)])
    assert lines == ["[1/2 done] a: solved after 300 steps, 2.5 s"]


def test_a_resumed_run_says_from_where():
    outcome = RunStatus("a", "done", stop_reason="budget", steps=300, resumed_from_step=200, seconds=1.0)
    lines = told_by(lambda: SweepProgress({"a": 1.0}, 1), [RunStarted("a"), RunEnded("a", outcome)])
    assert lines == ["[1/1 done] a: budget after 300 steps, from step 200 on, 1.0 s"]


def test_a_single_run_tells_notes_and_progress_now_and_then(monkeypatch):
    monkeypatch.setattr("attnbench.cli.progress.PLAIN_SECONDS", 0.0)
    assert told_by(TrainProgress, EVENTS[:4]) == ["step 100/1000, validation accuracy 0.500", "a [note]"]


@pytest.mark.parametrize(
    "progress_of", [TrainProgress, lambda: SweepProgress({"a": 1.0, "b": 1.0, "c": 0.0}, 3)]
)
def test_on_a_terminal_the_bars_take_in_every_event(progress_of, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert any("a [note]" in line for line in told_by(progress_of))


def test_the_bar_of_a_run_that_a_second_worker_takes_up_is_not_left_behind():
    progress = SweepProgress({"a": 1.0}, 1)
    for event in (RunStarted("a"), RunStarted("a"), RunEnded("a", DONE)):
        progress.listen(event)
    assert [task.description for task in progress._bar.tasks] == ["all runs"]


def test_nothing_is_printed_where_nothing_happens():
    assert told_by(TrainProgress, []) == []
    assert told_by(lambda: SweepProgress({}, 0), []) == []

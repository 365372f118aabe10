"""Workers that die, hang or talk nonsense: each costs at most a retry of its run, and the sweep goes on."""

import errno
import os
import signal
import sys

import pytest

from attnbench.errors import RefusedError
from attnbench.executors import local, worker
from attnbench.executors.base import (
    Note,
    RunEnded,
    RunProgressed,
    RunStarted,
    StorageRefused,
    WorkOrder,
    from_line,
    to_line,
)
from attnbench.executors.local import Processes
from attnbench.runs.status import RunStatus
from tests.runs.tiny_runs import prepared, tiny_spec

ONE_WORKER = Processes(workers=1, workers_per_gpu=1)
SPEC = tiny_spec()


@pytest.fixture
def worker_that(tmp_path, monkeypatch):
    """Return what puts a shell script in the place of the Python that a worker is started with."""

    def does(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        monkeypatch.setattr(worker.sys, "executable", str(path))

    return does


def execute(runs, should_stop=lambda: False):
    events = []
    folder = prepared(runs, SPEC)
    ONE_WORKER.submit([folder.path], WorkOrder("cpu")).wait(events.append, should_stop)
    return folder, events


def notes(events):
    return [event.text for event in events if isinstance(event, Note)]


@pytest.mark.slow
def test_rubbish_on_standard_output_is_passed_on_and_spoils_no_event(tmp_path, worker_that):
    rubbish = r"""'hello\n\377\376\n5\n{"event": "Note"}\n[]\n{"event"\nhalf a line'"""
    worker_that(f'printf {rubbish}; exec {sys.executable} "$@"')
    folder, events = execute(tmp_path / "runs")
    assert folder.state == "done"
    assert notes(events)[0] == "A worker printed: hello"
    assert len(notes(events)) == 6
    told = [type(event) for event in events if not isinstance(event, Note)]
    assert told == [RunStarted, RunProgressed, RunProgressed, RunEnded]


def test_a_worker_that_dies_as_it_is_given_a_run_is_replaced_once_and_named(tmp_path, worker_that):
    worker_that("exec 0<&-; kill -KILL $$")
    folder, events = execute(tmp_path / "runs")
    assert folder.state == "failed"
    (note,) = notes(events)
    assert note == (
        f"The worker of {SPEC.run_id} was killed by SIGKILL (out of memory?); the run is tried once more."
    )


def test_a_run_that_another_sweep_took_from_a_dead_worker_does_not_count_as_failed(tmp_path, worker_that):
    worker_that("exec 0<&-; kill -KILL $$")
    folder = prepared(tmp_path / "runs", SPEC)
    with folder.claim():
        _, events = execute(tmp_path / "runs")
    assert folder.read_outcome() is None
    assert events[-1] == RunEnded(SPEC.run_id, None)


def test_a_worker_that_dies_in_the_middle_of_a_word_is_a_dead_one(tmp_path, worker_that):
    worker_that("""printf '{"event": "RunProg'; kill -SEGV $$""")
    folder, events = execute(tmp_path / "runs")
    outcome = folder.read_outcome()
    assert outcome is not None
    assert outcome.error == "its worker was killed by SIGSEGV, 2 times"
    assert notes(events)[0] == 'A worker printed: {"event": "RunProg'


def test_a_worker_that_neither_works_nor_listens_is_ended_after_a_request_to_stop(
    tmp_path, worker_that, monkeypatch
):
    monkeypatch.setattr(local, "GRACE_SECONDS", 0.1)
    worker_that("echo $$ > $0.number; kill -STOP $$")
    number_file = tmp_path / "python.number"
    submission = ONE_WORKER.submit([prepared(tmp_path / "runs", SPEC).path], WorkOrder("cpu"))
    with pytest.raises(TimeoutError):
        submission.wait(lambda _: None, stop_that_gives_up(number_file))
    with pytest.raises(ProcessLookupError):
        os.kill(int(number_file.read_text()), signal.SIGCONT)


def test_a_worker_that_does_not_save_when_asked_to_is_waited_for_no_longer_than_the_grace(
    tmp_path, worker_that, monkeypatch
):
    monkeypatch.setattr(local, "GRACE_SECONDS", 0.1)
    worker_that("echo $$ > $0.number; exec sleep 60")
    number_file = tmp_path / "python.number"
    folder, events = execute(tmp_path / "runs", lambda: number_file.exists() and number_file.read_text())
    assert folder.state == "waiting"
    assert notes(events) == [f"The worker of {SPEC.run_id} did not save within 0.1 s, and was ended."]
    assert events[-1] == RunEnded(SPEC.run_id, None)
    with pytest.raises(ProcessLookupError):
        os.kill(int(number_file.read_text()), 0)


class TestTooFewProcesses:
    """The machine starts only so many workers."""

    @pytest.fixture
    def room(self, monkeypatch):
        """Return what leaves room for so many more workers."""
        start = worker.subprocess.Popen

        def leave(count):
            rooms = iter(range(count))

            def start_or_refuse(*words, **options):
                if next(rooms, None) is None:
                    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
                return start(*words, **options)

            monkeypatch.setattr(worker.subprocess, "Popen", start_or_refuse)

        return leave

    @pytest.fixture
    def pair(self, tmp_path):
        return [prepared(tmp_path / "runs", tiny_spec(f"seed={seed}")) for seed in (0, 1)]

    def work(self, folders):
        events = []
        executor = Processes(workers=2, workers_per_gpu=1)
        executor.submit([each.path for each in folders], WorkOrder("cpu")).wait(events.append, lambda: False)
        return notes(events)

    def test_where_there_is_none_the_runs_are_left_and_it_is_said_how_to_help(self, pair, room):
        room(0)
        with pytest.raises(RefusedError, match=r"could not be started: Resource temporarily .* --workers"):
            self.work(pair)
        assert [folder.state for folder in pair] == ["waiting"] * 2

    def test_one_alone_takes_up_all_the_runs(self, pair, room, worker_that):
        room(1)
        # It says of each run that it has ended.
        worker_that("while read order; do echo '" + to_line(RunEnded("a", None)).strip() + "'; done")
        (note,) = self.work(pair)
        assert note.endswith("The runs go on with 1 worker.")

    def test_a_dead_one_that_cannot_be_replaced_leaves_its_run(self, pair, room, worker_that):
        room(1)
        worker_that("exec 0<&-; kill -KILL $$")
        with pytest.raises(RefusedError, match="could not be started"):
            self.work(pair)
        assert [folder.state for folder in pair] == ["waiting"] * 2

    def test_a_process_that_nobody_could_listen_to_is_ended(self, pair, monkeypatch, worker_that):
        started = []

        def refuse(thread):
            started.extend(thread._args)
            raise RuntimeError("can't start new thread")

        worker_that("exec sleep 60")
        monkeypatch.setattr(worker.threading.Thread, "start", refuse)
        with pytest.raises(RefusedError, match="can't start new thread"):
            self.work(pair)
        assert started[0].process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_a_worker_that_somebody_asks_to_leave_costs_no_run_a_try(tmp_path):
    folders = [prepared(tmp_path / "runs", tiny_spec(f"seed={seed}")) for seed in (0, 1)]
    submission = ONE_WORKER.submit([folder.path for folder in folders], WorkOrder("cpu"))
    told = []

    def ask_to_leave_before_the_second_run(event):
        told.extend(notes([event]))
        if isinstance(event, RunEnded) and event.run_id == folders[0].run_id:
            submission.workers[0].process.send_signal(signal.SIGTERM)

    submission.wait(ask_to_leave_before_the_second_run, lambda: False)
    assert [folder.state for folder in folders] == ["done", "done"]
    assert submission.attempts == {}
    assert told == [f"The worker of {folders[1].run_id} was asked to leave; another one takes the run up."]


def stop_that_gives_up(started_file):
    """Return a `should_stop` that raises, as a second Ctrl-C does, once the worker is there."""

    def stop():
        if started_file.exists() and started_file.read_text():
            raise TimeoutError
        return False

    return stop


EVENTS = [
    RunStarted("a"),
    RunProgressed("a", 2, 4, 0.5),
    RunEnded("a", None),
    RunEnded("a", RunStatus("a", "failed", error="why")),
    StorageRefused("a", "The disk refused it."),
    Note("höchst"),
]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_comes_through_a_line_whatever_stands_before_it(event):
    assert from_line(to_line(event)) == event
    assert from_line("half of something" + to_line(event)) == event


def test_half_an_event_is_none():
    line = to_line(RunProgressed("a", 2, 4, 0.5)).rstrip("\n")
    assert all(from_line(line[:end]) is None for end in range(len(line)))


@pytest.mark.parametrize(
    "line",
    ["", "5", "[]", "null", '{"event": []}', '{"event": "Other"}', '{"event": "RunEnded", "outcome": 5}'],
)
def test_other_json_is_no_event(line):
    assert from_line(line) is None

"""Worker processes, seen from the sweep that starts them and from within."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from attnbench.executors import local, worker
from attnbench.executors.base import Note, RunEnded, RunProgressed, RunStarted, WorkOrder
from attnbench.executors.local import Inline, Processes
from attnbench.executors.resources import suitable_workers
from attnbench.runs.folder import RunFolder
from tests.commands import ENDLESS, rows_of, without_times
from tests.runs.tiny_runs import prepared, tiny_spec

ORDER = WorkOrder("cpu")
TWO_WORKERS = Processes(workers=2, workers_per_gpu=4)
SPECS = [
    tiny_spec(f"seed={seed}", f"model={model}") for seed in (0, 1) for model in ("fixed", "luong_general")
]


def never():
    return False


def execute_with(executor, runs, listener, should_stop=never, specs=SPECS):
    folders = [prepared(runs, spec) for spec in specs]
    executor.submit([folder.path for folder in folders], ORDER).wait(listener, should_stop)
    return [RunFolder(folder.path) for folder in folders]


def rows_in(folders):
    return without_times([row for folder in folders for row in rows_of(folder.metrics_file)])


@pytest.mark.slow
def test_workers_give_the_very_rows_and_events_that_inline_gives(tmp_path):
    # At this size and with several threads, sums would come out differently.
    large = tiny_spec(
        "model=luong_general", "model.hidden_size=64", "training.batch_size=64", "task.length=16"
    )
    specs = [*SPECS, large]
    beside, inline = [], []
    folders = execute_with(TWO_WORKERS, tmp_path / "processes", beside.append, specs=specs)
    assert rows_in(folders) == rows_in(
        execute_with(Inline(), tmp_path / "inline", inline.append, specs=specs)
    )
    assert len(rows_in(folders)) == 5
    for folder in folders:
        assert told_of(folder, beside) == told_of(folder, inline)
        assert [type(event) for event in told_of(folder, beside)] == [
            RunStarted,
            RunProgressed,
            RunProgressed,
        ]


def told_of(folder, events):
    """Return the events of a run, but for its end, which says how long it took."""
    return [event for event in events if event.run_id == folder.run_id and not isinstance(event, RunEnded)]


class Murderer:
    """Kills the worker of a run, so many times, as soon as it has made its first progress."""

    def __init__(self, runs, run_id, times):
        self.runs, self.run_id, self.times = runs, run_id, times
        self.events = []
        self.killed = set()

    def __call__(self, event):
        self.events.append(event)
        if isinstance(event, RunProgressed) and event.run_id == self.run_id and len(self.killed) < self.times:
            # Progress of a worker that is dead by now may still come: it was killed once, and counts once.
            holder = holder_of(RunFolder(self.runs / self.run_id))
            if holder not in self.killed:
                self.killed.add(holder)
                os.kill(holder, signal.SIGKILL)

    @property
    def notes(self):
        return [event.text for event in self.events if isinstance(event, Note)]


def holder_of(folder):
    return json.loads(folder.claim_file.read_text())["process"]


# Long enough that the kill comes in the middle of the run.
LONG = tiny_spec("training.steps=1000", "training.evaluate_every=20", "training.patience=100")
NEVER_DONE = tiny_spec(*ENDLESS, "training.evaluate_every=20")


@pytest.mark.slow
def test_the_run_of_a_killed_worker_is_tried_once_more_and_goes_on_from_its_checkpoint(tmp_path):
    murderer = Murderer(tmp_path / "a", LONG.run_id, times=1)
    disturbed = execute_with(TWO_WORKERS, tmp_path / "a", murderer, specs=[LONG, *SPECS])
    assert [folder.state for folder in disturbed] == ["done"] * 5
    outcome = disturbed[0].read_outcome()
    assert outcome is not None
    assert (outcome.resumed_from_step or 0) >= 20
    assert len(murderer.notes) == 1
    for words in (LONG.run_id, "SIGKILL", "once more"):
        assert words in murderer.notes[0]
    undisturbed = execute_with(Inline(), tmp_path / "b", lambda _: None, specs=[LONG])
    assert rows_in(disturbed[:1]) == rows_in(undisturbed)


@pytest.mark.slow
def test_a_run_whose_workers_are_killed_twice_has_failed_and_the_others_finish(tmp_path):
    murderer = Murderer(tmp_path, NEVER_DONE.run_id, times=2)
    folders = execute_with(TWO_WORKERS, tmp_path, murderer, specs=[NEVER_DONE, *SPECS])
    assert [folder.state for folder in folders] == ["failed"] + ["done"] * 4
    outcome = folders[0].read_outcome()
    assert outcome is not None
    assert "was killed by SIGKILL (out of memory?), 2 times" in (outcome.error or "")


@pytest.mark.slow
def test_a_request_to_stop_saves_the_runs_in_flight_and_begins_no_other(tmp_path):
    started = []

    def listen(event):
        if isinstance(event, RunStarted):
            started.append(event.run_id)

    endless = [tiny_spec(f"seed={seed}", *ENDLESS) for seed in range(3)]
    folders = execute_with(TWO_WORKERS, tmp_path, listen, lambda: len(started) == 2, endless)
    assert len(started) == 2
    assert sorted(folder.state for folder in folders) == ["interrupted", "interrupted", "waiting"]


def test_workers_that_cannot_even_begin_fail_their_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(worker.sys, "executable", "/bin/false")
    events = []
    folders = execute_with(TWO_WORKERS, tmp_path, events.append, specs=SPECS[:2])
    assert [folder.state for folder in folders] == ["failed", "failed"]
    outcome = folders[0].read_outcome()
    assert outcome is not None
    assert outcome.error == "its worker died with status 1, 2 times"


def test_what_is_meant_for_the_sweep_does_not_reach_a_worker_that_is_only_starting():
    with worker.signals_held_back():
        asked = subprocess.run(
            [sys.executable, "-c", "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert "SIGINT" in asked.stdout
    assert "SIGHUP" in asked.stdout
    assert "SIGUSR2" in asked.stdout
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGUSR2])
def test_what_is_meant_for_the_sweep_leaves_a_worker_at_its_run(tmp_path, number):
    events = []

    def signal_on_progress(event):
        events.append(event)
        if isinstance(event, RunProgressed):
            os.kill(holder_of(RunFolder(tmp_path / SPECS[0].run_id)), number)

    (folder,) = execute_with(TWO_WORKERS, tmp_path, signal_on_progress, specs=SPECS[:1])
    assert folder.state == "done"
    assert not any(isinstance(event, Note) for event in events)


def test_there_are_as_many_workers_as_suit_the_machine_unless_somebody_says_otherwise():
    assert replace(TWO_WORKERS, workers=None).submit([], ORDER).worker_count == suitable_workers()
    assert replace(TWO_WORKERS, workers=7).submit([], ORDER).worker_count == 7


def test_gpus_are_shared_by_a_few_workers_each(monkeypatch):
    monkeypatch.setattr(local, "_count_gpus", lambda device: ["0", "3"])
    submission = replace(TWO_WORKERS, workers=None).submit([], WorkOrder("cuda"))
    assert submission.worker_count == 8
    assert submission.environments == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "3"}]


WORKER = [sys.executable, "-m", "attnbench.executors.worker"]


def order(folder):
    values = {"run_folder": str(folder.path), "device": "cpu", "command": "attnbench", "trunks": {}}
    return json.dumps({**values, "writes_events": False}) + "\n"


def test_a_worker_without_work_leaves_at_once():
    finished = subprocess.run(WORKER, input="", capture_output=True, text=True, timeout=60, check=False)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


@pytest.mark.slow
def test_a_worker_executes_its_orders_and_tells_every_event(tmp_path):
    folders = [prepared(tmp_path, tiny_spec(f"seed={seed}")) for seed in (0, 1)]
    with subprocess.Popen(WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write("".join(map(order, folders)))
        worker.stdin.flush()
        events = [json.loads(worker.stdout.readline()) for _ in range(8)]
        worker.stdin.close()
        assert worker.wait(60) == 0
    told = ["RunStarted", "RunProgressed", "RunProgressed", "RunEnded"]
    assert [event["event"] for event in events] == told * 2
    assert [event["run_id"] for event in events] == [folders[0].run_id] * 4 + [folders[1].run_id] * 4
    assert [event["step"] for event in events if event["event"] == "RunProgressed"] == [2, 4, 2, 4]
    assert [folder.state for folder in folders] == ["done", "done"]


@pytest.mark.slow
def test_a_run_whose_sweep_was_killed_is_saved_and_has_not_failed(tmp_path):
    folder = prepared(tmp_path, tiny_spec(*ENDLESS, "training.evaluate_every=1"))
    with subprocess.Popen(WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(order(folder))
        worker.stdin.flush()
        while json.loads(worker.stdout.readline())["event"] != "RunProgressed":
            pass
        # What a killed sweep leaves of its pipes: nobody reads and nobody writes any more.
        worker.stdout.close()
        worker.stdin.close()
        assert worker.wait(20) == 0
    assert RunFolder(folder.path).state == "interrupted"
    assert not folder.error_file.exists()


def test_one_worker_makes_the_branches_of_a_trunk_although_another_is_free(tmp_path):
    specs = [tiny_spec("training.warmup_steps=1", f"training.steps={steps}") for steps in (4, 8, 16)]
    folders = [prepared(tmp_path, spec) for spec in (*specs, tiny_spec("seed=9"))]
    order = replace(ORDER, trunks={folder.run_id: "trunk" for folder in folders[:3]})
    submission = TWO_WORKERS.submit([folder.path for folder in folders], order)
    submission.wait(lambda _: None, never)
    outcomes = [RunFolder(folder.path).read_outcome() for folder in folders]
    assert [outcome.resumed_from_step for outcome in outcomes] == [None, 3, 6, None]


def test_a_branch_follows_where_the_worker_of_its_trunk_has_died(tmp_path):
    specs = [tiny_spec("training.warmup_steps=1", f"training.steps={steps}") for steps in (400, 800)]
    folders = [prepared(tmp_path, spec) for spec in specs]
    order = replace(ORDER, trunks={folder.run_id: "trunk" for folder in folders})
    submission = TWO_WORKERS.submit([folder.path for folder in folders], order)
    killed = []

    def kill_once(event):
        if isinstance(event, RunProgressed) and not killed:
            [killing] = [each for each in submission.workers.values() if each.run_folder is not None]
            killed.append(killing.process.pid)
            os.kill(killing.process.pid, signal.SIGKILL)

    submission.wait(kill_once, never)
    assert killed
    outcomes = [RunFolder(folder.path).read_outcome() for folder in folders]
    assert [outcome.state for outcome in outcomes] == ["done", "done"]
    assert outcomes[1].resumed_from_step == min(300, outcomes[0].steps)

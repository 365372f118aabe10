"""Two sweeps at once on one folder of one host divide the work, and what a killed one leaves is taken over."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from attnbench.runs import io
from attnbench.runs.folder import RunFolder
from attnbench.runs.spec import PlannedRun
from attnbench.runs.store import RunStore
from attnbench.sweeps.run import prepare
from tests.commands import rows_of, run_folders, started, without_times
from tests.faults.carrying_on import FOLDER, LONG_RUNS, complete
from tests.faults.writes import Write, halves_in, killing_environment
from tests.runs.tiny_runs import finish, tiny_spec

SWEEPS = 8
COUNTED = '''"""A task that notes when a worker comes to a tenth step; a sweep itself only measures."""
import sys
from dataclasses import dataclass
from pathlib import Path
from attnbench.tasks.symbols import Reverse

@dataclass(frozen=True, kw_only=True)
class Counted(Reverse):
    """Write the source backwards."""

    def training_batch(self, seed, step, batch_size, lengths):
        if step == 9 and sys.modules["__main__"].__spec__.name == "attnbench.executors.worker":
            with Path(__file__).with_name("begun.txt").open("a") as file:
                file.write(f"{lengths.minimum}\\n")
        return super().training_batch(seed, step, batch_size, lengths)
'''


BESIDE = (*LONG_RUNS, "--no-plot", "--executor", "processes", "--workers", "1", "--results")


def at_once(act):
    """Do something so many times at the very same moment."""
    begin = threading.Barrier(SWEEPS)

    def wait_and_act(number):
        begin.wait()
        return act(number)

    with ThreadPoolExecutor(SWEEPS) as pool:
        return list(pool.map(wait_and_act, range(SWEEPS)))


def test_no_invocation_is_lost_to_another_that_comes_at_once(tmp_path):
    at_once(lambda number: RunStore(tmp_path / "sweep").record_invocation({"command": number}))
    commands = [each["command"] for each in RunStore(tmp_path / "sweep").invocations()]
    assert sorted(commands) == list(range(SWEEPS))


def test_no_length_is_lost_to_another_sweep_that_comes_at_once(tmp_path):
    spec = tiny_spec("train_range=[2,12]")

    def plan(number):
        planned = [PlannedRun(spec, (2 + number,))]
        prepare(RunStore(tmp_path), planned, lambda note: pytest.fail(note))

    at_once(plan)
    assert RunStore(tmp_path).folder(spec.run_id).requested_lengths == list(range(2, 2 + SWEEPS))


def test_a_run_that_is_being_evaluated_at_more_lengths_is_not_taken_for_damaged(tmp_path, monkeypatch):
    spec = tiny_spec("train_range=[2,5]")
    folder = RunStore(tmp_path).folder(spec.run_id)
    folder.prepare(spec.to_values(), [2])
    finish(folder)
    compare = io.is_unchanged

    def compare_after_the_other_has_finished(*arguments):
        monkeypatch.undo()
        other = RunFolder(folder.path)
        other.prepare(spec.to_values(), [5])
        finish(other)
        return compare(*arguments)

    monkeypatch.setattr("attnbench.runs.status.is_unchanged", compare_after_the_other_has_finished)
    assert folder.find_damage() is None
    assert [row["length"] for row in rows_of(folder.metrics_file)] == ["2", "5"]


@pytest.mark.slow
def test_two_sweeps_at_once_share_the_work_and_do_no_run_twice(results, tmp_path):
    own = tmp_path / "own"
    (own / "task").mkdir(parents=True)
    (own / "counted_task.py").write_text(COUNTED)
    (own / "task" / "counted.yaml").write_text(
        "_target_: counted_task.Counted\nvocabulary_size: 8\neos: false\n"
    )
    words = (*BESIDE, results, "--config-dir", own, "--task", "counted")
    with started(*words) as one, started(*words) as other:
        errs = [process.communicate(timeout=300)[1] for process in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), errs
    assert sorted((own / "begun.txt").read_text().split()) == ["2", "3"]
    folder = results / "quick-counted"
    assert len(rows_of(folder / "metrics.csv")) == 2
    assert len(RunStore(folder).invocations()) == 2
    assert halves_in(folder) == []


@pytest.mark.slow
def test_the_run_of_a_killed_sweep_and_worker_is_taken_over_by_the_other(results, tmp_path, monkeypatch):
    words = (*BESIDE, results)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in killing_environment(Write("checkpoint.pt", 3, "after"), "both", tmp_path).items():
            patch.setenv(name, value)
        doomed = started(*words)
        dying = doomed.__enter__()
    with started(*words) as other:
        _, err = other.communicate(timeout=300)
    dying.communicate(timeout=60)
    doomed.__exit__(None, None, None)
    assert (dying.returncode, other.returncode) == (-9, 0), err
    assert "Traceback" not in err
    resumed = [
        json.loads((run / "status.json").read_text())["resumed_from_step"]
        for run in run_folders(results / FOLDER)
    ]
    assert 60 in resumed
    assert halves_in(results / FOLDER) == []
    rows = without_times(rows_of(results / FOLDER / "metrics.csv"))
    shutil.rmtree(results)
    complete((*LONG_RUNS, "--executor", "inline"), results)
    assert rows == without_times(rows_of(results / FOLDER / "metrics.csv"))

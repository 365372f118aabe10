"""What TensorBoard reads of a run is what stands in its train.csv, whatever came in between."""

import errno
import os
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from attnbench.errors import InterruptedRunError, StorageError
from attnbench.executors.base import WorkOrder
from attnbench.executors.local import Processes
from attnbench.executors.slurm.job import RunBundle, StopSignal
from attnbench.runs.execute import Execution, execute
from attnbench.runs.folder import RunFolder
from attnbench.runs.tensorboard import complete_events, tag_of
from tests.commands import TINY, TINY_SWEEP, attnbench, contents, rows_of, run_folders
from tests.runs.tiny_runs import executed, prepared, tiny_spec

SPEC = tiny_spec()
TRAIN = ("train", *TINY, "task.length=3")
COLUMNS = ("loss_nats", "learning_rate", "tokens_per_second", "validation_nats", "validation_token_accuracy")


@pytest.fixture
def accumulator():
    """Read a folder as TensorBoard does; reload it, and it reads on."""
    reason = "tensorboard is not installed: pip install 'attnbench[tensorboard]'"
    module = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason=reason, exc_type=ImportError
    )
    return lambda path: module.EventAccumulator(str(path / "tensorboard")).Reload()


def carry_on(folder: RunFolder, asked: int | None = None, **how) -> None:
    """Execute a run with event files, and stop it once it has asked so many times."""
    remaining = iter([False] * 10**6 if asked is None else [False] * asked)
    execution = Execution("cpu", should_stop=lambda: next(remaining, True), **{"writes_events": True, **how})
    if asked is None:
        assert execute(RunFolder(folder.path), execution).state == "done"
    else:
        with pytest.raises(InterruptedRunError):
            execute(RunFolder(folder.path), execution)


def check_events(read, path: Path) -> None:
    """See that the events are the rows of train.csv, each once and in their order."""
    rows = rows_of(path / "train.csv")
    assert sorted(read.Tags()["scalars"]) == sorted(tag_of(name) for name in rows[0] if name != "step")
    for column in set(rows[0]) - {"step"}:
        events = read.Scalars(tag_of(column))
        assert [event.step for event in events] == [int(row["step"]) for row in rows], column
        # TensorBoard has numbers of 32 bits.
        assert [event.value for event in events] == [float(np.float32(row[column])) for row in rows], column


def test_events_are_the_rows_of_train_csv(tmp_path, accumulator):
    folder = prepared(tmp_path, SPEC)
    carry_on(folder)
    assert len(rows_of(folder.train_file)) == 2
    assert set(COLUMNS) <= set(rows_of(folder.train_file)[0])
    check_events(accumulator(folder.path), folder.path)


def test_columns_measured_on_validation_data_are_drawn_together():
    assert tag_of("validation_token_accuracy") == "validation/token_accuracy"
    assert tag_of("loss_nats") == "training/loss_nats"


@pytest.mark.parametrize("asked", [0, 1, 2, 3])
def test_a_run_that_is_stopped_and_resumed_has_each_step_once(tmp_path, accumulator, asked):
    folder = prepared(tmp_path, SPEC)
    carry_on(folder, asked)
    carry_on(folder)
    assert len(folder.event_files()) == 1
    check_events(accumulator(folder.path), folder.path)


def test_what_a_killed_run_wrote_beyond_its_checkpoint_goes(tmp_path, accumulator):
    folder = prepared(tmp_path, SPEC)
    carry_on(folder, 3)
    checkpoint, train = folder.checkpoint_file.read_bytes(), folder.train_file.read_bytes()
    carry_on(folder)
    folder.status_file.unlink()
    folder.checkpoint_file.write_bytes(checkpoint)
    folder.train_file.write_bytes(train)
    carry_on(folder, 0)
    check_events(accumulator(folder.path), folder.path)
    assert len(rows_of(folder.train_file)) == 1
    carry_on(folder)
    check_events(accumulator(folder.path), folder.path)


def test_a_tensorboard_that_stays_open_shows_each_step_once(tmp_path, accumulator):
    folder = prepared(tmp_path, SPEC)
    carry_on(folder, 3)
    shown = accumulator(folder.path)
    check_events(shown, folder.path)
    time.sleep(1 - time.time() % 1)  # the second is in a file's name, and files are read in that order
    carry_on(folder)
    check_events(shown.Reload(), folder.path)


def test_time_goes_on_as_if_trained_in_one_go(tmp_path, accumulator):
    folder = prepared(tmp_path, SPEC)
    carry_on(folder, 3)
    carry_on(folder)
    times = [event.wall_time for event in accumulator(folder.path).Scalars("training/loss_nats")]
    first, last = (float(row["train_seconds"]) for row in rows_of(folder.train_file))
    assert times[1] - times[0] == pytest.approx(last - first, abs=1e-4)


def test_a_branch_has_the_rows_of_its_trunk(tmp_path, accumulator):
    specs = [tiny_spec("training.warmup_steps=1", f"training.steps={steps}") for steps in (4, 8)]
    folders = [prepared(tmp_path, spec) for spec in specs]
    for folder in folders:
        carry_on(folder, shares_trunk=True)
    assert folders[1].read_outcome().resumed_from_step == 3
    check_events(accumulator(folders[1].path), folders[1].path)


def test_a_finished_run_is_completed_from_its_train_csv(tmp_path, accumulator):
    folder = executed(tmp_path, SPEC)
    assert not folder.tensorboard_path.exists()
    complete_events([folder])
    check_events(accumulator(folder.path), folder.path)


def test_a_run_that_was_carried_on_without_is_completed(tmp_path, accumulator):
    folder = prepared(tmp_path, SPEC)
    carry_on(folder, 3)
    carry_on(folder, writes_events=False)
    complete_events([folder])
    check_events(accumulator(folder.path), folder.path)


def test_events_that_are_whole_are_left_alone(tmp_path, accumulator):
    folder = prepared(tmp_path, SPEC)
    carry_on(folder)
    before = contents(folder.tensorboard_path)
    complete_events([folder])
    assert contents(folder.tensorboard_path) == before


def test_a_run_that_begins_anew_loses_its_events_and_nothing_else(tmp_path, accumulator):
    folder = prepared(tmp_path, SPEC)
    carry_on(folder)
    own = folder.tensorboard_path / "notes.txt"
    own.write_text("mine")
    folder.discard()
    assert folder.event_files() == []
    assert own.read_text() == "mine"


@pytest.mark.parametrize("place", ["flush", "__init__"])
def test_a_disk_that_refuses_an_event_costs_no_run(tmp_path, accumulator, monkeypatch, place):
    from torch.utils.tensorboard import SummaryWriter

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = prepared(tmp_path, SPEC)
    with monkeypatch.context() as full:
        full.setattr(SummaryWriter, place, refuse)
        with pytest.raises(StorageError, match="Make room"):
            execute(folder, Execution("cpu", writes_events=True))
    assert not folder.has_ended
    carry_on(folder)
    check_events(accumulator(folder.path), folder.path)


def test_workers_and_jobs_of_a_cluster_write_events_too(tmp_path, accumulator):
    folders = [prepared(tmp_path / "runs", tiny_spec(f"seed={seed}")) for seed in range(2)]
    order = WorkOrder("cpu", writes_events=True)
    processes = Processes(workers=1, workers_per_gpu=1)
    processes.submit([folders[0].path], order).wait(lambda _: None, lambda: False)
    bundle = RunBundle((str(folders[1].path),), "cpu", None, writes_events=True)
    pickle.loads(pickle.dumps(bundle))._execute(StopSignal())
    for folder in folders:
        check_events(accumulator(folder.path), folder.path)


def test_the_option_changes_no_run(tmp_path, accumulator):
    words = (*TINY_SWEEP, "--models", "fixed", "--results")
    assert attnbench(*words, tmp_path / "without").status == 0
    finished = attnbench(*words, tmp_path / "with", "--tensorboard")
    assert finished.status == 0, finished.err
    assert f"tensorboard --logdir {tmp_path / 'with' / 'quick-reverse' / 'runs'}" in finished.err
    without, with_events = (run_folders(tmp_path / name / "quick-reverse") for name in ("without", "with"))
    assert [path.name for path in without] == [path.name for path in with_events]
    for before, after in zip(without, with_events, strict=True):
        assert (before / "spec.yaml").read_bytes() == (after / "spec.yaml").read_bytes()
        assert not (before / "tensorboard").exists()
        check_events(accumulator(after), after)


def test_train_says_how_to_watch_its_run(tmp_path, accumulator):
    finished = attnbench(*TRAIN, "--results", tmp_path, "--tensorboard")
    assert f"To watch: tensorboard --logdir {tmp_path / 'train' / 'runs'}" in finished.err
    (run,) = run_folders(tmp_path / "train")
    check_events(accumulator(run), run)


@pytest.mark.parametrize("command", [TRAIN, TINY_SWEEP])
def test_the_same_command_with_the_option_completes_what_is_finished(tmp_path, accumulator, command):
    for more in ([], ["--tensorboard"]):
        assert attnbench(*command, "--results", tmp_path, *more).status == 0
    (sweep,) = tmp_path.iterdir()
    for path in run_folders(sweep):
        check_events(accumulator(path), path)


@pytest.mark.parametrize("command", [TRAIN, TINY_SWEEP, (*TINY_SWEEP, "--dry-run")])
def test_a_missing_package_is_named_with_what_installs_it(tmp_path, monkeypatch, command):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    finished = attnbench(*command, "--tensorboard", "--results", tmp_path / "results")
    assert finished.status == 2
    assert "pip install 'attnbench[tensorboard]'" in finished.err
    assert "Traceback" not in finished.err
    assert list(tmp_path.iterdir()) == []

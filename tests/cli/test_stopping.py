"""Ctrl-C, SIGTERM and a closed terminal at any moment: what is finished is kept, and the same command carries on."""

import json
import signal
import time

import pytest

from attnbench.cli import stopping
from attnbench.cli.stopping import stop_on_signals
from attnbench.runs import execute
from tests.commands import (
    TINY,
    TINY_SWEEP,
    attnbench,
    modification_times,
    rows_of,
    run_folders,
    started,
    without_times,
)
from tests.executors.fake_slurm import install
from tests.faults.waiting import checkpoints, wait_for

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
HANG_UP = (signal.SIGHUP, 129)  # of a terminal that is closed
# Long enough to be met in the middle: some seconds.
LONG = (
    "training.steps=600",
    "training.evaluate_every=20",
    "training.patience=1000",
    "training.solved_accuracy=1",
)
TRAIN = ("train", *TINY, *LONG, "task.length=3", "--results")


def end_at_once(*_):
    raise KeyboardInterrupt


def signalled_twice(number, status):
    with stop_on_signals() as stop:
        assert (stop(), stop.exit_status) == (False, 0)
        signal.raise_signal(number)
        assert (stop(), stop.exit_status) == (True, status)
        signal.raise_signal(number)
    return stop


@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_the_first_signal_asks_and_the_second_ends(number, status, monkeypatch):
    monkeypatch.setattr(stopping, "TOGETHER_SECONDS", 0)
    before = signal.signal(number, end_at_once)
    try:
        with pytest.raises(KeyboardInterrupt):
            signalled_twice(number, status)
        assert signal.getsignal(number) is end_at_once
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_a_signal_that_ends_sbatch_too_is_not_taken_for_its_refusal(number, status, tmp_path, monkeypatch):
    # A terminal and `timeout` signal the whole group of processes.
    sbatch = install(tmp_path / "bin", monkeypatch).folder / "sbatch"
    signalled = f'case "$*" in *--test-only*) ;; *) kill -{number:d} $PPID; exit {status} ;; esac'
    sbatch.write_text(f"#!/bin/sh\n{signalled}\n")
    finished = attnbench(*TINY_SWEEP, "--executor", "slurm", "--results", tmp_path / "results")
    assert finished.status == status, finished.err
    assert "4 of 4 runs are left; the same command carries on." in finished.err


@pytest.mark.parametrize(("number", "status"), [*SIGNALS, HANG_UP])
def test_the_same_signal_twice_at_once_asks_and_ends_nothing(number, status):
    # As `timeout` sends it: to the process, and then to its whole group.
    assert signalled_twice(number, status).exit_status == status


def test_a_shell_that_passes_on_the_end_of_its_terminal_ends_nothing(monkeypatch):
    monkeypatch.setattr(stopping, "TOGETHER_SECONDS", 0)
    assert signalled_twice(*HANG_UP).exit_status == 129


def test_the_end_of_a_terminal_that_nohup_has_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
        assert not stop()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture
def interrupt_at(monkeypatch):
    """Return what makes the signal come as the state of a run is saved for the n-th time."""

    def arrange(number: int, save: int) -> None:
        saves = iter(range(1, 1000))

        def save_and_signal(*arguments):
            right(*arguments)
            if next(saves) == save:
                signal.raise_signal(number)

        right = execute._save
        monkeypatch.setattr(execute, "_save", save_and_signal)

    return arrange


@pytest.mark.parametrize(("number", "status"), [*SIGNALS, HANG_UP])
def test_an_interrupted_run_is_carried_on_with(results, tmp_path, interrupt_at, number, status):
    words = ("train", *TINY, "task.length=3", "--results")
    interrupt_at(number, save=1)
    first = attnbench(*words, results)
    assert (first.status, first.out) == (status, "")
    assert "the same command carries on" in first.err
    second = attnbench(*words, results)
    assert second.status == 0
    (run,) = run_folders(results / "train")
    assert json.loads((run / "status.json").read_text())["resumed_from_step"] == 2
    assert attnbench(*words, tmp_path / "undisturbed").out == second.out


def test_an_interrupted_run_is_one_json_document(results, interrupt_at):
    interrupt_at(signal.SIGINT, save=1)
    finished = attnbench("train", *TINY, "task.length=3", "--results", results, "--json")
    assert (finished.status, finished.json["state"], finished.json["metrics"]) == (130, "interrupted", [])


@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_an_interrupted_sweep_keeps_what_is_finished_and_is_carried_on_with(
    swept, tmp_path, interrupt_at, number, status
):
    words = (*TINY_SWEEP, "--results", tmp_path / "disturbed")
    folder = tmp_path / "disturbed" / "quick-reverse"
    interrupt_at(number, save=3)  # in the middle of the second run
    first = attnbench(*words)
    assert first.status == status
    assert "3 of 4 runs are left; the same command carries on." in first.err
    assert len(rows_of(folder / "metrics.csv")) == 1
    done = {run.name for run in run_folders(folder) if (run / "status.json").exists()}
    before = {name: (folder / "runs" / name / "status.json").stat().st_mtime_ns for name in done}
    assert attnbench(*words).status == 0
    after = modification_times(folder)
    assert {name: after[name] for name in before} == before
    assert without_times(rows_of(folder / "metrics.csv")) == without_times(rows_of(swept / "metrics.csv"))


def test_an_interrupted_sweep_is_one_json_document(results, interrupt_at):
    interrupt_at(signal.SIGTERM, save=3)
    finished = attnbench(*TINY_SWEEP, "--results", results, "--json")
    assert finished.status == 143
    assert (len(finished.json["done"]), len(finished.json["unfinished"])) == (1, 3)


def test_rates_are_chosen_once_the_interrupted_runs_of_the_grid_have_ended(results, interrupt_at):
    words = (*TINY_SWEEP, "--models", "fixed", "--tune-rates", "1e-3,1e-2", "--results", results)
    folder = results / "quick-reverse"
    interrupt_at(signal.SIGTERM, save=3)
    first = attnbench(*words, "--json")
    assert (first.status, first.json["files"]) == (143, [])
    assert (len(first.json["done"]), len(first.json["unfinished"])) == (1, 3)
    assert "No rate is chosen before all of these runs have ended" in first.err
    assert not (folder / "tuning.csv").exists()
    assert attnbench(*words).status == 0
    tried = {(row["train_max_length"], row["learning_rate"]) for row in rows_of(folder / "tuning.csv")}
    assert {(length, rate) for length in "23" for rate in ("0.001", "0.01")} <= tried
    assert len(rows_of(folder / "metrics.csv")) == 2


def test_a_sweep_that_is_interrupted_beyond_the_edge_of_its_grid_finds_the_same_runs_again(
    results, tmp_path, interrupt_at
):
    words = (*TINY_SWEEP, "--models", "fixed", "--tune-rates", "1e-3,1e-2")
    whole, folder = tmp_path / "whole" / "quick-reverse", results / "quick-reverse"
    assert attnbench(*words, "--results", whole.parent).status == 0
    # Each run saves twice, so this is in the middle of the second of those beyond the edge.
    interrupt_at(signal.SIGTERM, save=2 * (4 + 1) + 1)
    first = attnbench(*words, "--results", results, "--json")
    assert (len(first.json["done"]), len(first.json["unfinished"])) == (4 + 1, 1)
    done = [each.name for each in run_folders(folder) if (each / "status.json").exists()]
    before = {name: (folder / "runs" / name / "status.json").stat().st_mtime_ns for name in done}
    assert attnbench(*words, "--results", results).status == 0
    after = modification_times(folder)
    assert {name: after[name] for name in before} == before
    assert after.keys() == modification_times(whole).keys()
    assert rows_of(folder / "tuning.csv") == rows_of(whole / "tuning.csv")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_a_process_in_the_middle_of_a_run_saves_and_leaves(results, tmp_path, number, status):
    with started(*TRAIN, results) as process:
        wait_for(lambda: checkpoints(results / "train"))
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (status, "")
    assert "Saving what has been done" in err
    assert "Traceback" not in err
    second = attnbench(*TRAIN, results)
    assert second.status == 0
    (run,) = run_folders(results / "train")
    assert json.loads((run / "status.json").read_text())["resumed_from_step"] >= 20
    assert attnbench(*TRAIN, tmp_path / "undisturbed").out == second.out


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [*SIGNALS, HANG_UP])
def test_a_signal_during_start_up_writes_nothing(results, number, status):
    with started(*TRAIN, results) as process:
        time.sleep(0.5)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in err
    assert not results.exists()

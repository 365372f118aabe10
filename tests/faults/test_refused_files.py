"""A disk that refuses a file: no run has failed, it is named once, and the same command carries on."""

import errno
import os

import pytest

from attnbench.runs.folder import RunFolder
from tests.commands import attnbench, contents, rows_of, run_folders
from tests.faults.carrying_on import FOLDER, TRAIN, TWO_RUNS, carry_on, complete
from tests.faults.writes import Write, at_write, halves_in

FAULTS = ["EDQUOT", "EROFS", "EIO", "ESTALE"]  # all of them: tests/runs/test_files.py
FILES = ["train.csv", "checkpoint.pt", "environment.json", "metrics.csv", "status.json"]


@pytest.fixture
def refusing(monkeypatch):
    """Return what makes the disk refuse all that is written from a given write on, until it is mended."""

    def refuse_from(write, number=errno.ENOSPC):
        def refuse(_):
            monkeypatch.setattr(os, "fsync", refused)
            refused(None)

        def refused(_):
            raise OSError(number, os.strerror(number))

        at_write(monkeypatch, write, refuse)
        return monkeypatch.undo

    return refuse_from


def check_refused(finished, name, number):
    """Check that a command ended as it must where the disk refused a file."""
    assert finished.status == 1, finished.err
    assert "Traceback" not in finished.err
    assert finished.err.count(os.strerror(number)) == 1
    last = finished.err.splitlines()[-1]
    assert last.startswith("attnbench: The disk refused ")
    assert f"{name}: {os.strerror(number)}. " in last
    assert last.endswith(", then repeat the command.")


@pytest.mark.parametrize("name", FILES)
def test_a_sweep_that_cannot_write_a_file_of_its_second_run(results, expected, refusing, name):
    saves = 2 if name in ("train.csv", "checkpoint.pt") else 1
    mend = refusing(Write(name, saves + 1))
    finished = attnbench(*TWO_RUNS, "--no-plot", "--results", results)
    check_refused(finished, name, errno.ENOSPC)
    assert "1 of 2 runs are left; the same command carries on." in finished.err
    states = [RunFolder(path).state for path in run_folders(results / FOLDER)]
    assert sorted(states) in (["done", "interrupted"], ["done", "waiting"])
    mend()
    assert halves_in(results / FOLDER) == []
    carry_on(results, expected)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_such_fault_is_alike(results, expected, refusing, fault):
    number = getattr(errno, fault)
    mend = refusing(Write("checkpoint.pt", 2), number)
    check_refused(attnbench(*TWO_RUNS, "--no-plot", "--results", results), "checkpoint.pt", number)
    assert [RunFolder(path).read_outcome() for path in run_folders(results / FOLDER)] == [None, None]
    mend()
    assert "from step 2 on" in carry_on(results, expected).err


@pytest.mark.parametrize("name", ["sweep.yaml", "spec.yaml", "evaluation.json"])
def test_a_sweep_that_cannot_even_begin(results, expected, refusing, name):
    mend = refusing(Write(name))
    check_refused(attnbench(*TWO_RUNS, "--no-plot", "--results", results), name, errno.ENOSPC)
    mend()
    carry_on(results, expected)


@pytest.mark.parametrize("name", ["metrics.csv", "curve.csv", "accuracy_vs_length.png"])
def test_merged_tables_and_figures_that_cannot_be_written(results, expected, refusing, name):
    mend = refusing(Write(name, 3 if name == "metrics.csv" else 1))
    finished = attnbench(*TWO_RUNS, "--results", results)
    check_refused(finished, name, errno.ENOSPC)
    assert "Not everything could be written; the same command carries on." in finished.err
    mend()
    carry_on(results, expected)


def test_the_refusal_is_in_the_one_json_document(results, refusing):
    refusing(Write("checkpoint.pt", 2))
    sweep = attnbench(*TWO_RUNS, "--no-plot", "--json", "--results", results)
    assert (sweep.status, len(sweep.json["unfinished"]), sweep.json["failed"]) == (1, 2, {})
    assert "No space left on device" in sweep.json["refused"]


@pytest.mark.parametrize("name", FILES)
def test_a_train_that_cannot_write(results, tmp_path, refusing, name):
    mend = refusing(Write(name, 2 if name in ("train.csv", "checkpoint.pt") else 1))
    finished = attnbench(*TRAIN, "--results", results)
    check_refused(finished, name, errno.ENOSPC)
    assert "The run is not finished; the same command carries on." in finished.err
    mend()
    assert complete(TRAIN, results).out == complete(TRAIN, tmp_path / "undisturbed").out


def test_a_train_refused_with_json(results, refusing):
    refusing(Write("metrics.csv"))
    finished = attnbench(*TRAIN, "--json", "--results", results)
    assert (finished.status, finished.json["state"], finished.json["error"]) == (1, "interrupted", None)
    assert "metrics.csv: No space left on device" in finished.json["refused"]


def test_a_run_that_fails_by_itself_on_a_full_disk_is_not_recorded_either(results, monkeypatch, refusing):
    monkeypatch.setattr("attnbench.runs.execute.metrics_row", None)
    refusing(Write("error.txt"))
    check_refused(attnbench(*TRAIN, "--results", results), "error.txt", errno.ENOSPC)
    (run,) = run_folders(results / "train")
    assert RunFolder(run).state == "interrupted"


def test_a_refusal_shows_its_traceback_when_that_is_asked_for(results, refusing):
    refusing(Write("checkpoint.pt"))
    assert "Traceback" in attnbench(*TRAIN, "--debug", "--results", results).err


@pytest.mark.parametrize("command", ["plot", "status", "inspect"])
def test_a_finished_run_that_cannot_be_read_is_not_taken_for_damaged(results, monkeypatch, command):
    complete(TWO_RUNS, results)
    before = contents(results)
    run = run_folders(results / FOLDER)[0]
    named = run if command == "inspect" else FOLDER

    def fail(path):
        if path.name == "status.json":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(path)

    read = type(run).read_bytes
    monkeypatch.setattr("pathlib.Path.read_bytes", fail)
    words = (named, "--results", results)
    check_refused(attnbench(command, *words), "status.json", errno.EIO)
    again = attnbench(*TWO_RUNS, "--no-plot", "--results", results)
    check_refused(again, "status.json", errno.EIO)
    monkeypatch.undo()
    assert {name: before[name] for name in before if "/runs/" in name} == {
        name: data for name, data in contents(results).items() if "/runs/" in name
    }


def test_plot_on_a_disk_that_takes_its_table_but_not_its_figure(results, tmp_path, refusing):
    complete(TWO_RUNS, results)
    refusing(Write("accuracy_vs_length.png"))
    out = tmp_path / "out"
    check_refused(
        attnbench("plot", FOLDER, "--results", results, "--out", out),
        "accuracy_vs_length.png",
        errno.ENOSPC,
    )
    assert halves_in(out) == []
    assert rows_of(out / "curve.csv")

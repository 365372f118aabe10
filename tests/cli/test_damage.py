"""A damaged file of a run is named, that run alone is repeated, and ends in the rows that it had."""

import pytest
import yaml

from attnbench.sweeps import run as sweep_run
from tests.commands import (
    MIXED_SWEEP,
    TINY,
    TINY_SWEEP,
    attnbench,
    modification_times,
    rows_of,
    run_folders,
    without_times,
)

FILES = ["checkpoint.pt", "spec.yaml", "metrics.csv", "status.json"]


def truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip_a_bit(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [truncate, flip_a_bit])
def test_a_sweep_names_the_file_and_repeats_that_run_alone(swept, name, damage):
    before, rows = modification_times(swept), without_times(rows_of(swept / "metrics.csv"))
    run = run_folders(swept)[1]
    (run / name).write_bytes(damage((run / name).read_bytes()))
    finished = attnbench(*TINY_SWEEP, "--results", swept.parent)
    assert finished.status == 0
    assert str(run / name) in finished.err
    assert run.name in finished.err
    assert [each for each, time in modification_times(swept).items() if time != before[each]] == [run.name]
    assert without_times(rows_of(swept / "metrics.csv")) == rows
    assert attnbench("plot", swept, "--figure", "price").status == 0


@pytest.mark.parametrize("name", FILES)
def test_train_names_the_file_and_repeats_the_run(results, name):
    words = ("train", *TINY, "task.length=3", "--results", results)
    first = attnbench(*words)
    (run,) = run_folders(results / "train")
    (run / name).write_bytes(truncate((run / name).read_bytes()))
    second = attnbench(*words)
    assert (second.status, second.out) == (0, first.out)
    assert str(run / name) in second.err
    assert attnbench(*words).err.count("damaged") == 0


@pytest.mark.parametrize("damage", [truncate, flip_a_bit])
def test_a_sweep_that_chooses_rates_repeats_a_run_whose_spec_is_damaged(results, damage):
    words = (*TINY_SWEEP, "--models", "fixed", "--seeds", "2", "--tune-rates", "1e-3,1e-2")
    assert attnbench(*words, "--results", results).status == 0
    rows = without_times(rows_of(results / "quick-reverse" / "metrics.csv"))
    run = next(each for each in run_folders(results / "quick-reverse") if "-s1-" in each.name)
    (run / "spec.yaml").write_bytes(damage((run / "spec.yaml").read_bytes()))
    finished = attnbench(*words, "--results", results)
    assert finished.status == 0, finished.err
    assert f"{run / 'spec.yaml'} is damaged" in finished.err
    assert without_times(rows_of(results / "quick-reverse" / "metrics.csv")) == rows


@pytest.mark.parametrize("name", ["spec.yaml", "evaluation.json"])
def test_damage_to_what_is_asked_of_a_run_that_waits_for_its_turn_is_undone_by_the_same_command(
    swept, tmp_path, monkeypatch, name
):
    right = sweep_run.run_to_the_end

    def run_a_damaged_one(folders, *arguments):
        (folders[0].path / name).write_text("{")
        return right(folders, *arguments)

    monkeypatch.setattr(sweep_run, "run_to_the_end", run_a_damaged_one)
    first = attnbench(*TINY_SWEEP, "--results", tmp_path / "damaged")
    assert first.status == 1
    monkeypatch.undo()
    assert attnbench(*TINY_SWEEP, "--results", tmp_path / "damaged").status == 0
    rows = [rows_of(folder / "metrics.csv") for folder in (tmp_path / "damaged" / "quick-reverse", swept)]
    assert without_times(rows[0]) == without_times(rows[1])


def test_several_damaged_runs_are_all_named(swept):
    runs = run_folders(swept)
    for run, name in zip(runs, FILES, strict=True):
        (run / name).write_bytes(b"")
    finished = attnbench(*TINY_SWEEP, "--results", swept.parent)
    assert finished.status == 0
    for run, name in zip(runs, FILES, strict=True):
        assert str(run / name) in finished.err


def test_a_damaged_run_outside_the_plan_is_named_and_its_rows_are_left_out(swept):
    damaged = next(run for run in run_folders(swept) if "-L3-" in run.name)
    (damaged / "metrics.csv").write_bytes(b"")
    finished = attnbench(*TINY_SWEEP, "--lengths", "2", "--results", swept.parent)
    assert finished.status == 1
    assert str(damaged / "metrics.csv") in finished.err
    names = {row["run_id"] for row in rows_of(swept / "metrics.csv")}
    assert names == {run.name for run in run_folders(swept)} - {damaged.name}


def test_the_evaluated_lengths_survive_the_repetition(results):
    words = (*MIXED_SWEEP, "--results", results)
    attnbench(*words, "--lengths", "2,5")
    (run,) = run_folders(results / "quick-reverse")
    (run / "metrics.csv").write_bytes(b"")
    attnbench(*words, "--lengths", "3")
    assert [row["length"] for row in rows_of(run / "metrics.csv")] == ["2", "3", "5"]


def test_a_class_from_elsewhere_is_refused_and_the_run_repeated_with_its_own(swept):
    run = run_folders(swept)[0]
    (run / "status.json").unlink()
    values = yaml.safe_load((run / "spec.yaml").read_text())
    values["model"]["_target_"] = "os.system"
    (run / "spec.yaml").write_text(yaml.safe_dump(values))
    finished = attnbench(*TINY_SWEEP, "--results", swept.parent)
    assert finished.status == 0
    assert "Refused to load 'os.system'" in finished.err
    assert yaml.safe_load((run / "spec.yaml").read_text())["model"]["_target_"].startswith(
        "attnbench.models."
    )


def test_a_damaged_merged_table_is_made_anew_by_the_sweep(swept):
    rows = rows_of(swept / "metrics.csv")
    (swept / "metrics.csv").write_bytes(b"\x00")
    assert attnbench(*TINY_SWEEP, "--results", swept.parent).status == 0
    assert rows_of(swept / "metrics.csv") == rows

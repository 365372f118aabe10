import json
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from attnbench.cli.sweep_work import FinishedSweep
from attnbench.runs.metrics_csv import METRICS_COLUMNS
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

FAILING_AXIS = ("training.learning_rate=5e-3,1e38", "training.warmup_steps=0")


def again(swept, *words):
    """Sweep into the folder of a finished sweep."""
    return attnbench(*TINY_SWEEP, "--results", swept.parent, *words)


def test_a_sweep_leaves_the_files_of_the_contract(results):
    words = [word for word in TINY_SWEEP if word != "--no-plot"]
    finished = attnbench(*words, "--results", results)
    assert finished.status == 0
    assert [path.name for path in results.iterdir()] == ["quick-reverse"]
    files = {path.name for path in (results / "quick-reverse").iterdir()}
    tables = {"claim", "sweep.yaml", "runs", "metrics.csv", "curve.csv", "breakdown.csv"}
    figures = {
        f"{name}.{kind}"
        for name in ("accuracy_vs_length", "bits_vs_length", "price")
        for kind in ("png", "svg")
    }
    verdict = {"comparison.csv", "capacity.csv", "price.csv", "verdict.md", "table.md", "table.tex"}
    assert files == tables | figures | verdict
    assert "fixed" in finished.out
    assert "luong general" in finished.out
    messages = finished.err.splitlines()
    assert messages[0].startswith("4 runs on ")
    assert messages[-3:] == [
        f"Look at this one first: {results}/quick-reverse/accuracy_vs_length.png",
        f"Draw it again, alone or beside other sweeps: attnbench plot {results}/quick-reverse",
        f"All of it as one page, to read and to send: attnbench report {results}/quick-reverse",
    ]
    assert str(results / "quick-reverse" / "accuracy_vs_length.png") in messages
    assert "" not in messages


def test_the_tables_have_the_columns_of_the_contract(swept):
    rows = rows_of(swept / "metrics.csv")
    assert len(rows) == 4
    assert list(rows[0]) == list(METRICS_COLUMNS)
    arm = [
        "task",
        "model",
        "variant",
        "protocol",
        "hidden_size",
        "train_min_length",
        "train_max_length",
        "score",
    ]
    assert list(rows_of(swept / "curve.csv")[0])[:14] == [
        *arm,
        *["length", "mean", "low", "high", "seeds", "chance"],
    ]
    expected = [*arm, *["threshold", "accuracy_threshold", "length", "low", "high", "censored", "seeds"]]
    assert list(rows_of(swept / "breakdown.csv")[0])[:15] == expected


@pytest.mark.parametrize(
    ("reads_files", "names", "first"),
    [
        ([True], ["accuracy_vs_length.png", "bleu_vs_length.png"], "bleu_vs_length.png"),
        ([True], ["metrics.csv", "accuracy_vs_length.png", "bits_vs_length.png"], "accuracy_vs_length.png"),
        ([True, False], ["bleu_vs_length.png", "accuracy_vs_length.png"], "accuracy_vs_length.png"),
        ([False], ["accuracy_vs_length.png", "law.png", "verdict.md"], "law.png"),
        ([False], ["metrics.csv", "verdict.md"], "verdict.md"),
        ([False], [], None),
    ],
)
def test_the_figure_of_the_verdict_is_the_file_to_look_at_first(reads_files, names, first):
    work = SimpleNamespace(plan=SimpleNamespace(tasks=[SimpleNamespace(reads_files=x) for x in reads_files]))
    made = FinishedSweep(work, None, [Path(name) for name in names], is_whole=True, stop_status=0)
    assert made.first_file == (first and Path(first))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], ""),
        (["--models", "fixed,blind", "--lengths", "2,4", "--seeds", "2"], ""),
        (["training.steps=6"], "holds 4 runs with other settings (steps=4)"),
        (["--models", "blind", "training.steps=6"], "holds 4 runs with other settings (steps=4)"),
        (
            ["model.layers=2", "model.hidden_size=4"],
            "4 runs with other settings (hidden size 8, layers at its default)",
        ),
        (["--models", "blind", "model.layers=2"], ""),
        (["--protocol", "mixed", "--models", "fixed"], "4 runs with other settings (protocol per_length, "),
    ],
)
def test_a_folder_with_other_settings_is_told_before_anything_is_added(swept, words, told):
    (swept / "runs" / "damaged").mkdir()
    finished = again(swept, *words, "--dry-run")
    assert (finished.status, told in finished.err) == (0, True)
    assert ("other settings" in finished.err) == bool(told)
    assert finished.err.count("tables and figures will show both. Another --name keeps them apart.") == bool(
        told
    )


def test_a_sweep_says_at_its_start_what_else_the_folder_holds(swept):
    lines = again(swept, "training.steps=6", "--models", "fixed").err.splitlines()
    place = next(n for n, line in enumerate(lines) if "4 runs with other settings (steps=4)" in line)
    assert place < next(n for n, line in enumerate(lines) if "done]" in line)


def test_every_row_belongs_to_a_run_folder_named_by_the_contract(swept):
    names = {row["run_id"] for row in rows_of(swept / "metrics.csv")}
    assert names == {run.name for run in run_folders(swept)}
    for name in names:
        assert re.fullmatch(r"reverse-(fixed|luong_general)-L[23]-h8-s0-[0-9a-f]{8}", name)


def test_every_invocation_is_recorded(swept):
    again(swept, "--seeds", "2", "--models", "fixed")
    first, second = yaml.safe_load((swept / "sweep.yaml").read_text())["invocations"]
    assert (first["task"], first["models"]) == ("reverse", ["fixed", "luong_general"])
    assert (second["lengths"], second["seeds"], second["runs"]) == ([2, 3], [0, 1], 4)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_every_run_names_the_command_that_asked_for_it(results, monkeypatch, executor):
    words = (*TINY_SWEEP, "--models", "fixed", "--results", str(results), "--executor", executor)
    monkeypatch.setattr(sys, "argv", ["attnbench", *words])
    assert attnbench(*words).status == 0
    for run in run_folders(results / "quick-reverse"):
        assert json.loads((run / "environment.json").read_text())["command"] == shlex.join(sys.argv)


def test_the_same_sweep_again_does_no_run_twice(swept):
    before, metrics = modification_times(swept), (swept / "metrics.csv").read_bytes()
    finished = again(swept)
    assert finished.status == 0
    assert modification_times(swept) == before
    assert (swept / "metrics.csv").read_bytes() == metrics


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["--lengths", "2,3,4"], 6),
        (["--lengths", "4"], 6),
        (["--seeds", "2"], 8),
        (["--seeds", "7,"], 8),
        (["--models", "blind"], 6),
        (["--models", "fixed,luong_general,blind"], 6),
        (["model.layers=1,2", "--models", "fixed"], 6),
        (["training.learning_rate=5e-3,1e-3", "--models", "fixed"], 6),
    ],
)
def test_more_lengths_seeds_models_or_axes_add_runs_to_the_same_folder(swept, words, runs):
    before = modification_times(swept)
    assert again(swept, *words).status == 0
    after = modification_times(swept)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(rows_of(swept / "metrics.csv")) == runs


def test_more_lengths_of_one_model_add_rows_without_training(results):
    words = (*MIXED_SWEEP, "--results", results)
    assert attnbench(*words, "--lengths", "2,5").status == 0
    (run,) = run_folders(results / "quick-reverse")
    trained = (run / "checkpoint.pt").stat().st_mtime_ns
    before = rows_of(run / "metrics.csv")
    assert attnbench(*words, "--lengths", "3").status == 0
    assert run_folders(results / "quick-reverse") == [run]
    assert (run / "checkpoint.pt").stat().st_mtime_ns == trained
    rows = rows_of(results / "quick-reverse" / "metrics.csv")
    assert [row["length"] for row in rows] == ["2", "3", "5"]
    assert [rows[0], rows[2]] == before


def test_the_variant_names_axes_that_have_no_column(swept):
    usual = rows_of(swept / "metrics.csv")[0]["variant"]
    assert set(TINY) - set(usual.split(";")) == {"model.hidden_size=8", "device=cpu"}
    slower = ";".join(sorted([*usual.split(";"), "training.learning_rate=0.001"]))
    again(swept, "model.hidden_size=8,16", "training.learning_rate=5e-3,1e-3", "--models", "fixed")
    variants = {(row["hidden_size"], row["variant"]) for row in rows_of(swept / "metrics.csv")}
    assert variants == {(size, variant) for size in ("8", "16") for variant in (usual, slower)}


def test_json_is_one_document_and_nothing_else(results):
    finished = attnbench(*TINY_SWEEP, "--results", results, "--json")
    found = finished.json
    assert finished.status == 0
    assert found["folder"] == str(results / "quick-reverse")
    assert sorted(found["done"]) == [run.name for run in run_folders(results / "quick-reverse")]
    assert (found["failed"], found["unfinished"]) == ({}, [])
    assert str(results / "quick-reverse" / "metrics.csv") in found["files"]
    (verdict,) = found["verdict"]
    assert verdict["heading"] == "reverse: one model per length"
    assert f"**{verdict['headline']}**" in (results / "quick-reverse" / "verdict.md").read_text()
    rows = rows_of(results / "quick-reverse" / "curve.csv")
    assert [each["mean"] for each in found["curve"]] == [float(row["mean"]) for row in rows]
    l50 = [
        each
        for each in found["breakdown"]
        if each["score"] == "token_accuracy" and each["threshold"] == "L50"
    ]
    assert [each["model"] for each in l50] == ["fixed", "luong_general"]
    assert {each["low"] for each in l50} == {None}


@pytest.fixture
def failed(results):
    """A sweep over two learning rates, one of which makes no sense."""
    words = (*TINY_SWEEP, "--models", "fixed", *FAILING_AXIS, "--results", results)
    return words, attnbench(*words), results / "quick-reverse"


def test_failing_runs_are_named_with_reason_and_folder_and_the_others_finish(failed):
    _, finished, folder = failed
    assert finished.status == 1
    states = attnbench("status", folder, "--json").json
    assert states["counts"] == {"done": 2, "failed": 2}
    for run_id, reason in states["failed"].items():
        assert f"{run_id} failed: {reason}" in finished.err
        assert str(folder / "runs" / run_id) in finished.err
        assert "the loss is not finite" in reason
    assert "--retry-failed" in finished.err
    assert {row["learning_rate"] for row in rows_of(folder / "metrics.csv")} == {"0.005"}


def test_failed_runs_are_repeated_only_when_asked(failed):
    words, _, folder = failed
    before = modification_times(folder)
    finished = attnbench(*words)
    assert (finished.status, modification_times(folder)) == (1, before)
    assert "failed: the loss is not finite" in finished.err
    repeated = attnbench(*words, "--retry-failed")
    assert repeated.status == 1
    changed = {name for name, time in modification_times(folder).items() if time != before[name]}
    assert changed == set(attnbench("status", folder, "--json").json["failed"])


def test_failed_runs_are_in_the_json(failed):
    words, _, folder = failed
    finished = attnbench(*words, "--json")
    assert finished.status == 1
    assert finished.json["failed"] == attnbench("status", folder, "--json").json["failed"]
    assert len(finished.json["done"]) == 2


def test_a_sweep_of_which_every_run_fails_has_no_table(results):
    words = (*TINY_SWEEP, "--models", "fixed", "training.learning_rate=1e38", "training.warmup_steps=0")
    finished = attnbench(*words, "--results", results)
    assert (finished.status, finished.out) == (1, "")
    assert not (results / "quick-reverse" / "metrics.csv").exists()


def test_one_run_failing_by_our_own_mistake_takes_no_other_with_it(results, monkeypatch):
    from attnbench.runs import execute

    def fail_for_blind(spec, *arguments):
        if spec.model.name == "blind":
            raise RuntimeError("a mistake of ours")
        return right(spec, *arguments)

    right = execute.metrics_row
    monkeypatch.setattr(execute, "metrics_row", fail_for_blind)
    words = (*TINY_SWEEP, "--models", "fixed,blind", "--results", results)
    finished = attnbench(*words)
    assert finished.status == 1
    assert "a mistake of ours" in finished.err
    assert {row["model"] for row in rows_of(results / "quick-reverse" / "metrics.csv")} == {"fixed"}
    monkeypatch.undo()
    assert attnbench(*words, "--retry-failed").status == 0
    assert {row["model"] for row in rows_of(results / "quick-reverse" / "metrics.csv")} == {"blind", "fixed"}


def test_text_whose_files_have_moved_is_evaluated_further_without_training(results, tmp_path):
    text = "".join(f"w{i} w{i}\tv{i}\n" for i in range(80))
    (tmp_path / "here.tsv").write_text(text)
    words = (
        *TINY_SWEEP,
        "--results",
        results,
        "--models",
        "fixed",
        "--task",
        "text_pairs",
        "--protocol",
        "mixed",
    )
    words = (*words, "task.units=word", "task.test_share=0.3")
    assert attnbench(*words, f"task.source={tmp_path}/here.tsv", "--lengths", "60").status == 0
    (tmp_path / "here.tsv").rename(tmp_path / "there.tsv")
    assert attnbench(*words, f"task.source={tmp_path}/there.tsv", "--lengths", "2,60").status == 0
    (run,) = run_folders(results / "quick-text_pairs")
    rows = rows_of(run / "metrics.csv")
    assert [(row["length_min"], row["length"]) for row in rows] == [("1", "2")]
    assert yaml.safe_load((run / "spec.yaml").read_text())["task"]["source"] == f"{tmp_path}/there.tsv"


def test_two_sweeps_into_one_folder_share_their_runs(swept):
    rows = without_times(rows_of(swept / "metrics.csv"))
    assert again(swept, "--task", "copy", "--name", "quick-reverse").status == 0
    both = without_times(rows_of(swept / "metrics.csv"))
    assert [row for row in both if row["task"] == "reverse"] == rows
    assert len(both) == 8


def test_a_query_that_has_not_read_the_key_is_told_once(results):
    words = (
        "--task",
        "recall",
        "--models",
        "fixed,bahdanau",
        "--lengths",
        "2,3",
        "--seeds",
        "1",
        "--no-plot",
    )
    finished = attnbench("sweep", *words, *TINY, "--results", results)
    assert finished.status == 0, finished.err
    assert finished.err.count("bahdanau: as published, its query has not read the key") == 1

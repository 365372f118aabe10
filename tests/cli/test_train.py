import json
import re

import pytest
import yaml

from attnbench.runs.metrics_csv import METRICS_COLUMNS
from tests.commands import TINY, attnbench, contents, modification_times, rows_of, run_folders

TRAIN = ("train", *TINY, "task.length=3")
FAILING = ("training.learning_rate=1e38", "training.warmup_steps=0")


@pytest.fixture
def trained(results):
    finished = attnbench(*TRAIN, "--results", results)
    assert finished.status == 0, finished.err
    return results / "train"


def test_a_run_lands_in_a_folder_named_after_it(trained):
    (run,) = run_folders(trained)
    assert re.fullmatch(r"reverse-fixed-L3-h8-s0-[0-9a-f]{8}", run.name)
    files = {"spec.yaml", "environment.json", "train.csv", "metrics.csv", "checkpoint.pt", "status.json"}
    assert files <= {path.name for path in run.iterdir()}
    (row,) = rows_of(run / "metrics.csv")
    assert list(row) == list(METRICS_COLUMNS)
    assert row["run_id"] == run.name
    assert json.loads((run / "status.json").read_text())["state"] == "done"


def test_the_numbers_go_to_stdout_and_the_messages_to_stderr(results):
    finished = attnbench(*TRAIN, "--results", results)
    (run,) = run_folders(results / "train")
    assert finished.out.startswith("length 3 tokens, 4 steps (budget), 8 examples\n")
    assert "token accuracy, running freely" in finished.out
    assert finished.err.splitlines()[0].startswith(
        "Training fixed on reverse, 3 tokens, seed 0, up to 4 steps on "
    )
    assert finished.err.splitlines()[-2:] == [
        f"Everything about the run is in {run}",
        f"See what it wrote and where it looked: `attnbench inspect {run.name} --results {results}`",
    ]
    assert "" not in finished.err.splitlines()


def test_json_is_one_document_and_nothing_else(results):
    finished = attnbench(*TRAIN, "--results", results, "--json")
    (run,) = run_folders(results / "train")
    found = finished.json
    assert (found["run_id"], found["folder"], found["state"]) == (run.name, str(run), "done")
    (row,) = found["metrics"]
    assert (row["length"], row["bleu"], row["model"]) == (3, None, "fixed")
    assert isinstance(row["token_accuracy"], float)


def test_the_same_command_again_does_nothing_and_says_the_same(trained):
    before = contents(trained)
    first, second = (attnbench(*TRAIN, "--results", trained.parent) for _ in range(2))
    assert (first.status, first.out) == (second.status, second.out)
    assert contents(trained) == before


def test_another_name_is_another_folder(results):
    assert attnbench(*TRAIN, "--results", results, "--name", "mine").status == 0
    assert [path.name for path in results.iterdir()] == ["mine"]


def test_more_lengths_add_rows_without_training(results):
    words = (*TRAIN, "train_range=[2,5]", "--results", results, "--json")
    assert len(attnbench(*words, "test_lengths=[2]").json["metrics"]) == 1
    (run,) = run_folders(results / "train")
    trained = (run / "train.csv").stat().st_mtime_ns, (run / "checkpoint.pt").stat().st_mtime_ns
    again = attnbench(*words, "test_lengths=[3,5]").json
    assert [row["length"] for row in again["metrics"]] == [2, 3, 5]
    assert ((run / "train.csv").stat().st_mtime_ns, (run / "checkpoint.pt").stat().st_mtime_ns) == trained


def test_show_config_prints_every_key_and_writes_nothing(results):
    finished = attnbench("train", "--show-config", "--results", results, "model.hidden_size=32", "seed=7")
    shown = yaml.safe_load(finished.out)
    assert (finished.status, shown["model"]["hidden_size"], shown["seed"]) == (0, 32, 7)
    assert {"task", "model", "training", "seed", "device", "match", "train_range", "test_lengths"} == set(
        shown
    )
    assert not results.exists()


def test_show_config_as_json_says_the_same(results):
    words = ("train", "--show-config", "--results", results, "seed=7")
    assert attnbench(*words, "--json").json == yaml.safe_load(attnbench(*words).out)


def test_a_failing_run_exits_1_with_reason_and_folder_and_is_repeated_only_when_asked(results):
    words = (*TRAIN, *FAILING, "--results", results)
    first = attnbench(*words)
    (run,) = run_folders(results / "train")
    assert first.status == 1
    for expected in (run.name, "the loss is not finite", str(run), "--retry-failed"):
        assert expected in first.err
    before = modification_times(results / "train")
    assert attnbench(*words).status == 1
    assert modification_times(results / "train") == before
    assert attnbench(*words, "--retry-failed").status == 1
    assert modification_times(results / "train") != before


def test_a_failing_run_is_one_json_document_too(results):
    finished = attnbench(*TRAIN, *FAILING, "--results", results, "--json")
    assert (finished.status, finished.json["state"], finished.json["metrics"]) == (1, "failed", [])
    assert "not finite" in finished.json["error"]


def test_a_run_that_has_ceased_to_fail_is_done(results, monkeypatch):
    monkeypatch.setattr("attnbench.runs.execute.metrics_row", None)
    assert attnbench(*TRAIN, "--results", results).status == 1
    monkeypatch.undo()
    assert attnbench(*TRAIN, "--results", results).status == 1
    assert attnbench(*TRAIN, "--results", results, "--retry-failed").status == 0
    assert attnbench(*TRAIN, "--results", results).status == 0


def test_text_says_what_was_left_out(results, tmp_path):
    (tmp_path / "pairs.tsv").write_text("".join(f"w{i} w{i}\tv{i}\n" for i in range(80)))
    words = ("task=text_pairs", f"task.source={tmp_path}/pairs.tsv", "task.units=word", "task.test_share=0.3")
    finished = attnbench("train", *TINY, *words, "test_lengths=[1,9]", "--results", results)
    assert finished.status == 0
    assert finished.out.startswith("length 2–9 words")
    assert "BLEU" in finished.out
    assert "No test pair has 1-1 source words" in finished.err


def test_a_query_that_has_not_read_the_key_is_told_before_training(results):
    finished = attnbench(
        "train", *TINY, "task=recall", "task.length=2", "model=bahdanau", "--results", results
    )
    assert (
        sum(
            "its query has not read the key that recall gives just ahead" in each
            for each in finished.err.splitlines()
        )
        == 1
    )

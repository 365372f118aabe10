"""A folder that holds a corpus and results is moved, copied to another machine, or loses its corpus."""

import json
import shutil

import pytest

from attnbench.runs.folder import RunFolder
from tests.commands import TINY, attnbench, contents, rows_of, run_folders, without_times
from tests.runs.tiny_runs import finish
from tests.tasks.text.text_examples import numbered_pairs, write_tsv

SWEEP = (
    *("sweep", "--task", "text_pairs", "--protocol", "mixed", "--models", "fixed,luong_dot", "--seeds", "1"),
    *("--executor", "inline", "--name", "s", "--no-plot"),
    *("task.source=corpus/pairs.tsv", "task.units=word", "task.test_share=0.3", "task.maximum_length=9"),
    *TINY,
)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with a corpus, and the sweep that was made in it."""
    folder = tmp_path_factory.mktemp("made") / "old"
    (folder / "corpus").mkdir(parents=True)
    write_tsv(folder / "corpus" / "pairs.tsv", numbered_pairs(90))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        finished = attnbench(*SWEEP, "--lengths", "4,9")
    assert finished.status == 0, finished.err
    return folder


@pytest.fixture
def moved(made, tmp_path, monkeypatch):
    """The same folder at another place, and nothing at the old one."""
    folder = tmp_path / "new"
    shutil.copytree(made, folder)
    hidden = made.with_name("hidden")
    made.rename(hidden)
    monkeypatch.chdir(folder)
    yield folder
    hidden.rename(made)


@pytest.fixture
def run(moved):
    (found,) = [path for path in run_folders(moved / "results" / "s") if "luong_dot" in path.name]
    return found


def looked_at(*words):
    finished = attnbench("inspect", *words)
    assert finished.status == 0, finished.err
    return finished


def refused(folder, *words):
    before = contents(folder)
    finished = attnbench("inspect", *words)
    assert (finished.status, finished.out) == (2, "")
    assert len(finished.err.splitlines()) <= 4
    assert contents(folder) == before
    return finished.err


def test_a_run_is_inspected_in_a_moved_folder(moved, run):
    finished = looked_at(run.name)
    assert {row["length"] for row in rows_of(run / "inspect" / "attention.csv")} == {"4", "9"}
    assert finished.out.count("Test example ") == 3


def test_a_run_whose_corpus_is_gone_draws_its_first_examples_and_a_persons_custom_text(moved, run):
    with_corpus = looked_at(run.name, "--no-scores", "--json").json["examples"]
    shutil.rmtree(moved / "corpus")
    assert looked_at(run.name, "--no-scores", "--json").json["examples"] == with_corpus
    assert (
        looked_at(run.name, "--no-scores", "--length", "4", "--index", "2").out.count("Test example 2") == 1
    )
    (known, *_) = json.loads(json.loads((run / "data.json").read_text())["learnt"]["source"])
    assert looked_at(run.name, "--text", f"{known} zzz", "--json").json["unknown_words"] == ["zzz"]
    for command in ("status", "plot"):
        assert attnbench(command, "s").status == 0


@pytest.mark.parametrize(
    "words", ["", "--no-scores --index 3", "--no-scores --wrong", "--no-scores --length 5"]
)
def test_what_needs_the_corpus_names_where_it_was_looked_for_and_what_to_do(made, moved, run, words):
    shutil.rmtree(moved / "corpus")
    err = refused(moved, run.name, *words.split())
    assert f"task.source: not at {made}/corpus/pairs.tsv nor at {moved}/corpus/pairs.tsv" in err
    assert f"`attnbench inspect results/s/runs/{run.name} task.source=FILE`" in err


def test_a_corpus_of_other_content_is_named_as_such(moved, run):
    write_tsv(moved / "corpus" / "pairs.tsv", numbered_pairs(80))
    assert f"task.source: {moved}/corpus/pairs.tsv has another content" in refused(moved, run.name)
    err = refused(moved, run.name, "--text", "w1", "task.source=corpus/pairs.tsv")
    assert f"task.source: {moved}/corpus/pairs.tsv has another content" in err


def test_a_person_says_where_the_corpus_is_and_the_commands_of_the_page_say_so_too(moved, run, tmp_path):
    (moved / "corpus" / "pairs.tsv").rename(tmp_path / "my pairs.tsv")
    named = f"task.source={tmp_path}/my pairs.tsv"
    looked_at(run.name, named)
    assert f"'{named}' --" in rows_of(run / "inspect" / "worst.csv")[0]["command"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["task.sourc=a.tsv"], "Known: task.source. Did you mean task.source?"),
        (["seed=3"], "'seed=3': expected a run, or where a file of its data lies, such as task.source=FILE."),
        (["task.source="], "expected a run, or where a file of its data lies"),
    ],
)
def test_nothing_else_can_be_changed_of_a_run(moved, run, words, message):
    assert message in refused(moved, run.name, *words)


def test_a_run_has_to_be_named(moved):
    assert "No run is named" in refused(moved, "task.source=corpus/pairs.tsv")


def test_the_same_sweep_from_the_new_place_trains_nothing_and_points_the_runs_there(moved):
    left = [
        path / name for path in run_folders(moved / "results/s") for name in ("checkpoint.pt", "metrics.csv")
    ]
    before = {path: path.stat().st_mtime_ns for path in left}
    rows = rows_of(moved / "results/s/metrics.csv")
    finished = attnbench(*SWEEP, "--lengths", "4,9")
    assert finished.status == 0, finished.err
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert rows_of(moved / "results/s/metrics.csv") == rows
    for path in run_folders(moved / "results/s"):
        assert RunFolder(path).read_spec()["task"]["source"] == f"{moved}/corpus/pairs.tsv"
    assert attnbench("plot", "s").status == 0


def test_an_unfinished_run_goes_on_at_the_new_place_to_the_same_rows(moved, run):
    rows = without_times(rows_of(moved / "results/s/metrics.csv"))
    (run / "status.json").unlink()
    finished = attnbench(*SWEEP, "--lengths", "4,9")
    assert finished.status == 0, finished.err
    assert RunFolder(run).read_outcome().resumed_from_step == 4
    assert without_times(rows_of(moved / "results/s/metrics.csv")) == rows


def test_more_lengths_are_evaluated_at_the_new_place(moved, run):
    finished = attnbench(*SWEEP, "--lengths", "4,6,9")
    assert finished.status == 0, finished.err
    assert [row["length"] for row in rows_of(run / "metrics.csv")] == ["4", "6", "9"]
    assert RunFolder(run).read_outcome().resumed_from_step == 4
    shutil.rmtree(moved / "corpus")
    looked_at(run.name, "--no-scores", "--length", "6")


def test_a_run_that_waits_finds_its_corpus_though_nobody_pointed_it_there(moved, run):
    """A job of a cluster may begin after the folder was moved."""
    (run / "status.json").unlink()
    assert finish(RunFolder(run)).state == "done"


def test_a_path_that_a_person_has_edited_is_no_damage(moved, run):
    text = (run / "spec.yaml").read_text()
    (run / "spec.yaml").write_text(text.replace("/old/corpus/", "/else where/"))
    for words in (["plot", "s"], ["inspect", run.name, "--no-scores"], [*SWEEP, "--lengths", "4,9"]):
        finished = attnbench(*words)
        assert finished.status == 0, finished.err
        assert "damaged" not in finished.err
    assert RunFolder(run).read_spec()["task"]["source"] == f"{moved}/corpus/pairs.tsv"


def test_a_renamed_run_is_named_with_its_true_name_and_the_others_are_drawn(moved, run):
    run.rename(run.with_name("my best run"))
    told = attnbench("status", "s")
    assert (told.status, told.err) == (0, "")
    assert f"renamed      my best run: the run {run.name}" in told.out
    found = attnbench("status", "s", "--json").json
    assert found["counts"] == {"done": 1, "renamed": 1}
    assert found["renamed"] == {"my best run": run.name}
    drawn = attnbench("plot", "s")
    assert drawn.status == 0
    assert (
        f"results/s/runs/my best run is the run {run.name} under another name: its rows are left out."
        in drawn.err
    )
    assert "fixed" in drawn.out
    assert "luong" not in drawn.out
    assert (
        f"my best run is the run {run.name} under another name"
        in looked_at(run.with_name("my best run"), "--no-scores").err
    )
    again = attnbench(*SWEEP, "--lengths", "4,9")
    assert again.status == 0
    assert f"Call it {run.name} again, and they count. Until then it is made again." in again.err
    assert run.is_dir()


def test_a_damaged_record_of_the_data_is_named_and_the_same_sweep_writes_it_anew(moved, run):
    whole = (run / "data.json").read_bytes()
    checkpoint = (run / "checkpoint.pt").stat().st_mtime_ns
    (run / "data.json").write_bytes(whole[:-9])
    assert "data.json is damaged" in refused(moved, run.name, "--text", "a")
    assert attnbench("plot", "s").status == 0
    finished = attnbench(*SWEEP, "--lengths", "4,9")
    assert finished.status == 0, finished.err
    assert (
        f"data.json is damaged: it is not what the run wrote. It is written anew from the checkpoint of {run.name}"
        in finished.err
    )
    assert json.loads((run / "data.json").read_text())["learnt"] == json.loads(whole)["learnt"]
    assert (run / "checkpoint.pt").stat().st_mtime_ns == checkpoint

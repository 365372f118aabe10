"""Tuned and longer sweeps, from the command to their tables."""

import json
import shutil
from itertools import product

import pytest

from attnbench.arm import Variant
from attnbench.errors import UserError
from attnbench.runs import checks
from attnbench.runs.folder import RunFolder
from attnbench.runs.metrics_csv import write_rows
from attnbench.sweeps import run as sweep_run
from attnbench.sweeps.learning_rates import TUNING_SEED, reachable_rates
from tests.commands import TINY_SWEEP, attnbench, contents, rows_of, run_folders
from tests.runs.tiny_runs import tiny_spec

TUNED = (*TINY_SWEEP, "--models", "fixed", "--seeds", "2", "--tune-rates", "1e-3,1e-2")
PLAIN = TUNED[:-2]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    results = tmp_path_factory.mktemp("tuned")
    finished = attnbench(*TUNED, "--results", results, "--longer", "2")
    assert finished.status == 0
    return results / "quick-reverse", finished


def tried_at(folder, length):
    """Rows of tuning.csv of a length, by rate."""
    return [row for row in rows_of(folder / "tuning.csv") if row["train_max_length"] == length]


def test_the_grid_is_kept_with_what_was_chosen(tuned):
    folder, _ = tuned
    for length in "23":
        rows = tried_at(folder, length)
        rates = [float(row["learning_rate"]) for row in rows]
        assert {0.001, 0.01} < set(rates) <= set(reachable_rates([0.001, 0.01]))
        assert rates == sorted(rates)
        assert [row["chosen"] for row in rows].count("true") == 1
        assert {row["seed"] for row in rows} == {str(TUNING_SEED)}
        assert all(float(row["validation_nats"]) > 0 for row in rows)
    reported = {row["seed"] for row in rows_of(folder / "metrics.csv")}
    assert reported == {"0", "1"}


def test_the_best_of_the_rates_lies_between_others_or_three_were_tried_beyond_the_edge(tuned):
    folder, finished = tuned
    assert "Where the best rate lies at an edge, the next one beyond it: 2 runs." in finished.err
    at_edge = []
    for length in "23":
        rows = tried_at(folder, length)
        (place,) = [i for i, row in enumerate(rows) if row["chosen"] == "true"]
        is_outermost = place in (0, len(rows) - 1)
        assert (rows[place]["at_edge"] == "true") == bool(rows[place]["note"]) == is_outermost
        assert len(rows) == 5 or not is_outermost
        at_edge += [length] if is_outermost else []
    said = "it is the lowest or the highest of them for fixed at " + " and ".join(at_edge)
    assert (said in (folder / "verdict.md").read_text()) == bool(at_edge)
    assert ("lie at the edge of all that were tried" in finished.err) == bool(at_edge)


def test_no_test_of_an_unchosen_rate_is_in_any_table(tuned):
    folder, _ = tuned
    chosen = {
        (row["train_max_length"], float(row["learning_rate"]))
        for row in rows_of(folder / "tuning.csv")
        if row["chosen"] == "true"
    }
    rows = rows_of(folder / "metrics.csv")
    assert {(row["length"], float(row["learning_rate"])) for row in rows} == chosen
    unchosen = {row["run_id"] for row in rows_of(folder / "tuning.csv") if row["chosen"] == "false"}
    for run_id in unchosen:
        assert rows_of(folder / "runs" / run_id / "metrics.csv") == []


def test_the_rate_is_no_part_of_a_tuned_variant(tuned):
    folder, _ = tuned
    assert all("learning_rate" not in row["variant"] for row in rows_of(folder / "metrics.csv"))


def test_the_lengths_around_the_breakdown_have_rows_of_the_larger_budget(tuned):
    folder, finished = tuned
    steps = {
        (row["length"], part)
        for row in rows_of(folder / "metrics.csv")
        for part in row["variant"].split(";")
        if part.startswith("training.steps=")
    }
    assert steps == {(length, f"training.steps={budget}") for length in "23" for budget in (4, 8)}
    patience = f"training.patience={2 * tiny_spec().training.patience}"
    for row in rows_of(folder / "metrics.csv"):
        assert (patience in row["variant"].split(";")) == ("training.steps=8" in row["variant"].split(";"))
    assert "With 2 times the budget around each breakdown: 4 runs." in finished.err


def test_a_value_with_a_semicolon_gets_its_larger_budget(tmp_path):
    pairs = [{"s;t": f"{one} {two}", "z=": f"{two} {one}"} for one, two in product("abcdefghijkl", repeat=2)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    fields = ("task=text_pairs", f"task.source={tmp_path / 'pairs.jsonl'}")
    fields += ("task.source_field='s;t'", "task.target_field='z='")
    one_arm = "--protocol mixed --lengths 2 --models fixed --seeds 1 --no-plot --executor inline"
    words = ("sweep", *fields, *one_arm.split(" "))
    sizes = ("model.hidden_size=4", "training.steps=4", "training.batch_size=8")
    for _ in range(2):
        finished = attnbench(*words, *sizes, "--longer", "2", "--results", tmp_path, "--name", "texts")
        assert finished.status == 0
    variants = [Variant.parse(row["variant"]) for row in rows_of(tmp_path / "texts" / "metrics.csv")]
    assert [variant.get("task.source_field") for variant in variants] == ['"s;t"'] * 2
    assert {variant.get("training.steps") for variant in variants} == {"4", "8"}


def test_the_same_command_again_trains_nothing(tuned):
    folder, _ = tuned
    before = {path: (path / "status.json").stat().st_mtime_ns for path in run_folders(folder)}
    assert attnbench(*TUNED, "--results", folder.parent, "--longer", "2").status == 0
    assert {path: (path / "status.json").stat().st_mtime_ns for path in run_folders(folder)} == before


def test_a_dry_run_counts_the_grid_and_says_what_follows(tmp_path):
    finished = attnbench(*TUNED, "--results", tmp_path, "--dry-run", "--longer", "3")
    assert (finished.status, list(tmp_path.iterdir())) == (0, [])
    assert "to choose a rate by validation" in finished.out
    assert "8 runs, 8 to do: at most 32 steps" in finished.out
    assert "First 4 runs that choose learning rates, at most 16 steps;" in finished.out
    assert "then 4 runs with the chosen rates and all seeds, at most 16 steps." in finished.out
    assert "at most 3 rates beyond the grid" in finished.out
    assert "at its edge: at most 6 runs, 24 steps." in finished.out
    assert "with 3 times the budget" in finished.out


def test_a_sweep_whose_grid_another_one_tests_already_chooses_the_same_rates(tuned, tmp_path, monkeypatch):
    right = sweep_run.run_to_the_end

    def end_and_be_overtaken(*arguments):
        left = right(*arguments)
        monkeypatch.undo()
        for run in map(RunFolder, run_folders(tmp_path / "quick-reverse")):
            run.request([run.read_spec()["train_max_length"]])
            run.status_file.unlink()  # as while a run is being tested
        return left

    monkeypatch.setattr(sweep_run, "run_to_the_end", end_and_be_overtaken)
    finished = attnbench(*TUNED, "--results", tmp_path)
    assert finished.status == 0, finished.err
    assert rows_of(tmp_path / "quick-reverse" / "tuning.csv") == rows_of(tuned[0] / "tuning.csv")


def test_where_no_rate_can_be_trained_the_runs_have_failed_and_are_named(tmp_path):
    failing = ("--tune-rates", "1e37,1e38", "training.warmup_steps=0", "--results", tmp_path)
    for _ in range(2):
        finished = attnbench(*TUNED, *failing)
        assert finished.status == 1
        assert "no rate of the grid could be trained" in finished.err
        assert finished.err.count("--retry-failed repeats it") == 2 * 2


def test_rates_named_by_hand_and_tuned_ones_do_not_share_a_folder(tmp_path):
    rates = "training.learning_rate=" + ",".join(map(str, reachable_rates([1e-3, 1e-2])))
    one = ("--lengths", "2", "--seeds", "1", "--results", tmp_path)
    assert attnbench(*PLAIN, rates, *one).status == 0
    finished = attnbench(*TUNED, *one)
    assert finished.status == 2
    assert "Use another --name for the tuned sweep." in finished.err


def test_a_rate_that_nobody_named_and_a_tuned_one_are_not_averaged(tmp_path):
    assert attnbench(*PLAIN, "--results", tmp_path).status == 0
    before = contents(tmp_path)
    for more in ([], ["--dry-run"]):
        finished = attnbench(*TUNED, *more, "--results", tmp_path)
        assert (finished.status, finished.out) == (2, "")
        assert "trained at the learning rate 0.005" in finished.err
        assert "at 0.001 or 0.01: one curve would be the mean of both. Use another --name." in finished.err
    assert contents(tmp_path) == before


def test_a_plain_sweep_does_not_go_into_the_folder_of_a_tuned_one(tuned):
    folder, _ = tuned
    finished = attnbench(*PLAIN, "--results", folder.parent)
    assert finished.status == 2
    assert "this sweep trains the same at 0.005" in finished.err


def test_other_seeds_lengths_and_models_join_a_tuned_folder(tuned, tmp_path):
    folder, _ = tuned
    shutil.copytree(folder, tmp_path / folder.name)
    before = [row for length in "23" for row in tried_at(folder, length)]
    assert attnbench(*TUNED, "--lengths", "4", "--seeds", "3", "--results", tmp_path).status == 0
    grown = tmp_path / folder.name
    assert [row for length in "23" for row in tried_at(grown, length)] == before
    assert {row["seed"] for row in tried_at(grown, "4")} == {str(TUNING_SEED)}
    assert attnbench(*TUNED, "--lengths", "2,3,4", "--results", tmp_path).status == 0


def as_before_the_own_seed(folder):
    """Make tuning.csv what the first versions wrote."""
    rows = [row | {"seed": "0"} for row in rows_of(folder / "tuning.csv")]
    columns = [name for name in rows[0] if name not in ("solved", "note")]
    write_rows(folder / "tuning.csv", [{name: row[name] for name in columns} for row in rows], columns)


def test_a_folder_tuned_by_an_earlier_version_is_drawn_and_not_tuned_on(tuned, tmp_path):
    folder, _ = tuned
    old = tmp_path / folder.name
    shutil.copytree(folder, old)
    as_before_the_own_seed(old)
    before = contents(old)
    finished = attnbench(*TUNED, "--results", tmp_path)
    assert (finished.status, finished.out, contents(old)) == (2, "", before)
    assert "an earlier version chose" in finished.err
    assert attnbench("plot", old, "--out", tmp_path / "drawn").status == 0
    assert (tmp_path / "drawn" / "verdict.md").read_text() == (folder / "verdict.md").read_text()


def test_runs_that_are_gone_are_in_nobodys_way(tmp_path):
    assert attnbench(*PLAIN, "--results", tmp_path).status == 0
    for path in run_folders(tmp_path / "quick-reverse"):
        shutil.rmtree(path)
    assert attnbench(*TUNED, "--dry-run", "--results", tmp_path).status == 0


def test_sweeps_of_other_rates_are_not_drawn_as_one_arm(tuned, tmp_path):
    folder, _ = tuned
    assert attnbench(*PLAIN, "--results", tmp_path).status == 0
    for figure in ([], ["--figure", "memory"]):
        words = ("plot", folder, tmp_path / "quick-reverse", "--out", tmp_path / "both", *figure)
        finished = attnbench(*words)
        assert (finished.status, finished.out) == (2, "")
        assert "trained at several learning rates" in finished.err
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tune-rates", "1e-3"), "at least two different learning rates"),
        (("--tune-rates", "1e-3,1e-2", "training.learning_rate=1e-3"), "say the same thing twice"),
        (("--tune-rates", "1e-3,1e-2", "--seeds", "7,2000000000"), "of which no result is reported"),
        (("--longer", "1"), "2 or more"),
    ],
)
def test_bad_words_exit_2_and_leave_nothing(tmp_path, words, message):
    finished = attnbench(*TINY_SWEEP, "--results", tmp_path, *words)
    assert (finished.status, list(tmp_path.iterdir())) == (2, [])
    assert message in finished.err


def test_an_unfair_comparison_is_stopped_before_anything_is_written(tmp_path, monkeypatch):
    def refuse(specs):
        raise UserError("unfair")

    monkeypatch.setattr(checks, "check_comparison", refuse)
    finished = attnbench(*TINY_SWEEP, "--results", tmp_path)
    assert (finished.status, list(tmp_path.iterdir())) == (2, [])
    assert "unfair" in finished.err

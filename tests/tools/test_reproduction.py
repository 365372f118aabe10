import json
import math
import random
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from attnbench.analysis.statistics import MeanInterval
from attnbench.runs.io import from_yaml
from attnbench.runs.metrics_table import read_metrics
from tests.commands import TINY_SWEEP, attnbench
from tools.reproduction import __main__ as reproduce
from tools.reproduction import britz2017, collins2017, graves2014, jain2019, sutskever2014, zoology2024
from tools.reproduction import stored as stored_results
from tools.reproduction.__main__ import app
from tools.reproduction.bahdanau2015 import BIBLE, kept
from tools.reproduction.claims import (
    Found,
    all_of,
    below,
    decide,
    given,
    in_words,
    interval,
    paired,
    share,
    slope,
    text_words,
)
from tools.reproduction.published import ALL
from tools.reproduction.stored import REFERENCE, commands_of, compare, stored_folders
from tools.reproduction.sutskever2014 import by_way


def test_a_claim_holds_only_where_the_whole_interval_lies_on_its_side():
    assert decide(MeanInterval(0.5, 0.1, 0.9, 3)) == "holds"
    assert decide(MeanInterval(0.5, -0.1, 1.1, 3)) == "not shown"
    assert decide(MeanInterval(-0.5, -0.9, -0.1, 3)) == "does not hold"
    assert below(MeanInterval(0.3, 0.2, 0.4, 3), 0.5) == "holds"
    assert below(MeanInterval(0.7, 0.6, 0.8, 3), 0.5) == "does not hold"


def test_one_seed_or_none_shows_nothing_and_equal_seeds_stand_for_themselves():
    assert decide(interval([0.9]), 0.5) == "not shown"
    assert decide(interval([]), 0.5) == "not shown"
    assert in_words(interval([])) == "no run"
    assert decide(interval([1.0, 1.0, 1.0]), 0.9) == "holds"


def test_a_claim_of_parts_holds_with_all_and_falls_with_one():
    assert all_of("holds", "holds") == "holds"
    assert all_of("holds", "not shown") == "not shown"
    assert all_of("not shown", "does not hold") == "does not hold"


def test_arms_are_compared_for_each_seed_that_both_have():
    rows = [("a", 0, 3.0), ("a", 1, 5.0), ("a", 2, 9.0), ("b", 0, 1.0), ("b", 1, 2.0)]
    table = pd.DataFrame(rows, columns=["model", "seed", "bleu"])
    assert paired(table, "bleu", "a", "b") == [2.0, 3.0]
    assert paired(table, "bleu", "a", "c") == []


def test_the_slope_is_the_exponent():
    assert slope([8, 16, 32], [3, 6, 12]) == pytest.approx(1)
    assert math.isnan(slope([8, 8], [3, 4]))


def test_what_was_not_learnt_shows_nothing_either_way():
    assert given("holds", "does not hold") == "does not hold"
    assert given("holds", "holds", "not shown") == "not shown"
    assert given("not shown", "holds") == given("does not hold", "does not hold") == "not shown"


def test_an_interval_of_accuracies_ends_at_one():
    assert share([0.99, 0.76, 0.98]).high == 1


def found_with(monkeypatch, rows: list[tuple], columns: str) -> Found:
    table = pd.DataFrame(rows, columns=columns.split())
    monkeypatch.setattr(Found, "metrics", lambda self, sweep: table)
    return Found(Path(), lambda run: run)


FLAT, NARROWER, DOUBLED, UNSOLVED = (16, 16, 16), (32, 16, 16), (16, 16, 32), (16, None, None)


@pytest.mark.parametrize(
    ("attention", "states", "outcomes"),
    [
        (FLAT, DOUBLED, ("holds", "holds")),
        (NARROWER, UNSOLVED, ("holds", "holds")),
        (DOUBLED, FLAT, ("does not hold", "does not hold")),
        (DOUBLED, NARROWER, ("does not hold", "does not hold")),
        ((16, None, 16), (None, None, None), ("not shown", "not shown")),
    ],
)
def test_the_smallest_width_of_the_most_pairs_is_asked_for(monkeypatch, attention, states, outcomes):
    rows = [
        (model, seed, n, width, 0.95 if smallest and width >= smallest else 0.2)
        for models, smallests in ((zoology2024.ATTENTION, attention), (zoology2024.FIXED_STATE, states))
        for model in models
        for seed in (0, 1, 2)
        for n, smallest in zip((4, 16, 64), smallests, strict=True)
        for width in (8, 16, 32)
    ]
    found = found_with(monkeypatch, rows, "model seed length hidden_size teacher_forced_accuracy")
    claims = zoology2024.judge(found)
    assert [claim.outcome for claim in claims] == [outcomes[0]] * 2 + [outcomes[1]] * 3
    assert ("more than 32" in claims[-1].here) == (None in states)


def test_one_failed_seed_of_attention_is_not_read_as_growth(monkeypatch):
    rows = [
        (model, seed, n, 16, 0.2 if (model, seed, n) == ("transformer", 1, 64) else 0.95)
        for model in (*zoology2024.ATTENTION, *zoology2024.FIXED_STATE)
        for seed in (0, 1, 2)
        for n in (4, 64)
    ]
    found = found_with(monkeypatch, rows, "model seed length hidden_size teacher_forced_accuracy")
    assert zoology2024.judge(found)[0].outcome == "not shown"


@pytest.mark.parametrize(
    ("bits", "outcome"),
    [
        ({8: 10.0, 16: 20.0, 32: 40.0}, "holds"),
        ({8: 10.0, 16: 12.0, 32: 14.0}, "does not hold"),
        ({8: 10.0, 16: 20.0, 32: 120.0}, "not shown"),  # of 128 that the source has
        ({8: -1.0, 16: 20.0, 32: 40.0}, "not shown"),
    ],
)
def test_a_state_that_the_source_fills_shows_no_capacity(monkeypatch, bits, outcome):
    rows = [
        (f"{size}-{seed}", size, seed, 32, held * (1 + seed / 100), 128, "plateau" if seed else "budget")
        for size, held in bits.items()
        for seed in (0, 1, 2)
    ]
    found = found_with(
        monkeypatch, rows, "run_id hidden_size seed length bits_recovered bits_available stop_reason"
    )
    claim = collins2017.judge(found)[0]
    assert (
        claim.outcome,
        f"{len(bits)} of these {3 * len(bits)} runs ended by their budget" in claim.here,
    ) == (
        outcome,
        True,
    )


COPYING = {
    "learnt": ({20: 0.99, 30: 0.5, 60: 0.2}, {20: 1.0, 30: 0.9, 60: 0.6}, {20: 1.0, 30: 0.5, 60: 0.38}),
    "vector not learnt": (
        {20: 0.7, 30: 0.4, 60: 0.2},
        {20: 1.0, 30: 0.9, 60: 0.6},
        {20: 1.0, 30: 0.5, 60: 0.2},
    ),
    "none fails": ({20: 1.0, 30: 1.0, 60: 1.0}, {20: 1.0, 30: 1.0, 60: 1.0}, {20: 1.0, 30: 1.0, 60: 1.0}),
}


@pytest.mark.parametrize(
    ("case", "outcomes"),
    [
        ("learnt", ["holds", "holds", "does not hold", "holds"]),
        ("vector not learnt", ["not shown", "not shown", "does not hold", "holds"]),
        ("none fails", ["does not hold", "not shown", "holds", "does not hold"]),
    ],
)
def test_copying_beyond_the_trained_lengths_asks_who_has_learnt_these(monkeypatch, case, outcomes):
    rows = [
        (model, seed, length, 20, accuracy, 0.0625)
        for model, own in zip(("fixed", "luong_general", "luong_location"), COPYING[case], strict=True)
        for length, accuracy in own.items()
        for seed in (0, 1, 2)
    ]
    found = found_with(monkeypatch, rows, "model seed length train_max_length token_accuracy chance_accuracy")
    assert [claim.outcome for claim in graves2014.judge(found)] == outcomes


@pytest.mark.parametrize(
    ("attention", "outcome"), [(10.0, "holds"), (8.3, "not shown"), (7.0, "does not hold")]
)
def test_a_much_larger_gain_is_twice_the_other_for_each_seed(monkeypatch, attention, outcome):
    rows = [
        (model, seed, bleu + (0.4 * seed if model == "bahdanau" else 0))
        for model, bleu in (("fixed_init", 5.0), ("fixed", 6.2), ("bahdanau", attention))
        for seed in (0, 1, 2)
    ]
    table = pd.DataFrame(rows, columns=["model", "seed", "bleu"])
    monkeypatch.setattr(Found, "corpus_bleu", lambda self, sweep: table)
    assert britz2017.judge(Found(Path(), lambda run: run))[1].outcome == outcome


@pytest.mark.parametrize(
    ("alone", "accuracy", "entropy", "variation", "outcomes"),
    [
        (0.98, 0.99, 1.0, 0.03, ("holds", "not shown")),
        (0.98, 0.99, 1.0, 0.6, ("does not hold", "not shown")),
        (0.5, 0.99, 1.0, 0.6, ("not shown", "holds")),  # one vector has not learnt it: attention is needed
        (0.5, 0.99, 1.0, 0.03, ("not shown", "does not hold")),
        (0.98, 0.85, 1.0, 0.03, ("not shown", "not shown")),
        (0.98, 0.99, 4.6, 0.03, ("not shown", "not shown")),  # equal weights change nothing when permuted
    ],
)
def test_permuted_weights_say_something_of_sharp_weights_that_have_learnt(
    monkeypatch, alone, accuracy, entropy, variation, outcomes
):
    seeds = (0, 1, 2)
    rows = [
        (model, seed, own)
        for model, own in (("fixed", alone), (jain2019.ATTENTION, accuracy))
        for seed in seeds
    ]
    found = found_with(monkeypatch, rows, "model seed token_accuracy")
    scores = [(seed, *own) for seed in seeds for own in (("model", entropy), ("uniform", 4.7))]
    tables = {
        "causal.csv": pd.DataFrame(
            [(seed, "permuted", variation) for seed in seeds], columns=["seed", "change", "median_variation"]
        ),
        "attention.csv": pd.DataFrame(scores, columns=["seed", "weights", "entropy_bits"]),
    }
    monkeypatch.setattr(Found, "inspected", lambda self, sweep, model, name: tables[name])
    assert tuple(claim.outcome for claim in jain2019.judge(found)) == outcomes


def test_a_source_read_backwards_is_compared_with_one_read_forwards():
    rows = [
        ("", 0, 0.9),
        ("model.reverse_source=false", 0, 0.5),
        ("", 1, 0.8),
        ("model.reverse_source=false", 1, 0.7),
    ]
    table = pd.DataFrame(rows, columns=["variant", "seed", "token_accuracy"])
    found = by_way(table, "token_accuracy")
    assert list(found[True] - found[False]) == pytest.approx([0.4, 0.1])


@pytest.mark.parametrize(("blind", "outcomes"), [(3.4, ("holds",) * 3), (3.0, ("not shown",) * 3)])
def test_text_predicted_worse_than_without_a_source_shows_nothing_of_the_way_to_read(
    monkeypatch, blind, outcomes
):
    columns = (
        "run_id model variant seed length length_min token_accuracy bleu cross_entropy_nats target_tokens"
    )
    ways = {"": 0.0, "model.reverse_source=false": 0.1}
    rows = [
        (
            f"{seed}{way}",
            "published_sutskever2014",
            way,
            seed,
            60,
            31,
            0.9 - worse,
            4 - worse,
            3.2 + worse,
            10,
        )
        for way, worse in ways.items()
        for seed in (0, 1, 2)
    ]
    rows += [(f"{seed}blind", "blind", "", seed, 60, 31, 0.1, 0.3, blind, 10) for seed in (0, 1, 2)]
    table = pd.DataFrame(rows, columns=columns.split())
    own = table[table["model"] != "blind"]
    monkeypatch.setattr(Found, "metrics", lambda self, sweep: table if sweep == BIBLE.name else own)
    monkeypatch.setattr(Found, "corpus_bleu", lambda self, sweep: own)
    _, *text = sutskever2014.judge(Found(Path(), lambda run: run))
    assert tuple(claim.outcome for claim in text) == outcomes


def test_what_long_sentences_keep_is_relative_to_the_best_short_bucket_above_blind():
    rows = [("fixed", 0, 15, 8.0), ("fixed", 0, 30, 7.0), ("fixed", 0, 45, 4.0), ("fixed", 0, 60, 3.0)]
    rows += [("blind", 0, 15, 6.0), ("blind", 0, 30, 0.0), ("blind", 0, 45, 0.0), ("blind", 0, 60, 0.0)]
    table = pd.DataFrame(rows, columns=["model", "seed", "length", "bleu"])
    assert kept(table, "bleu")["share"].tolist() == pytest.approx([0.5])
    nats = table.rename(columns={"bleu": "cross_entropy_nats"}).assign(
        cross_entropy_nats=lambda each: -each["cross_entropy_nats"]
    )
    assert kept(nats, "cross_entropy_nats")["share"].tolist() == pytest.approx([0.5])


def test_a_tiny_trial_stands_apart_from_real_results(tmp_path):
    for words in ([], ["--out", str(tmp_path)], ["--results", str(tmp_path)]):
        refused = CliRunner().invoke(app, ["graves2014", "--tiny", *words])
        assert (refused.exit_code, "--out and --results" in refused.stderr) == (2, True)
    assert not list(tmp_path.iterdir())


def test_an_unknown_name_and_missing_text_are_refused_before_anything_runs(tmp_path):
    runner = CliRunner()
    unknown = runner.invoke(app, ["bahdanau2051", "--results", str(tmp_path)])
    assert (unknown.exit_code, "bahdanau2015" in unknown.stderr) == (2, True)
    without_text = runner.invoke(app, ["britz2017", "--results", str(tmp_path)])
    assert (without_text.exit_code, "--text" in without_text.stderr) == (2, True)
    assert not list(tmp_path.iterdir())


def test_the_list_names_every_published_result():
    printed = CliRunner().invoke(app, ["--list"]).stdout
    assert all(each.name in printed for each in ALL)
    assert "jain2019 or wiegreffe2019: " in printed
    assert printed.count("Training took ") == len(ALL)


def test_another_name_means_the_same_and_is_made_once():
    [chosen] = reproduce._chosen(["wiegreffe2019", "jain2019"], None)
    assert chosen.name == "jain2019"


def test_the_words_of_text_name_six_files():
    words = text_words(Path("folder"))
    assert "task.source=folder/train.en" in words
    assert "task.test_target=folder/test.eo" in words
    assert len(words) == 6
    assert BIBLE.reads_text


QUICK = REFERENCE / "quick"
OTHER_PROCESSOR = 0.1
"""By how much the accuracy of a run of `quick` may differ where sums are made in another order."""


def changed(folder: Path, **columns: float) -> Path:
    """Copy the tables of `quick` into a folder, with some of its values changed in the row of `fixed` at 16 tokens."""
    for name in ("curve.csv", "breakdown.csv"):
        table = pd.read_csv(QUICK / name)
        is_meant = (table["model"] == "fixed") & (table["score"] == "token_accuracy")
        if name == "curve.csv":
            is_meant &= table["length"] == 16
        for column, value in columns.items():
            if column in table:
                table.loc[is_meant, column] = value
        table.to_csv(folder / name, index=False)
    return folder


def test_a_stored_folder_equals_itself(tmp_path):
    found = compare(QUICK, changed(tmp_path))
    assert (found.points > 20, found.differences) == (True, ())


def test_a_curve_that_lies_elsewhere_is_named(tmp_path):
    found = compare(QUICK, changed(tmp_path, mean=0.9, low=0.88, high=0.92))
    assert any(line.startswith("fixed, token_accuracy at 16: 0.900") for line in found.differences)


def test_an_arm_that_breaks_down_no_more_is_named(tmp_path):
    changed(tmp_path)
    table = pd.read_csv(tmp_path / "breakdown.csv", dtype={"censored": "object"})
    table.loc[table["model"] == "fixed", ["length", "low", "high", "censored"]] = [24, None, None, "above"]
    table.to_csv(tmp_path / "breakdown.csv", index=False)
    assert any("above 24, stored at 13.4" in line for line in compare(QUICK, tmp_path).differences)


def test_an_arm_that_is_missing_is_named(tmp_path):
    changed(tmp_path)
    table = pd.read_csv(tmp_path / "curve.csv")
    table[table["model"] != "fixed"].to_csv(tmp_path / "curve.csv", index=False)
    assert any("not made again" in line for line in compare(QUICK, tmp_path).differences)


def test_the_commands_of_a_stored_folder_are_each_run_once():
    assert commands_of(QUICK) == [["sweep"]]
    assert {"quick", "converged", "hour"} <= set(stored_folders())


@pytest.fixture
def in_this_process(monkeypatch):
    """Run the sweeps of a reproduction here, which saves the start of a process each."""

    def run(words: list[str]) -> None:
        done = attnbench(*words)
        assert done.status == 0, done.err

    monkeypatch.setattr(reproduce, "_attnbench", run)


@pytest.mark.slow(seconds=10)
@pytest.mark.usefixtures("in_this_process")
def test_a_stored_folder_is_made_again_and_compared(tmp_path, monkeypatch):
    stored, results = tmp_path / "stored", tmp_path / "results"
    assert attnbench(*TINY_SWEEP, "--seeds", "2", "--name", "small", "--results", stored).status == 0
    assert attnbench("plot", stored / "small").status == 0
    record = from_yaml((stored / "small" / "sweep.yaml").read_bytes())
    record["invocations"][0]["command"] = shlex.join(["attnbench", *TINY_SWEEP, "--seeds", "2"])
    (stored / "small" / "sweep.yaml").write_text(json.dumps(record))
    for module in (reproduce, stored_results):
        monkeypatch.setattr(module, "REFERENCE", stored)
    monkeypatch.setattr(reproduce, "stored_folders", lambda: stored_folders(stored))
    words = ["small", "--results", str(results)]
    again = CliRunner().invoke(app, words)
    assert (again.exit_code, "0 differences beyond intervals" in again.stdout) == (0, True), again.output
    curve = pd.read_csv(stored / "small" / "curve.csv")
    curve[["mean", "low", "high"]] += 0.5
    curve.to_csv(stored / "small" / "curve.csv", index=False)
    assert CliRunner().invoke(app, words).exit_code == 1


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize("length", [4, 24])
def test_the_defaults_still_give_what_is_stored_of_quick(tmp_path, length):
    words = ("sweep", "--lengths", length, "--seeds", "1", "--no-plot", "--results", tmp_path)
    assert attnbench(*words, "--executor", "inline", "--name", "quick").status == 0
    stored = read_metrics(QUICK / "metrics.csv").set_index("run_id")["token_accuracy"]
    fresh = read_metrics(tmp_path / "quick" / "metrics.csv").set_index("run_id")["token_accuracy"]
    assert len(fresh) == 2
    # Where a run is not stored the difference is NaN, which fails.
    assert ((fresh - stored.reindex(fresh.index)).abs() < OTHER_PROCESSOR).all()


def write_text(folder: Path) -> None:
    draw = random.Random(1)
    for split, count in (("train", 120), ("dev", 12), ("test", 12)):
        lines = [[f"w{draw.randrange(40)}" for _ in range(draw.randint(2, 8))] for _ in range(count)]
        (folder / f"{split}.en").write_text("".join(f"{' '.join(words)}\n" for words in lines))
        (folder / f"{split}.eo").write_text("".join(f"{'o '.join(words)}o\n" for words in lines))


@pytest.mark.slow(seconds=60)
@pytest.mark.usefixtures("in_this_process")
def test_every_reproduction_goes_from_command_to_page_at_a_tiny_size(tmp_path):
    write_text(tmp_path)
    words = ["all", "--tiny", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "out")]
    page = tmp_path / "page.md"
    done = CliRunner().invoke(app, [*words, "--text", str(tmp_path), "--page", str(page)])
    assert done.exit_code == 0, done.output
    written = page.read_text()
    assert "Not made yet" not in written
    assert done.output.count("What differs from the paper:") == len(ALL)
    for each in ALL:
        assert f"- {each.differs[0]}" in done.output
        assert f"- {each.differs[0]}" in written
        claims = pd.read_csv(tmp_path / "out" / each.name / "claims.csv")
        assert len(claims) >= 2
        assert set(claims["outcome"]) <= {"holds", "does not hold", "not shown"}
        assert f"## {each.name}" in written


@pytest.mark.slow(seconds=10)
def test_a_sweep_that_fails_ends_a_reproduction_with_its_status(tmp_path):
    (tmp_path / "results").write_text("a file where a folder is to be")
    words = ["graves2014", "--tiny", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "tools.reproduction", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "attnbench sweep --name graves_copy" in done.stderr) == (2, True)
    assert not (tmp_path / "out").exists()

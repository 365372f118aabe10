import math
import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from attnbench.analysis.statistics import MeanInterval
from tools.reproduction.__main__ import app
from tools.reproduction.bahdanau2015 import BIBLE, long_retention
from tools.reproduction.claims import (
    Found,
    all_of,
    below,
    decide,
    in_words,
    interval,
    paired,
    slope,
    text_words,
)
from tools.reproduction.published import ALL
from tools.reproduction.stored import REFERENCE, commands_of, compare, stored_folders
from tools.reproduction.sutskever2014 import gains
from tools.reproduction.zoology2024 import smallest_widths


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


def test_the_smallest_width_is_the_one_that_any_rate_and_seed_solves():
    rows = [
        ("fixed", 4, 16, 0.5),
        ("fixed", 4, 16, 0.95),  # another rate
        ("fixed", 8, 16, 0.5),
        ("fixed", 8, 32, 0.91),
        ("fixed", 16, 32, 0.2),
    ]
    table = pd.DataFrame(rows, columns=["model", "length", "hidden_size", "teacher_forced_accuracy"])
    widths = smallest_widths(table)["fixed"]
    assert (widths[4], widths[8]) == (16, 32)
    assert math.isnan(widths[16])


def test_a_source_read_backwards_is_compared_with_one_read_forwards():
    rows = [
        ("", 0, 0.9),
        ("model.reverse_source=false", 0, 0.5),
        ("", 1, 0.8),
        ("model.reverse_source=false", 1, 0.7),
    ]
    table = pd.DataFrame(rows, columns=["variant", "seed", "token_accuracy"])
    assert gains(table, "token_accuracy") == pytest.approx([0.4, 0.1])


def test_what_long_sentences_keep_is_relative_to_the_arms_best_bucket(monkeypatch, tmp_path):
    rows = [("fixed", 0, 1, 30, 20.0), ("fixed", 0, 31, 45, 8.0), ("fixed", 0, 46, 60, 4.0)]
    table = pd.DataFrame(rows, columns=["model", "seed", "length_min", "length", "bleu"])
    monkeypatch.setattr(Found, "metrics", lambda self, sweep: table)
    kept = long_retention(Found(tmp_path, lambda run: run))
    assert kept["share"].tolist() == pytest.approx([0.3])


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


def test_the_words_of_text_name_six_files():
    words = text_words(Path("folder"))
    assert "task.source=folder/train.en" in words
    assert "task.test_target=folder/test.eo" in words
    assert len(words) == 6
    assert BIBLE.reads_text


QUICK = REFERENCE / "quick"


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


@pytest.mark.slow(seconds=150)
def test_quick_made_again_is_what_is_stored(tmp_path):
    command = [sys.executable, "-m", "tools.reproduction", "quick", "--results", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 differences beyond intervals" in done.stdout


def write_text(folder: Path) -> None:
    draw = random.Random(1)
    for split, count in (("train", 120), ("dev", 12), ("test", 12)):
        lines = [[f"w{draw.randrange(40)}" for _ in range(draw.randint(2, 8))] for _ in range(count)]
        (folder / f"{split}.en").write_text("".join(f"{' '.join(words)}\n" for words in lines))
        (folder / f"{split}.eo").write_text("".join(f"{'o '.join(words)}o\n" for words in lines))


@pytest.mark.slow(seconds=90)
def test_every_reproduction_goes_from_command_to_page_at_a_tiny_size(tmp_path):
    write_text(tmp_path)
    words = ["all", "--tiny", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "out")]
    page = tmp_path / "page.md"
    command = [
        sys.executable,
        "-m",
        "tools.reproduction",
        *words,
        "--text",
        str(tmp_path),
        "--page",
        str(page),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = page.read_text()
    assert "Not made yet" not in written
    for each in ALL:
        claims = pd.read_csv(tmp_path / "out" / each.name / "claims.csv")
        assert len(claims) >= 2
        assert set(claims["outcome"]) <= {"holds", "does not hold", "not shown"}
        assert f"## {each.name}" in written

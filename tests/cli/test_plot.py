import shutil
import subprocess
import sys

import pytest

from attnbench.report import sweep_report
from attnbench.runs.metrics_csv import write_rows
from tests.commands import TINY, attnbench, contents, rows_of, run_folders
from tests.metrics_rows import curve_rows

DRAWN = {
    f"{name}.{kind}" for name in ("accuracy_vs_length", "bits_vs_length", "price") for kind in ("png", "svg")
} | {
    "curve.csv",
    "breakdown.csv",
    "comparison.csv",
    "capacity.csv",
    "price.csv",
    "verdict.md",
    "table.md",
    "table.tex",
}


def written(folder):
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def without_figures(monkeypatch):
    """Nothing is drawn, for tests of tables and words: figures take most of the time."""
    monkeypatch.setattr(sweep_report, "_draw", lambda tables, out: [])


def test_a_folder_is_drawn_into_itself_without_touching_its_runs(swept):
    runs = contents(swept / "runs")
    finished = attnbench("plot", swept)
    assert finished.status == 0
    assert written(swept) >= DRAWN
    assert contents(swept / "runs") == runs
    assert "luong general" in finished.out
    assert set(finished.err.splitlines()) == {str(swept / name) for name in DRAWN}


@pytest.mark.usefixtures("without_figures")
def test_a_name_under_the_results_is_enough(swept):
    for name in ("curve.csv", "breakdown.csv"):
        (swept / name).unlink()
    assert attnbench("plot", "quick-reverse", "--results", swept.parent).status == 0
    assert rows_of(swept / "curve.csv")


def test_a_table_by_itself_is_drawn_beside_it(swept, tmp_path):
    (tmp_path / "alone").mkdir()
    shutil.copy(swept / "metrics.csv", tmp_path / "alone" / "mine.csv")
    assert attnbench("plot", tmp_path / "alone" / "mine.csv").status == 0
    assert written(tmp_path / "alone") == DRAWN | {"mine.csv"}


def test_a_folder_with_nothing_but_a_table_is_drawn(swept, tmp_path):
    (tmp_path / "reference").mkdir()
    shutil.copy(swept / "metrics.csv", tmp_path / "reference")
    assert attnbench("plot", tmp_path / "reference").status == 0
    assert written(tmp_path / "reference") == DRAWN | {"metrics.csv"}


def test_out_takes_the_metrics_along_and_leaves_the_sweep_alone(swept, tmp_path):
    before = contents(swept)
    assert attnbench("plot", swept, "--out", tmp_path / "new" / "deeper").status == 0
    assert written(tmp_path / "new" / "deeper") == DRAWN | {"metrics.csv"}
    assert contents(swept) == before
    assert rows_of(tmp_path / "new" / "deeper" / "curve.csv") == rows_of(swept / "curve.csv")


def test_several_sweeps_are_one_figure_and_no_run_counts_twice(swept, tmp_path):
    shutil.copytree(swept, tmp_path / "copy")
    assert (
        attnbench("plot", swept, tmp_path / "copy", swept / "metrics.csv", "--out", tmp_path / "out").status
        == 0
    )
    assert rows_of(tmp_path / "out" / "curve.csv") == rows_of(swept / "curve.csv")
    assert len(rows_of(tmp_path / "out" / "metrics.csv")) == 4


def test_the_merged_table_is_derived_and_may_be_gone(swept):
    (swept / "metrics.csv").unlink()
    assert attnbench("plot", swept).status == 0


@pytest.mark.usefixtures("without_figures")
def test_checkpoints_may_be_gone(swept):
    for run in run_folders(swept):
        (run / "checkpoint.pt").unlink()
    assert attnbench("plot", swept).status == 0


def test_plot_loads_no_torch(swept):
    code = (
        "import sys; from attnbench.__main__ import main\n"
        f"sys.argv = ['attnbench', 'plot', {str(swept)!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as leaving:\n    print('status', leaving.code, 'torch' in sys.modules)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[-1] == "status 0 False"


def refused(*words):
    finished = attnbench("plot", *words)
    assert (finished.status, finished.out) == (2, "")
    assert "Traceback" not in finished.err
    assert 0 < len(finished.err.splitlines()) <= 3
    return finished.err


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-20], lambda text: "", lambda text: text.replace("run_id", "x")]
)
def test_a_damaged_table_is_named(swept, tmp_path, damage):
    table = swept / "metrics.csv"
    table.write_text(damage(table.read_text()))
    before = contents(swept)
    assert str(table) in refused(swept)
    assert str(table) in refused(table)
    assert contents(swept) == before


def test_a_table_that_is_not_text_is_named(swept):
    (swept / "metrics.csv").write_bytes(b"\x89PNG\r\n\xff\xfe")
    assert "is not UTF-8" in refused(swept / "metrics.csv")


@pytest.mark.usefixtures("without_figures")
def test_a_damaged_merged_table_can_be_made_anew(swept):
    (swept / "metrics.csv").write_text("")
    assert "delete it, and it is made anew" in refused(swept)
    (swept / "metrics.csv").unlink()
    assert attnbench("plot", swept).status == 0


@pytest.mark.parametrize("name", ["metrics.csv", "spec.yaml", "status.json", "checkpoint.pt"])
def test_a_damaged_run_is_named(swept, name):
    path = run_folders(swept)[1] / name
    path.write_bytes(path.read_bytes()[:-9])
    assert str(path) in refused(swept)


def test_a_table_without_rows_is_nothing_to_draw(swept):
    (swept / "header.csv").write_text((swept / "metrics.csv").read_text().splitlines()[0] + "\n")
    assert "has no rows" in refused(swept / "header.csv")


def test_a_sweep_in_which_nothing_is_finished_is_nothing_to_draw(swept):
    for run in run_folders(swept):
        (run / "status.json").unlink()
    assert f"attnbench status {swept}" in refused(swept)


def test_a_sweep_whose_runs_all_failed_is_nothing_to_draw_and_that_is_said(results):
    words = ("sweep", "--executor", "inline", "--lengths", "2", "--models", "fixed", "--seeds", "1", *TINY)
    assert (
        attnbench(
            *words, "training.learning_rate=1e38", "training.warmup_steps=0", "--results", results
        ).status
        == 1
    )
    said = refused("quick-reverse", "--results", results)
    assert "no run has a row to draw (1 failed)" in said
    assert written(results / "quick-reverse") == {"claim", "runs", "sweep.yaml"}


def test_a_folder_without_results_is_refused(tmp_path):
    assert "holds no results" in refused(tmp_path)
    assert f"{tmp_path} holds no results" in refused("none", "--results", tmp_path)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "making"),
    [
        ("hour-reverse", "attnbench sweep --preset hour"),
        ("hour-copy", "attnbench sweep --preset hour task=copy"),
        ("standard-reverse-recall", "attnbench sweep --preset standard task=reverse,recall"),
    ],
)
def test_a_sweep_that_was_not_made_yet_is_told_the_command_that_makes_it(
    swept, tmp_path, monkeypatch, name, making
):
    said = refused(name, "--results", swept.parent)
    assert f"{swept.parent} holds quick-reverse. Make it first: `{making} --results {swept.parent}`." in said
    assert "Did you mean" not in said
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert f"{tmp_path}/elsewhere/results holds no results. Make it first: `{making}`." in refused(name)


def test_an_unknown_name_gets_those_there_are(swept):
    assert "Known: quick-reverse. Did you mean quick-reverse?" in refused(
        "quik-reverse", "--results", swept.parent
    )


def test_one_bad_name_among_good_ones_draws_nothing(swept):
    before = contents(swept)
    refused(swept, "none", "--results", swept.parent)
    assert contents(swept) == before


def test_a_place_that_cannot_be_written_is_found_before_drawing(swept, tmp_path):
    (tmp_path / "file").touch()
    assert "file is a file, expected a folder. Use another --out." in refused(
        swept, "--out", tmp_path / "file"
    )
    assert "is a file" in refused(swept, "--out", tmp_path / "file" / "below")


@pytest.mark.usefixtures("without_figures")
def test_the_verdict_is_printed_after_the_table_and_saved(swept):
    finished = attnbench("plot", swept)
    verdict = (swept / "verdict.md").read_text()
    assert verdict.startswith("# reverse: one model per length\n\n**")
    assert "\n- 2 to 3 tokens; hidden size 8, " in verdict
    assert "No verdict on the comparison of luong general with fixed: 1 pair of seeds" in verdict
    shown, _, method = verdict.partition("## Method")
    printed = " ".join(finished.out.split())
    plain = (
        shown.replace("#", "").replace("**", "").replace("Found", "Found:").replace("Not shown", "Not shown:")
    )
    assert printed.endswith(" ".join([*plain.split(), "Method: verdict.md"]))
    assert " ".join(method.split()) not in printed


@pytest.mark.usefixtures("without_figures")
def test_another_baseline_turns_the_comparison_round(swept):
    def gap():
        rows = rows_of(swept / "comparison.csv")
        (row,) = [row for row in rows if row["kind"] == "contrast" and row["score"] == "token_accuracy"]
        return row["baseline"], row["model"], float(row["gap"])

    assert attnbench("plot", swept).status == 0
    there = gap()
    assert attnbench("plot", swept, "--baseline", "luong_general").status == 0
    assert gap() == ("luong_general", "fixed", pytest.approx(-there[2]))
    assert there[:2] == ("fixed", "luong_general")


def test_an_unknown_baseline_is_wrong_use_and_draws_nothing(swept):
    before = contents(swept)
    assert "Unknown baseline 'fixt'. Known: fixed, luong_general. Did you mean fixed?" in refused(
        swept, "--baseline", "fixt"
    )
    assert "--baseline belongs to the comparison" in refused(
        swept, "--figure", "price", "--baseline", "fixed"
    )
    assert contents(swept) == before


@pytest.mark.usefixtures("without_figures")
def test_without_the_default_baseline_nothing_is_compared_and_the_verdict_says_so(swept, tmp_path):
    rows = [row for row in rows_of(swept / "metrics.csv") if row["model"] != "fixed"]
    write_rows(tmp_path / "metrics.csv", rows)
    finished = attnbench("plot", tmp_path / "metrics.csv")
    assert finished.status == 0
    assert "there is no baseline arm" in (tmp_path / "verdict.md").read_text()
    assert rows_of(tmp_path / "comparison.csv") == []


def damaged_table(swept, line, column, cell):
    """Put a cell into the table by the number of its line, and return the path."""
    table = swept / "metrics.csv"
    rows = rows_of(table)
    rows[line - 2][column] = cell
    write_rows(table, rows)
    return table


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("token_accuracy", "1.2", "expected a number from 0 to 1, found '1.2'"),
        ("teacher_forced_accuracy", "-0.1", "expected a number from 0 to 1, found '-0.1'"),
        ("bits_recovered", "many", "expected a number, found 'many'"),
        ("steps_to_90", "1.5", "expected a whole number of 1 or more, found '1.5'"),
        ("steps_to_90", "0", "expected a whole number of 1 or more, found '0'"),
        ("seed", "", "expected a whole number of 0 or more, found an empty cell"),
    ],
)
def test_a_cell_that_cannot_be_is_named_with_file_row_and_column(swept, column, cell, expected):
    table = damaged_table(swept, 3, column, cell)
    assert f"{table}, line 3, column '{column}': {expected}" in refused(table)


def test_a_row_that_is_there_twice_is_named(swept):
    table = swept / "metrics.csv"
    rows = rows_of(table)
    write_rows(table, [*rows, rows[1]])
    found = refused(table)
    assert f"{table}, line {len(rows) + 2}, column 'run_id'" in found
    assert f"{rows[1]['run_id']} at length {rows[1]['length']} is there already (line 3)" in found


def test_missing_columns_are_named(swept):
    table = swept / "metrics.csv"
    lines = [line.split(",") for line in table.read_text().splitlines()]
    places = [i for i, name in enumerate(lines[0]) if name not in ("seed", "steps")]
    table.write_text("".join(",".join(cells[i] for i in places) + "\n" for cells in lines))
    assert f"{table}, line 1: lacks the columns seed, steps" in refused(table)


def table_of(folder, rows):
    folder.mkdir()
    write_rows(folder / "metrics.csv", rows)
    return folder / "metrics.csv"


@pytest.mark.usefixtures("without_figures")
def test_a_table_that_a_spreadsheet_saved_is_drawn_as_ours_and_that_is_said(swept, tmp_path):
    text = (swept / "metrics.csv").read_text().replace(",", ";")
    (tmp_path / "theirs").mkdir()
    theirs = tmp_path / "theirs" / "metrics.csv"
    theirs.write_bytes(b"sep=;\r\n" + text.replace("\n", "\r\n").encode())
    for named in (theirs, theirs.parent):
        finished = attnbench("plot", named)
        assert finished.status == 0, finished.err
        assert finished.err.splitlines()[0] == f"{theirs}: read with semicolons between cells."
    assert attnbench("plot", swept).status == 0
    assert (theirs.parent / "curve.csv").read_bytes() == (swept / "curve.csv").read_bytes()


@pytest.mark.usefixtures("without_figures")
def test_a_table_joined_by_hand_is_drawn_and_what_was_skipped_is_counted(swept):
    table = swept / "joined.csv"
    header, *lines = (swept / "metrics.csv").read_text().splitlines()
    table.write_text("\n".join([header, *lines[:2], header, *lines[2:], "," * header.count(","), ""]))
    finished = attnbench("plot", table)
    assert finished.status == 0
    assert f"{table}: skipped 1 repeated header and 1 empty row." in finished.err


def test_the_merged_table_of_a_sweep_is_ours_and_not_to_be_edited(swept):
    header, *lines = (swept / "metrics.csv").read_text().splitlines()
    (swept / "metrics.csv").write_text("\n".join([header, header, *lines, ""]))
    assert "line 2, column 'length'" in refused(swept)


def test_missing_scores_are_named_and_what_there_is_is_drawn(tmp_path):
    rows = curve_rows({4: [0.9], 8: [None]})
    finished = attnbench("plot", table_of(tmp_path / "some", rows))
    assert finished.status == 0
    assert "token_accuracy is empty in 1 of 2 rows: they are left out of its means." in finished.err
    finished = attnbench("plot", table_of(tmp_path / "all", [row | {"token_accuracy": None} for row in rows]))
    assert finished.status == 0
    assert "token_accuracy is empty in 2 of 2 rows: it is left out." in finished.err
    assert "Nothing was compared: no row has the free-running accuracy." in " ".join(finished.out.split())


def test_a_table_without_scores_is_nothing_to_draw(tmp_path):
    table = table_of(tmp_path / "none", curve_rows({4: [None]}, bits_recovered=None))
    assert "no row has token_accuracy, teacher_forced_accuracy, bits_recovered or bleu" in refused(table)
    assert written(table.parent) == {"metrics.csv"}


def test_export_prints_the_tables_of_a_sweep_and_writes_nothing(swept):
    before = contents(swept)
    latex = attnbench("export", swept, "--latex")
    assert (latex.status, latex.err) == (0, "")
    assert latex.out.startswith("% \\usepackage{booktabs}\n")
    assert latex.out.count("\\begin{table}") == 3
    assert "\n    luong general & " in latex.out
    assert "| luong general | " in attnbench("export", swept, "--markdown").out
    for words in ([], ["--latex", "--markdown"]):
        finished = attnbench("export", swept, *words)
        assert finished.status == 2
        assert "Expected --latex or --markdown, one of them." in finished.err
    assert contents(swept) == before

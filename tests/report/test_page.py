import html
import json
import re

from attnbench.report.page import SweepPage
from attnbench.report.page_runs import inspected_runs
from attnbench.report.page_tables import arm_table, number_text, numbers_of
from attnbench.report.settings import SweepTables
from attnbench.report.verdict import verdicts
from attnbench.runs.store import RunStore
from attnbench.runs.sweep_records import SweepRecords
from tests.commands import attnbench
from tests.metrics_rows import curve_rows, metrics_table
from tests.plots.sweeps import two_arms
from tests.report.pages import HOSTILE, hostile_rows


def page_of(rows, tmp_path, **options):
    return SweepPage("a sweep", SweepTables.of(metrics_table(rows)), SweepRecords(tmp_path), "", **options)


def test_three_sentences_come_first_and_the_whole_verdict_is_to_unfold(tmp_path):
    rows = two_arms()
    (verdict,) = verdicts(SweepTables.of(metrics_table(rows)))
    text = html.unescape(page_of(rows, tmp_path).html())
    shown, folded = text.split("<details", 1)
    for sentence in (verdict.headline, f"Found: {verdict.found[0]}", f"Not shown: {verdict.not_shown[0]}"):
        assert f"<p>{sentence}</p>" in shown
    for sentences in verdict.lists.values():
        assert all(f"<li>{sentence}</li>" in folded for sentence in sentences)


def test_no_name_becomes_an_element_or_ends_the_script(tmp_path):
    page = page_of(hostile_rows(), tmp_path)
    page.title = HOSTILE
    text = page.html()
    assert text.count("<script") == 3  # values, library and the page's own
    assert "<b>own" not in text
    values = json.loads(re.search(r'id="values">(.*?)</script>', text, re.DOTALL)[1])
    (datasets,) = (chart["spec"]["datasets"] for chart in values["charts"][:1])
    assert HOSTILE in {row.get("arm") for rows in datasets.values() for row in rows}


def test_the_policy_allows_neither_evaluation_nor_anything_from_outside(tmp_path):
    policy = re.search(r'Security-Policy" content="([^"]*)"', page_of(two_arms(), tmp_path).html())[1]
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "unsafe-eval" not in policy
    assert "http" not in policy


def test_the_page_says_what_is_missing(tmp_path):
    rows = [row | {"bits_recovered": None} for row in curve_rows({4: [0.5], 8: [0.4]})]
    missing = page_of(rows, tmp_path)._missing()
    assert any(note.startswith("One arm alone") for note in missing)
    assert any(note.startswith("One seed") for note in missing)
    assert "bits_recovered is empty in 2 of 2 rows." in missing


def test_a_table_names_arms_in_one_column_and_keeps_every_column_in_its_csv():
    tables = SweepTables.of(metrics_table(two_arms()))
    table = arm_table("breakdown.csv", "Breakdown", tables.breakdown)
    assert [heading for heading, _ in table.columns][:4] == ["Arm", "Score", "Threshold", "Length"]
    assert {row[0].text for row in table.rows} == {"fixed", "luong general"}
    assert table.csv.splitlines()[0].startswith("task,model,variant,protocol")


def test_columns_of_text_are_numbers_where_all_their_cells_are():
    table = numbers_of([{"a": "1", "b": "x", "c": ""}, {"a": "", "b": "2", "c": ""}])
    assert [table[name].dtype.kind == "f" for name in "abc"] == [True, False, False]


def test_numbers_have_three_digits():
    assert [number_text(each) for each in (3.0, 0.12345, 45.678, 1234.5, 12345.0)] == [
        "3",
        "0.123",
        "45.7",
        "1,234",
        "12,345",
    ]


def test_records_tell_states_errors_and_inspections(tmp_path):
    store = RunStore(tmp_path / "sweep")
    run = store.runs_path / "reverse-fixed"
    (run / "inspect" / "length_4").mkdir(parents=True)
    (run / "inspect" / "heatmap_0.png").write_bytes(b"png")
    (run / "inspect" / "length_4" / "causal.csv").write_text("run_id,length\nreverse-fixed,4\n")
    for name in ("page.html", "page_wrong.html"):
        (run / "inspect" / name).touch()
    (run / "environment.json").write_text("{")
    (run / "train.csv").write_text("step,loss_nats\n1,2.5\n")
    records = SweepRecords.of(store)
    assert records.states == {"reverse-fixed": "waiting"}
    assert [str(each.where) for each in records.inspections()] == [
        "runs/reverse-fixed/inspect",
        "runs/reverse-fixed/inspect/length_4",
    ]
    assert [list(each.pages) for each in records.inspections()] == [["page.html", "page_wrong.html"], []]
    assert [each.where.split(", ")[1:] for each in inspected_runs(records)] == [
        ["with page.html and page_wrong.html to click through."],
        [],
    ]
    assert records.learning(["reverse-fixed"]) == {"reverse-fixed": [{"step": "1", "loss_nats": "2.5"}]}
    assert records.environments() == {}
    assert records.unread == {"environment.json": 1}


def test_the_command_writes_the_page_beside_the_sweep_and_names_it(tmp_path):
    folder = tmp_path / "a sweep"
    folder.mkdir()
    metrics_table(two_arms()).to_csv(folder / "metrics.csv", index=False)
    done = attnbench("report", folder)
    assert done.status == 0, done.err
    assert f"{folder / 'report.html'} (1." in done.err
    assert (folder / "report.html").stat().st_size < 3_000_000
    assert attnbench("report", folder, "--out", tmp_path / "b.html").status == 0
    assert (tmp_path / "b.html").exists()


def test_a_file_that_is_no_page_of_ours_stays_and_a_folder_is_named(tmp_path):
    (tmp_path / "new" / "runs").mkdir(parents=True)
    words, own = ("report", "new", "--results", tmp_path, "--out"), tmp_path / "mine"
    own.mkdir()
    finished = attnbench(*words, own)
    assert (finished.status, (own / "report.html").exists()) == (0, True)
    assert f"{own} is a folder: the page goes into it, as report.html\n" in finished.err
    assert attnbench(*words, own).status == 0  # a page of ours is written anew
    assert attnbench(*words, own / "report.html").status == 0
    (own / "notes.html").write_text("<p>mine</p>")
    (own / "empty.html").touch()
    (own / "report.html").write_text("<p>mine too</p>")
    for path, place in ((own / "notes.html", own / "notes.html"), (own / "report.html", own)):
        before = path.read_text()
        refused = attnbench(*words, place)
        assert refused.status == 2
        assert f"{path} is there, and no page of `attnbench report`" in refused.err
        assert path.read_text() == before
    assert attnbench(*words, own / "empty.html").status == 0


def test_a_sweep_without_a_finished_run_has_a_page_and_one_that_is_not_there_has_none(tmp_path):
    (tmp_path / "new" / "runs").mkdir(parents=True)
    done = attnbench("report", "new", "--results", tmp_path)
    assert done.status == 0, done.err
    assert "no run has finished" in (tmp_path / "new" / "report.html").read_text()
    refused = attnbench("report", "nwe", "--results", tmp_path)
    assert refused.status == 2
    assert "Did you mean new?" in refused.err
    assert attnbench("report", "new", "--results", tmp_path, "--out", tmp_path / "new").status == 0

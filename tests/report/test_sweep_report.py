import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from attnbench.errors import UserError
from attnbench.report.sweep_report import FIGURES, check_rates, report_figure, report_metrics, report_store
from attnbench.report.verdict import verdict_markdown
from attnbench.runs.sentences import read_sentence_table, write_sentence_table
from attnbench.runs.store import RunStore
from attnbench.runs.training_records import Progress, TrainingRecords
from tests.metrics_rows import curve_rows, law_rows, metrics_table
from tests.planted_sentences import joined_runs, planted_run
from tests.plots.drawn import caption, legend
from tests.plots.sweeps import two_arms
from tests.runs.tiny_runs import executed, text_spec
from tests.tasks.text.text_examples import numbered_pairs, write_tsv


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def report(out, rows, **options):
    """What is told while a report is written, each with the files that were there, and the files that it names."""
    told = []
    files = report_metrics(
        [metrics_table(rows)], out, tell=lambda *words: told.append((*words, names_in(out))), **options
    )
    return told, files


def test_tables_and_verdict_are_told_once_they_are_written_and_before_figures(tmp_path):
    ((tables, found, there),), files = report(tmp_path / "out", two_arms(), is_drawn=True)
    assert {"curve.csv", "breakdown.csv", "verdict.md"} < set(there)
    assert not any(name.endswith(".png") for name in there)
    assert (tmp_path / "out" / "verdict.md").read_text() == verdict_markdown(found)
    assert len(tables.curve) == len((tmp_path / "out" / "curve.csv").read_text().splitlines()) - 1
    assert sorted(path.name for path in files) == names_in(tmp_path / "out")
    assert "price.png" in names_in(tmp_path / "out")


def test_of_several_budgets_and_sizes_the_law_is_drawn_too(tmp_path):
    law = law_rows((500, 1000, 2000), (16, 32, 64), lambda steps, size: 0.2 * steps + 0.5 * size - 0.75)
    for name, rows in (("law", law), ("plain", two_arms())):
        report(tmp_path / name, rows, is_drawn=True)
        assert ("law.png" in names_in(tmp_path / name)) == (name == "law")


def test_without_figures_there_are_tables_alone(tmp_path):
    _, files = report(tmp_path / "out", two_arms(), is_drawn=False)
    assert {path.suffix for path in files} == {".csv", ".md", ".tex"}


def test_tables_and_words_need_no_matplotlib():
    code = (
        "import sys, attnbench.report.sweep_report; print({'matplotlib', 'torch', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_named_figure_is_written_with_its_table_and_the_metrics_where_asked(tmp_path):
    rows = [metrics_table(two_arms())]
    files = report_figure("memory", rows, tmp_path / "out", is_copied=True)
    assert [path.name for path in files] == ["metrics.csv", "memory.csv", "memory.png", "memory.svg"]
    assert names_in(tmp_path / "out") == sorted(path.name for path in files)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, by the names of their files."""
    figures = {}
    monkeypatch.setattr(
        "attnbench.plots.layout.save_figure", lambda figure, path: figures.update({path.name: figure}) or []
    )
    return figures


@pytest.mark.parametrize("sizes", [(16, 32, 64), (16, 32)])
def test_of_more_arms_than_can_be_told_apart_the_largest_budget_is_drawn_against_length(
    tmp_path, drawn, sizes
):
    steps = (500, 1000, 2000, 4000, 8000, 9000)
    law = law_rows(steps, sizes, lambda steps, size: 0.2 * steps + 0.5 * size - 0.75)
    report(tmp_path, law, is_drawn=True)
    figure = drawn["accuracy_vs_length"]
    names = [text.partition("\n")[0] for text in legend(figure.axes[0]) if text.startswith("fixed")]
    is_thinned = len(sizes) == 3
    assert len(names) == (3 if is_thinned else 12)
    assert (
        "drawn of several budgets with the same lengths: the largest" in caption(figure).lower()
    ) == is_thinned
    assert is_thinned == (names[0] == "fixed, hidden 16")
    assert "law" in drawn


def test_a_larger_budget_at_few_lengths_does_not_hide_the_curve_that_it_was_run_around(tmp_path, drawn):
    arms = [curve_rows({4: [1.0], 8: [0.6], 16: [0.1]}, hidden_size=size) for size in range(8, 17)]
    longer = [
        curve_rows({8: [0.7]}, hidden_size=size, variant="training.steps=6000", steps=6000)
        for size in range(8, 17)
    ]
    report(tmp_path, [row for rows in (*arms, *longer) for row in rows], is_drawn=True)
    labels = legend(drawn["accuracy_vs_length"].axes[0])
    assert sum(text.startswith("fixed") for text in labels) == 18


def test_arms_whose_steps_are_not_known_are_drawn_however_many_there_are(tmp_path, drawn):
    rows = [row for size in range(8, 26) for row in curve_rows({4: [1.0], 8: [0.6]}, hidden_size=size)]
    report(tmp_path, [row | {"steps": None} for row in rows], is_drawn=True)
    labels = legend(drawn["accuracy_vs_length"].axes[0])
    assert sum(text.startswith("fixed") for text in labels) == 18


class PartlyDone(TrainingRecords):
    def progress(self, metrics):
        return Progress(25, 36)


def test_of_an_unfinished_sweep_every_figure_says_first_how_much_is_done(tmp_path, drawn):
    law = law_rows((500, 1000), (16, 32), lambda steps, size: 0.2 * steps + 0.5 * size - 0.75)
    rows = [metrics_table({**row, "bits_recovered": 8.0, "bits_available": 16.0} for row in law)]
    for name in FIGURES:
        report_figure(name, rows, tmp_path, is_copied=False, records=PartlyDone())
    assert sorted(drawn) == sorted(FIGURES)
    report_metrics(rows, tmp_path, True, lambda *_: None, records=PartlyDone())
    assert len(drawn) > len(FIGURES)
    for name, figure in drawn.items():
        told = caption(figure)
        assert told.startswith("Unfinished: 25 of 36 planned runs. "), name
        assert told.count("nfinished") == 1, name
    drawn.clear()
    report_metrics(rows, tmp_path, True, lambda *_: None)
    assert drawn
    assert not any("nfinished" in caption(figure) for figure in drawn.values())


def test_one_arm_at_several_rates_is_refused():
    rows = curve_rows({4: [1.0]}, learning_rate=0.1, run_id="a")
    rows += curve_rows({4: [0.5]}, learning_rate=0.2, run_id="b")
    with pytest.raises(UserError, match=r"a at 0\.1 and b at 0\.2"):
        check_rates([metrics_table(rows)])
    check_rates([metrics_table(two_arms())])


def planted_text(tmp_path):
    """A folder with a table of real text and its sentences, as a stored result has them."""
    runs = [
        planted_run(np.linspace(0.2, 0.8, 60) * share, length=length, seed=seed)
        for seed in (0, 1)
        for length, share in ((10, 1.0), (20, 0.5))
    ]
    rows, sentences = joined_runs(runs)
    folder = tmp_path / "stored"
    folder.mkdir()
    write_sentence_table(folder / "sentences.csv.gz", sentences)
    return folder, rows


def test_sentences_beside_a_table_go_along_with_it_and_make_the_same_intervals(tmp_path):
    folder, rows = planted_text(tmp_path)
    options = {"is_drawn": False, "is_copied": True}
    report(tmp_path / "a", rows, records=TrainingRecords([folder]), **options)
    report(tmp_path / "b", rows, records=TrainingRecords([tmp_path / "a"]), **options)
    report(tmp_path / "without", rows, **options)
    assert "sentences.csv.gz" not in names_in(tmp_path / "without")
    for name in ("sentences.csv.gz", "retention.csv", "breakdown.csv", "curve.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert "sentences and seeds" in (tmp_path / "a" / "retention.csv").read_text()
    assert "sentences and seeds" not in (tmp_path / "without" / "retention.csv").read_text()
    assert "are over sentences (drawn anew" in (tmp_path / "a" / "verdict.md").read_text()
    assert "over seeds alone" not in (tmp_path / "a" / "verdict.md").read_text()


def test_the_rates_that_were_tried_go_along_with_a_copied_table(tmp_path):
    folder = tmp_path / "stored"
    folder.mkdir()
    rows, tried = curve_rows({4: [0.9], 8: [0.2]}), "task,model,learning_rate\nreverse,fixed,0.003\n"
    (folder / "tuning.csv").write_text(tried)
    options = {"is_drawn": False, "records": TrainingRecords([folder])}
    report(tmp_path / "copied", rows, is_copied=True, **options)
    report(tmp_path / "in_place", rows, is_copied=False, **options)
    assert (tmp_path / "copied" / "tuning.csv").read_text() == tried
    assert "tuning.csv" not in names_in(tmp_path / "in_place")


def test_a_figure_by_name_takes_the_rates_that_were_tried_as_the_whole_report_does(tmp_path):
    rows = [
        row | {"token_accuracy": 0.0} if (row["steps"], row["seed"]) == (500, 0) else row
        for row in law_rows((500, 1000, 2000), (16, 32), lambda steps, size: 0.2 * steps + 0.5 * size - 0.75)
    ]
    tried = [
        {**row, "chosen": "false", "at_edge": "false", "learning_rate": 0.5, "validation_token_accuracy": 0.9}
        for row in rows
        if row["steps"] == 500
    ]
    folder = tmp_path / "stored"
    folder.mkdir()
    pd.DataFrame(tried).to_csv(folder / "tuning.csv", index=False)
    for name, records in (("with", TrainingRecords([folder])), ("without", TrainingRecords())):
        report(tmp_path / name, rows, is_drawn=False, records=records)
        report_figure("law", [metrics_table(rows)], tmp_path / f"{name}-law", is_copied=True, records=records)
        for table in ("law.csv", "law_cells.csv"):
            whole = (tmp_path / name / table).read_text()
            assert (tmp_path / f"{name}-law" / table).read_text() == whole
    assert (tmp_path / "with" / "law_cells.csv").read_text() != (
        tmp_path / "without" / "law_cells.csv"
    ).read_text()
    assert "tuning.csv" in names_in(tmp_path / "with-law")


def test_the_figure_of_the_training_cost_says_how_it_grows_with_length(tmp_path):
    rows = curve_rows({length: [0.9] * 3 for length in (4, 8, 16)})
    slots = curve_rows({length: [0.9] * 3 for length in (4, 8, 16)}, model="slots")
    rows = [row | {"steps_to_90": row["length"] ** 2} for row in rows]
    rows += [row | {"steps_to_90": 90 if row["length"] == 4 else None} for row in slots]
    told = []
    report_figure("price", [metrics_table(rows)], tmp_path, False, told.extend, records=PartlyDone())
    assert [each.heading for each in told] == ["reverse: one model per length: the price of length"]
    assert told[0].headline == (
        "Unfinished, 25 of 36 planned runs: steps to learn go as length^2.00 [2.00, 2.00] for fixed (1,500 steps); no "
        "exponent for slots (1,500 steps), since half of the seeds learnt 1 of 3 lengths, and 3 are the least."
    )


def test_a_sweep_merges_the_sentences_of_its_runs(tmp_path):
    spec = text_spec(write_tsv(tmp_path / "pairs.tsv", numbered_pairs(90)))
    store = RunStore(tmp_path / "sweep")
    executed(store.runs_path, spec, 4, 9)
    files = report_store(store, is_drawn=False, tell=lambda *_: None, on_damage=pytest.fail)
    assert store.sentences_file in files
    merged = read_sentence_table(store.sentences_file)
    assert set(merged["run_id"]) == {spec.run_id}

import subprocess
import sys

import pytest

from attnbench.errors import UserError
from attnbench.report.sweep_report import check_rates, report_figure, report_metrics
from tests.metrics_rows import curve_rows, metrics_table
from tests.plots.sweeps import two_arms


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
    ((tables, verdict, there),), files = report(tmp_path / "out", two_arms(), is_drawn=True)
    assert {"curve.csv", "breakdown.csv", "verdict.md"} < set(there)
    assert not any(name.endswith(".png") for name in there)
    assert (tmp_path / "out" / "verdict.md").read_text() == verdict
    assert len(tables.curve) == len((tmp_path / "out" / "curve.csv").read_text().splitlines()) - 1
    assert sorted(path.name for path in files) == names_in(tmp_path / "out")
    assert "price.png" in names_in(tmp_path / "out")


def test_without_figures_there_are_tables_alone(tmp_path):
    _, files = report(tmp_path / "out", two_arms(), is_drawn=False)
    assert {path.suffix for path in files} == {".csv", ".md"}


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


def test_one_arm_at_several_rates_is_refused():
    rows = curve_rows({4: [1.0]}, learning_rate=0.1, run_id="a")
    rows += curve_rows({4: [0.5]}, learning_rate=0.2, run_id="b")
    with pytest.raises(UserError, match=r"a at 0\.1 and b at 0\.2"):
        check_rates([metrics_table(rows)])
    check_rates([metrics_table(two_arms())])

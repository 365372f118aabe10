from dataclasses import replace

from attnbench.report.paper_tables import (
    accuracy_tables,
    escaped_latex,
    export_text,
    latex_text,
    markdown_text,
)
from attnbench.report.settings import SweepTables
from attnbench.runs.training_records import Progress
from tests.metrics_rows import curve_rows, metrics_table
from tests.plots.sweeps import FALLING, STAYING, text_rows, two_arms


def tables_of(rows):
    return SweepTables.of(metrics_table(rows))


def rows_of_markdown(text):
    """The rows of the first table as lists of cells, its header first."""
    first = text.split("\n\n")[1]
    lines = [line for line in first.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_row_for_each_arm_has_its_means_l50_seeds_and_parameters():
    rows = [row | {"parameters": 32468} for row in two_arms()]
    header, _, fixed, attention = rows_of_markdown(markdown_text(accuracy_tables(tables_of(rows))))
    assert header == ["arm", "4", "8", "16", "32", "L50", "seeds", "parameters"]
    # The mean of .30, .35, .25, and so on.
    assert fixed[:5] == ["fixed", "0.993", "0.900", "0.600", "0.300"]
    assert fixed[5].startswith("18.8 [")
    assert fixed[6:] == ["3", "32,468"]
    assert attention[0] == "luong general"
    assert attention[5] == "> 32"


def test_seeds_of_an_unfinished_sweep_are_those_of_the_fewest_and_of_the_most():
    rows = curve_rows({4: [1.0, 1.0, 1.0], 8: [0.9, 0.8], 16: [0.2]})
    tables = replace(tables_of(rows), progress=Progress(6, 9))
    text = markdown_text(accuracy_tables(tables))
    assert rows_of_markdown(text)[-1][-2] == "1–3"
    told = "Unfinished: 6 of 9 planned runs; seeds such as 1–3: not equally many at every length."
    assert told in text
    assert export_text(tables, is_latex=False).count("Unfinished: 6 of 9 planned runs") == 2
    assert "Unfinished" not in markdown_text(accuracy_tables(tables_of(rows)))


def test_what_an_arm_was_not_tested_at_or_has_not_is_a_dash():
    rows = curve_rows(FALLING) + curve_rows({4: [1.0]}, model="bahdanau", parameters=None)
    *_, other = rows_of_markdown(markdown_text(accuracy_tables(tables_of(rows))))
    assert other == ["bahdanau", "1.000", "–", "–", "–", "> 4", "1", "–"]


def test_real_text_has_bleu_by_bucket():
    (table,) = accuracy_tables(tables_of(text_rows()))
    assert "mean BLEU" in table.caption
    assert table.columns[:5] == ["arm", "1–10", "11–20", "21–40", "half BLEU"]
    assert table.rows[0][:4] == ["fixed", "17.5", "15.0", "10.0"]


def test_latex_has_a_cell_for_every_column_between_the_rules_of_booktabs():
    text = latex_text(accuracy_tables(tables_of(two_arms())))
    assert text.startswith("% \\usepackage{booktabs}\n\\begin{table}\n")
    body = text.partition("\\midrule\n")[2].partition("    \\bottomrule")[0].splitlines()
    assert len(body) == 2
    assert all(line.endswith(" \\\\") and line.count("&") == 7 for line in body)
    assert "\\begin{tabular}{lrrrrlrr}" in text
    assert "\\textgreater{} 32" in text


def test_names_of_a_person_are_neither_commands_of_latex_nor_cells_of_markdown():
    assert escaped_latex("a_b & 50 % {x} \\cmd #1 $2 ~ ^") == (
        "a\\_b \\& 50 \\% \\{x\\} \\textbackslash{}cmd \\#1 \\$2 \\textasciitilde{} \\textasciicircum{}"
    )
    assert escaped_latex("[-0.057, -0.025]") == "[$-$0.057, $-$0.025]"
    tables = accuracy_tables(tables_of(two_arms(task="my_task | x")))
    assert "my\\_task \\textbar{} x" in latex_text(tables)
    assert "my_task \\| x" in markdown_text(tables)


def test_export_adds_the_breakdown_and_the_comparison_of_each_setting():
    long = {"variant": "training.steps=6000", "steps": 6000}
    five = {length: [*means, means[0], means[1]] for length, means in FALLING.items()}
    higher = {length: [0.99] * 5 for length in STAYING}
    rows = curve_rows(five) + curve_rows(higher, model="luong_general") + curve_rows(five, **long)
    text = export_text(tables_of(rows), is_latex=False)
    captions = [line for line in text.splitlines() if line.startswith("reverse")]
    budgets = [caption.split(": ")[1].rpartition(", ")[2] for caption in captions]
    assert budgets == ["at most 1,500 training steps"] * 3 + ["at most 6,000 training steps"] * 2
    assert "| arm | L50 | L90 | teacher-forced L50 | context | parameters |" in text
    (gap,) = [line for line in text.splitlines() if line.startswith("| luong general | +")]
    assert "| 0.0312 | 5 | 4–32 |" in gap
    assert export_text(tables_of(rows), is_latex=True).count("\\begin{table}") == 5

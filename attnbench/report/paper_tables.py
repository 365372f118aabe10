"""Tables for a paper: accuracy by length, breakdown and comparison, as LaTeX (booktabs) and as Markdown."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from attnbench.analysis.breakdown import HALF, breakdown_at, threshold_of
from attnbench.analysis.comparison import TESTED_PAIRS
from attnbench.formatting import span
from attnbench.plots.points import (
    NOTHING,
    ArmRows,
    breakdown_cell,
    context_cell,
    interval_text,
    length_text,
    range_cell,
)
from attnbench.plots.style import model_style
from attnbench.report.comparison_words import contrasts
from attnbench.report.settings import FREE_RUNNING, TEACHER_FORCED, Setting, SweepTables, split_settings
from attnbench.report.verdict import escaped_markdown, heading_among

# Columns of words and intervals; the others hold numbers, and stand at the right.
_LEFT = ("arm", "L50", "L90", "teacher-forced L50", "half BLEU", "interval")
_MEANINGS = {
    "L50": "L50 is the length at which the mean falls half of the way from perfect to chance",
    "L90": "L90 a tenth of the way",
    "half BLEU": "half BLEU is the length at which less than half of an arm's best is left",
}
_BREAKDOWNS = {
    "L50": (FREE_RUNNING, "L50"),
    "L90": (FREE_RUNNING, "L90"),
    "teacher-forced L50": (TEACHER_FORCED, "L50"),
}
# What LaTeX would take for a command, or print as another character.
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "±": r"$\pm$",
}


@dataclass(frozen=True)
class PaperTable:
    """A table as a paper prints it: plain text, which each format escapes for itself.

    Attributes:
        caption: what its numbers are.
        columns: the names of the columns; the first is the arm, and stands at the left, as do intervals.
        rows: a cell for each column.
    """

    caption: str
    columns: Sequence[str]
    rows: list[list[str]]


def accuracy_tables(tables: SweepTables) -> list[PaperTable]:
    """Return a table for each setting: arm by length, L50 with its interval, seeds and parameters."""
    settings = split_settings(tables)
    return [_accuracy_table(setting, heading_among(setting, settings)) for setting in settings]


def export_text(tables: SweepTables, is_latex: bool) -> str:
    """Return for each setting accuracy by length, the breakdown and, where there is one, the comparison."""
    found = []
    settings = split_settings(tables)
    for setting in settings:
        heading = heading_among(setting, settings)
        found += [_accuracy_table(setting, heading), _breakdown_table(setting, heading)]
        found += [_comparison_table(setting, heading)] if contrasts(setting) and not setting.is_text else []
    return latex_text(found) if is_latex else markdown_text(found)


def latex_text(tables: Iterable[PaperTable]) -> str:
    """Return tables as LaTeX; they need the package booktabs."""
    return "% \\usepackage{booktabs}\n" + "\n".join(map(_latex, tables))


def markdown_text(tables: Iterable[PaperTable]) -> str:
    """Return tables as Markdown, the caption above each."""
    return "\n".join(map(_markdown, tables))


def _accuracy_table(setting: Setting, heading: str) -> PaperTable:
    score = _score(setting)
    name, digits = ("BLEU", 1) if score == "bleu" else ("free-running token accuracy", 3)
    labels = setting.panel.length_labels("length")
    lengths = sorted({length for rows in setting.arms for length in rows.metrics["length"].tolist()})
    half = "half BLEU" if score == "bleu" else "L50"
    table = PaperTable(
        f"{heading}: mean {name} by input length ({setting.unit}); {_MEANINGS[half]}, with its 95 % "
        f"interval.{_unfinished(setting)}",
        ["arm", *(labels[each] for each in lengths), half, "seeds", "parameters"],
        [],
    )
    for rows in setting.arms:
        means = dict(zip(rows.tested(score), rows.points(score)["mean"], strict=True))
        table.rows.append(
            [
                setting.named(rows.arm),
                *(f"{means[each]:.{digits}f}" if each in means else NOTHING for each in lengths),
                _cell(rows, score),
                _seeds(rows),
                _parameters(rows),
            ]
        )
    return table


def _breakdown_table(setting: Setting, heading: str) -> PaperTable:
    score = _score(setting)
    columns = {"half BLEU": ("bleu", HALF)} if score == "bleu" else _BREAKDOWNS
    table = PaperTable(
        f"{heading}: where each arm breaks down ({setting.unit}), with 95 % intervals over "
        f"{_counted_seeds(setting)}. "
        + "; ".join(_MEANINGS[name] for name in columns if name in _MEANINGS)
        + ". Context: what crosses from encoder to decoder, in numbers where no bits are named."
        + _unfinished(setting),
        ["arm", *columns, "context", "parameters"],
        [],
    )
    for rows in setting.arms:
        context = context_cell(rows.metrics["context_size"].dropna(), rows.metrics["channel_bits"].dropna())
        cells = [_cell(rows, *each) for each in columns.values()]
        table.rows.append([setting.named(rows.arm), *cells, context, _parameters(rows)])
    return table


def _comparison_table(setting: Setting, heading: str) -> PaperTable:
    baseline = model_style(setting.baseline or "").name
    table = PaperTable(
        f"{heading}: gap of free-running token accuracy to {baseline}, averaged over log length, paired "
        "by seed, with its 95 % t interval; p of the exact one-sided sign-flip test of higher, from "
        f"{TESTED_PAIRS} pairs on.{_unfinished(setting)}",
        ["arm", "gap", "interval", "p", "pairs", "lengths"],
        [],
    )
    for arm, row in contrasts(setting):
        table.rows.append(
            [
                setting.named(arm),
                f"{row.gap:+.3f}",
                NOTHING if pd.isna(row.low) else f"[{row.low:+.3f}, {row.high:+.3f}]",
                NOTHING if pd.isna(row.p_one_sided) else f"{row.p_one_sided:.3g}",
                str(row.pairs),
                f"{row.shared_min}–{row.shared_max}",
            ]
        )
    return table


def _score(setting: Setting) -> str:
    """Return what the arms are judged by: BLEU where there is any, since real text has no L50."""
    return "bleu" if any(rows.breakdown("bleu") for rows in setting.arms) else FREE_RUNNING


def _cell(rows: ArmRows, score: str, threshold: str | None = None) -> str:
    """Return a breakdown with its interval, without the tested lengths around it, which would be a column more."""
    found = breakdown_at(rows.breakdowns, score, threshold or threshold_of(score))
    if found is None:
        return NOTHING
    if found.censored:
        return breakdown_cell(found, rows.tested(score))
    return f"{length_text(found.length)}{interval_text(found, rows.tested(score))}"


def _unfinished(setting: Setting) -> str:
    """Return for a caption how much of the plan is done, and what a range of seeds is, where that is not all."""
    if not setting.panel.unfinished:
        return ""
    ranges = [range_cell(rows.seeds) for rows in setting.arms if len(rows.seeds) > 1]
    about = f"; seeds such as {ranges[0]}: not equally many at every length" if ranges else ""
    return f" Unfinished: {setting.panel.unfinished}{about}."


def _seeds(rows: ArmRows) -> str:
    return range_cell(rows.seeds)


def _counted_seeds(setting: Setting) -> str:
    """Return how many seeds the arms of a setting have."""
    seeds = span(number for rows in setting.arms for number in rows.seeds)
    return "one seed" if seeds == "1" else f"{seeds} seeds"


def _parameters(rows: ArmRows) -> str:
    numbers = rows.metrics["parameters"].dropna()
    return "–".join(f"{each:,}" for each in sorted({min(numbers), max(numbers)})) if len(numbers) else NOTHING


def _latex(table: PaperTable) -> str:
    aligned = "".join("l" if name in _LEFT else "r" for name in table.columns)
    lines = [r"\begin{table}", r"  \centering", f"  \\caption{{{escaped_latex(table.caption)}}}"]
    lines += [f"  \\begin{{tabular}}{{{aligned}}}", r"    \toprule"]
    lines += [_latex_row(table.columns), r"    \midrule", *map(_latex_row, table.rows)]
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    # A bracket behind \\\\ would be its option: braces around a first cell that begins with one keep it a cell.
    first, *rest = map(escaped_latex, cells)
    first = f"{{{first}}}" if first.startswith("[") else first
    return f"    {' & '.join([first, *rest])} \\\\"


def escaped_latex(text: str) -> str:
    """Return a text that LaTeX prints as it is."""
    escaped = "".join(_LATEX.get(character, character) for character in text)
    return re.sub(r"(?<![\w-])-(?=\d)", "$-$", escaped)  # a minus sign, no hyphen


def _markdown(table: PaperTable) -> str:
    rules = [":--" if name in _LEFT else "--:" for name in table.columns]
    rows = [[escaped_markdown(cell) for cell in cells] for cells in (table.columns, *table.rows)]
    lines = [" | ".join(cells) for cells in (rows[0], rules, *rows[1:])]
    return f"{escaped_markdown(table.caption)}\n\n" + "".join(f"| {line} |\n" for line in lines)

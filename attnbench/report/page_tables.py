"""The tables of a sweep as its page shows them: headings, cells with what they are sorted by, and the whole CSV."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from attnbench.analysis.arms import arms_of
from attnbench.plots.charts import point_text
from attnbench.plots.length import SCORE_NAMES
from attnbench.plots.points import ArmRows, Panel, length_text, panel_title
from attnbench.plots.style import arm_labels, order_arms
from attnbench.report.settings import SweepTables
from attnbench.runs.metrics_csv import ARM_COLUMNS

MOST_ROWS = 1_000
"""Of a table that a page shows; its CSV has them all."""
_NONE = "–"
_ENDS = {
    "": "",
    "above": "did not fall up to the longest tested",
    "below": "fell before the shortest tested",
    "not_learnt": "not learnt",
}
# The CSV has them; a screen has no room for what few ask.
_HIDDEN = {
    "accuracy_threshold",
    "baseline_variant",
    "baseline_hidden_size",
    "interval_over",
    "length_unit",
    "length_min",
    "p_floor",
    "seeds_above",
    "seeds_below",
    "seeds_not_learnt",
    "shared_min",
    "shared_max",
    "shared_lengths",
}
_KINDS = {"contrast": "mean over log length", "length": "at one length"}
_OUTCOMES = {"plateau": "plateau", "length": "one length"}
_HEADINGS = {
    "arm": "Arm",
    "setting": "Task and protocol",
    "length": "Length",
    "score": "Score",
    "low": "Low",
    "high": "High",
    "p_one_sided": "p (one-sided)",
    "is_best": "Best bucket",
    "at_edge": "At the edge of the grid",
    "moved": "Moved",
    "context_size": "Context (numbers)",
    "bits_per_number": "Bits per number",
}


@dataclass(frozen=True)
class Cell:
    """What a cell of a table shows, and the number that it is sorted by; None where it is sorted as text."""

    text: str
    number: float | None = None


@dataclass(frozen=True)
class PageTable:
    """A table of a page.

    Attributes:
        name: of its CSV file.
        title: of the table.
        about: what it has a row for, in a sentence or two.
        columns: their headings, and whether they hold numbers.
        rows: at most `MOST_ROWS` of them.
        count: how many rows there are.
        csv: the whole table as its file has it.
    key: what the page knows that CSV by; several tables may be saved under one name.
    """

    name: str
    title: str
    about: str
    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[Cell]]
    count: int
    csv: str
    key: str = ""


def page_tables(tables: SweepTables, others: Mapping[str, Sequence[Mapping[str, str]]]) -> list[PageTable]:
    """Return the tables of a sweep, in the order of a page, but for those that have no row.

    Args:
        tables: of the sweep.
        others: rows of tables that are files of the folder alone, by name: tuning.csv and law.csv.
    """
    shown = [
        ("breakdown.csv", "Breakdown", tables.breakdown),
        ("comparison.csv", "Comparison with the baseline", tables.comparison),
        ("capacity.csv", "Capacity", tables.capacity),
        ("retention.csv", "Retention of real text", tables.retention),
        ("longer.csv", "Larger budget", tables.larger_budget),
        ("price.csv", "Training cost", tables.training_cost),
        *((name, _TITLES[name], numbers_of(rows)) for name, rows in others.items() if rows),
    ]
    return [arm_table(name, title, table) for name, title, table in shown if not table.empty]


_TITLES = {"tuning.csv": "Learning rates that were tried", "law.csv": "Law of the breakdown length"}
_ABOUT = {
    "breakdown.csv": "Where the mean curve of each arm falls to half (L50) and nine tenths (L90) of the way from "
    "chance to perfect, with a 95 % interval of the seeds' own lengths.",
    "comparison.csv": "Each arm's accuracy minus the baseline's of the same seed, with a 95 % interval over the pairs.",
    "capacity.csv": "Bits of the target recovered: at each length, and the level where they stop to grow.",
    "retention.csv": "Real text: BLEU and chrF of each bucket relative to the arm's own best.",
    "longer.csv": "Breakdowns once more with a larger budget: one that moves was one of training.",
    "price.csv": "Training until validation accuracy is 0.9 of the way from chance to perfect.",
    "tuning.csv": "Learning rates, chosen on validation data with a seed of which no result is reported.",
    "law.csv": "Exponents of the length at which an arm breaks down, in steps and in hidden size.",
}


def numbers_of(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Return rows of text as a table whose columns are numbers wherever all their cells are."""
    table = pd.DataFrame(list(rows))
    for name in table.columns:
        numbers = pd.to_numeric(table[name].replace("", math.nan), errors="coerce")
        if (numbers.notna() | (table[name] == "")).all() and numbers.notna().any():
            table[name] = numbers
    return table


def arm_table(name: str, title: str, frame: pd.DataFrame, key: str = "") -> PageTable:
    """Return a table of ours: one column for the arm in place of those that tell arms apart, without empty columns."""
    shown = frame.head(MOST_ROWS)
    has_arms = set(ARM_COLUMNS) <= set(frame.columns)
    left_out = {*_HIDDEN, *(ARM_COLUMNS if has_arms else ())}
    kept = [each for each in frame.columns if each not in left_out and _is_told(frame[each])]
    columns = _arm_cells(shown) if has_arms else {}
    columns |= {each: [cell_of(each, value) for value in shown[each].tolist()] for each in kept}
    return PageTable(
        name=name,
        title=title,
        about=_ABOUT.get(name, ""),
        columns=[(_heading(each), _is_number(cells)) for each, cells in columns.items()],
        rows=[*zip(*columns.values(), strict=True)],
        count=len(frame),
        csv=as_csv(frame),
        key=key or name,
    )


def _arm_cells(frame: pd.DataFrame) -> dict[str, list[Cell]]:
    """Name the arm of each row, and its task and protocol where there are several."""
    arms = arms_of(frame.assign(variant=frame["variant"].fillna("")))
    labels = arm_labels(order_arms(arms))
    settings = [panel_title([arm]) for arm in arms]
    cells = {"arm": [Cell(labels[arm]) for arm in arms]}
    return cells | ({"setting": [*map(Cell, settings)]} if len(set(settings)) > 1 else {})


def _is_told(column: pd.Series) -> bool:
    return bool((column.notna() & (column.astype(str) != "")).any())


def _is_number(cells: Sequence[Cell]) -> bool:
    return any(cell.number is not None for cell in cells)


def _heading(name: str) -> str:
    words = _HEADINGS.get(name, name.replace("_", " "))
    return f"{words[0].upper()}{words[1:]}"


def cell_of(column: str, value: Any) -> Cell:
    """Return how a page writes the value of a column."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return Cell(_ENDS[""] if column == "censored" else _NONE)
    if isinstance(value, str):
        words = {"censored": _ENDS, "kind": _KINDS | _OUTCOMES, "score": SCORE_NAMES}.get(column, {})
        return Cell(words.get(value, value))
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if column in ("length", "length_before", "length_after"):
        return Cell(length_text(value), float(value))
    return Cell(number_text(float(value)), float(value))


def number_text(value: float) -> str:
    """Return a number with three digits, and whole numbers as they are."""
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def curve_matrix(panel: Panel, score: str, curve: pd.DataFrame) -> PageTable:
    """Return a chart as a table: a row for each arm, a column for each length."""
    labels = panel.length_labels(score)
    lengths = sorted(labels)
    rows = [_matrix_row(rows, score, lengths) for rows in panel.arms_with(score)]
    return PageTable(
        name="curve.csv",
        title=f"{SCORE_NAMES[score]}, as a table",
        about="",
        columns=[("Arm", False), *((labels[length], True) for length in lengths)],
        rows=rows,
        count=len(rows),
        csv=as_csv(curve),
        key="curve.csv",
    )


def as_csv(frame: pd.DataFrame) -> str:
    """Return a table as its file has it."""
    return frame.to_csv(index=False, lineterminator="\n")


def _matrix_row(rows: ArmRows, score: str, lengths: Sequence[int]) -> list[Cell]:
    points = {int(point.length): point for point in _tuples(rows.points(score))}
    cells = [
        Cell(point_text(score, points[length]).partition(", n =")[0], float(points[length].mean))
        if length in points
        else Cell(_NONE)
        for length in lengths
    ]
    return [Cell(rows.look.label), *cells]


def _tuples(frame: pd.DataFrame) -> Iterable[Any]:
    return frame.itertuples(index=False)

"""Cells of metrics.csv checked and made numbers, without pandas; errors name file, line and column."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attnbench.runs.columns import METRICS, METRICS_COLUMNS, RESTORE, Column, damaged, read_text_table

Value = str | int | float | None


@dataclass
class LocatedRows:
    """Rows of text from one file or from many, and the file and line that each came from.

    `remedy` says what to do about a cell that is not what its column holds.
    """

    rows: list[Mapping[str, str]] = field(default_factory=list)
    places: list[tuple[Path | str, int]] = field(default_factory=list)
    remedy: str = RESTORE

    def add_file(self, path: Path) -> None:
        """Append the rows of a metrics.csv.

        Raises:
            DamagedFileError: as `read_rows`, and where the file lacks a column of the contract.
        """
        table = read_text_table(path)
        refuse_missing_columns(path, table.names)
        self.rows += table.rows
        self.places += [(path, line) for line in table.lines]


def check_metrics_file(path: Path) -> None:
    """Raise DamagedFileError where a metrics.csv is not what a run writes; needs no pandas."""
    located = LocatedRows()
    located.add_file(path)
    parse_rows(located)


def parse_rows(located: LocatedRows) -> dict[str, list[Value]]:
    """Turn rows of text into columns of values: the contract's in their order, then others as text.

    Empty cells become None, but in `variant`, where empty means "no difference from the defaults".

    Raises:
        DamagedFileError: a column is missing, a cell is not what its column holds, or a row is there twice.
    """
    columns = {column.name: _parse_column(column, located) for column in METRICS}
    others = dict.fromkeys(name for row in located.rows for name in row if name not in columns)
    _refuse_duplicates(columns, located)
    return columns | {name: [row.get(name) or None for row in located.rows] for name in others}


def parse_cell(column: Column, cell: str) -> Value:
    """Return the value of one cell, None where it is empty.

    Raises:
        ValueError: the cell is not what the column holds; the message says what was expected.
    """
    if cell == "":
        if not column.may_be_empty:
            raise ValueError(f"expected {_expected(column)}, found an empty cell")
        return "" if column.name == "variant" else None
    if column.kind == "text":
        return cell
    try:
        value = _whole_number(cell) if column.kind == "integer" else float(cell)
    except ValueError:
        value = math.nan
    # Written so that "nan" fails as well: what is not defined is empty in our files.
    if not column.least <= value <= column.most or math.isinf(value):
        raise ValueError(f"expected {_expected(column)}, found '{cell}'")
    return value


def _parse_column(column: Column, located: LocatedRows) -> list[Value]:
    try:
        cells = [row[column.name] for row in located.rows]
    except KeyError:
        lacking = next(i for i, row in enumerate(located.rows) if column.name not in row)
        refuse_missing_columns(located.places[lacking][0], located.rows[lacking])
    values: dict[str, Value] = {}
    # Each distinct cell once: most columns repeat a few values over thousands of rows.
    for cell in dict.fromkeys(cells):
        try:
            values[cell] = parse_cell(column, cell)
        except ValueError as error:
            path, line = located.places[cells.index(cell)]
            raise damaged(path, line, column.name, str(error), located.remedy) from None
    return [values[cell] for cell in cells]


def _whole_number(cell: str) -> int:
    try:
        return int(cell)
    except ValueError:
        number = float(cell)  # spreadsheets and pandas write 8 as 8.0 where other cells are empty
        if not number.is_integer():
            raise
        return int(number)


def _expected(column: Column) -> str:
    if column.kind == "text":
        return "a name"
    if column.most == 1:
        return "a number from 0 to 1"
    noun = "a whole number" if column.kind == "integer" else "a number"
    return noun if math.isinf(column.least) else f"{noun} of {column.least:g} or more"


def refuse_missing_columns(
    path: Path | str, names: Collection[str], line: int = 1, remedy: str = RESTORE
) -> None:
    """Refuse a table whose names of columns, in the given line, are not all of the contract's.

    Raises:
        DamagedFileError: naming those that are missing.
    """
    missing = [name for name in METRICS_COLUMNS if name not in names]
    if missing:
        noun = "column" if len(missing) == 1 else "columns"
        raise damaged(path, line, None, f"lacks the {noun} {', '.join(missing)}", remedy)


def _refuse_duplicates(columns: Mapping[str, Sequence[Value]], located: LocatedRows) -> None:
    """Refuse a run with two rows for one length; buckets that merely end at the same length are two."""
    seen: dict[tuple[Value, ...], int] = {}
    for i, key in enumerate(
        zip(*(columns[name] for name in ("run_id", "length", "length_min")), strict=True)
    ):
        if seen.setdefault(key, i) != i:
            (path, line), (first_path, first_line) = located.places[i], located.places[seen[key]]
            first = f"line {first_line}" if first_path == path else f"{first_path}, line {first_line}"
            what = f"{key[0]} at length {key[1]} is there already ({first})"
            raise damaged(path, line, "run_id", what, located.remedy)

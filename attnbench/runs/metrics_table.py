"""Tables of metrics as data frames: read, joined and written. Rows of text are the business of `columns`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from attnbench.runs.handed_tables import read_handed_table
from attnbench.runs.io import write_atomically
from attnbench.runs.metrics_csv import METRICS, Column, LocatedRows, Value, parse_rows

DIGITS = 5
_TYPES = {column.name: column for column in METRICS}


def read_metrics(path: Path) -> pd.DataFrame:
    """Read one metrics.csv; columns of whole numbers that may be empty are of the nullable type Int64.

    Columns beyond the contract's are kept as text. Empty cells are missing; in `variant` they stay ''.

    Raises:
        DamagedFileError: names the file, the line and the column of what is wrong.
    """
    return collect_metrics([path])


def collect_metrics(paths: Iterable[Path]) -> pd.DataFrame:
    """Read many metrics.csv files into one table, as `read_metrics` does."""
    located = LocatedRows()
    for path in paths:
        located.add_file(path)
    return _frame(parse_rows(located))


def read_handed_metrics(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a table that a person hands us; return it as `read_metrics` does, and sentences on how it was read.

    Raises:
        DamagedFileError: as `read_metrics`, and where what a spreadsheet wrote could mean two things.
    """
    handed = read_handed_table(path)
    return _frame(parse_rows(handed.located)), handed.notes


def join_metrics(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Make one table of rows that `read_rows` gave; an error names the row by its place in `rows`.

    Raises:
        DamagedFileError: a row is not what a run writes.
    """
    places: list[tuple[Path | str, int]] = [("joined rows", i) for i in range(1, len(rows) + 1)]
    return _frame(parse_rows(LocatedRows(list(rows), places)))


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV without its index, atomically; what is missing becomes an empty cell."""
    write_atomically(path, frame.to_csv(index=False, lineterminator="\n").encode())


def write_rounded_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a table that was worked out of metrics as `write_table` does, with numbers as `rounded` has them."""
    rounded_text = frame.to_csv(index=False, lineterminator="\n", float_format=_rounded_text)
    write_atomically(path, rounded_text.encode())


def rounded(number: float) -> float:
    """Return a number with the digits that a mean over a few seeds carries; a whole number stays as it is."""
    value = float(number)  # numpy's would be written with its type
    return value if value.is_integer() else float(f"{value:.{DIGITS}g}")


def _rounded_text(number: Any) -> str:
    return repr(rounded(number))


def as_records(frame: pd.DataFrame) -> list[dict[str, Value]]:
    """Return the rows of a table for JSON: numbers as `rounded` has them, None where a cell is missing."""
    return [
        {name: _plain(cell) for name, cell in zip(frame.columns, cells, strict=True)}
        for cells in frame.astype(object).itertuples(index=False, name=None)
    ]


def _plain(cell: Any) -> Value:
    if pd.isna(cell):
        return None
    return rounded(float(cell)) if isinstance(cell, float) else cell


def _frame(columns: Mapping[str, Sequence[Value]]) -> pd.DataFrame:
    return pd.DataFrame({name: _series(_TYPES.get(name), values) for name, values in columns.items()})


def _series(column: Column | None, values: Sequence[Value]) -> pd.Series:
    if column is None or column.kind == "text":
        return pd.Series(values, dtype="str")
    if column.kind == "float":
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype="Int64" if column.may_be_empty else "int64")

"""Tables of metrics that a person hands us, joined by hand or saved by a spreadsheet: read where they leave no doubt.

A run's own file is the business of `columns`, which reads nothing but what a run writes.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from attnbench.formatting import counted
from attnbench.runs.io import read_whole
from attnbench.runs.metrics_csv import (
    METRICS,
    METRICS_COLUMNS,
    REQUIRED_COLUMNS,
    LocatedRows,
    damaged,
    refuse_missing_columns,
)

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_NUMBERS = tuple(column.name for column in METRICS if column.kind != "text")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# What the files of spreadsheets themselves begin with: .xlsx and .ods are zip archives, .xls is older.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
# Excel writes it ahead of the columns, so that it finds the cells again.
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<delimiter>[,;\t])"?[,;\t]*(\r\n|\r|\n)')
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_PART_OF_VARIANT = re.compile(r"[\w.]+=")

_MEND = "Mend it there, or export the table again."
_EXPORT = (
    "A spreadsheet writes numbers as its language does. Export the table again as CSV (UTF-8), with points in "
    "numbers and nothing between thousands: in LibreOffice and Google Sheets after the language of the sheet has been "
    "set to English (USA), in Excel after Options, Advanced, Decimal separator."
)


@dataclass
class HandedTable:
    """The rows of a table, and what a person should know of how they were read, as sentences."""

    located: LocatedRows = field(default_factory=LocatedRows)
    notes: list[str] = field(default_factory=list)


def read_handed_table(path: Path) -> HandedTable:
    """Read a table of metrics that a person hands us.

    Cells may be parted by commas, semicolons or tabs, and numbers may have decimal commas where no cell can mean
    something else. Excel's line `sep=;`, headers that come again and empty rows are skipped.

    Raises:
        DamagedFileError: naming what is wrong, and where a spreadsheet made it, how to export.
    """
    text = _decoded(path)
    named = _SEPARATOR_LINE.match(text)
    body = text[named.end() :] if named else text
    delimiter = named["delimiter"] if named else _delimiter_of(body)
    table = HandedTable(LocatedRows(remedy=_MEND if delimiter == "," else _EXPORT))
    skipped = _collect_rows(path, body, delimiter, 1 if named else 0, table.located)
    has_commas = _write_points(table.located)
    if delimiter != "," or has_commas:
        numbers = " and decimal commas" if has_commas else ""
        table.notes.append(f"{path}: read with {_DELIMITERS[delimiter]} between cells{numbers}.")
    if skipped:
        what = " and ".join(counted(number, one) for one, number in skipped.items())
        table.notes.append(f"{path}: skipped {what}.")
    return table


def _decoded(path: Path) -> str:
    data = read_whole(path)
    if data.startswith(_WORKBOOKS):
        raise damaged(path, None, None, "is a file of a spreadsheet, expected CSV", _EXPORT)
    encoding = "utf-16" if data.startswith(_UTF16_MARKS) else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        what = f"is not {encoding.upper()} (byte {error.start} of the file)"
        raise damaged(path, line, None, what, "Save it as CSV, UTF-8.") from error
    if not text.strip():
        raise damaged(path, None, None, "is empty, expected a line of column names", _MEND)
    if not text.endswith(("\n", "\r")):
        what = "is cut off: the line has no end"
        raise damaged(
            path, text.count("\n") + 1, None, what, "Where it is whole, add a line end; else mend it."
        )
    # Each of several files that were joined may bring a byte order mark.
    return re.sub(r"^\ufeff", "", text, flags=re.MULTILINE)


def _delimiter_of(body: str) -> str:
    """Return what parts the names of the columns: no name holds any of these."""
    header = body.lstrip().splitlines()[0]
    return max(_DELIMITERS, key=lambda each: len(_known(header.replace('"', "").split(each))))


def _known(names: Sequence[str]) -> set[str]:
    return {name.strip() for name in names}.intersection(METRICS_COLUMNS)


def _collect_rows(
    path: Path, body: str, delimiter: str, lines_before: int, located: LocatedRows
) -> Counter[str]:
    """Add the rows to `located`, each under the header above it; return how many of what was skipped."""
    skipped: Counter[str] = Counter()
    names: list[str] = []
    for line, cells in _lines(path, body, delimiter, lines_before, located.remedy):
        if not any(cell.strip() for cell in cells):
            skipped["empty row"] += 1
        elif not names or _known(cells).issuperset(REQUIRED_COLUMNS):
            skipped.update(["repeated header"] if names else [])
            names = _header(path, line, cells, located.remedy)
        else:
            located.rows.append(_row(path, line, cells, names, delimiter))
            located.places.append((path, line))
    return skipped


def _lines(
    path: Path, body: str, delimiter: str, lines_before: int, remedy: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line of the file, and its cells."""
    reader = csv.reader(
        io.StringIO(body, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    try:
        for cells in reader:
            yield lines_before + reader.line_num, cells
    except csv.Error as error:
        line = lines_before + reader.line_num
        raise damaged(path, line, None, f"is not CSV ({error})", remedy) from error


def _header(path: Path, line: int, cells: Sequence[str], remedy: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    while not names[-1]:
        names.pop()  # spreadsheets write columns that were once used
    if not _known(names):
        what = f"expected column names (run_id, task, model, …), found '{names[0]}'"
        raise damaged(path, line, None, what, "Hand over the metrics.csv of a sweep.")
    refuse_missing_columns(path, names, line, remedy)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise damaged(path, line, twice, "appears twice", remedy)
    return names


def _row(path: Path, line: int, cells: list[str], names: Sequence[str], delimiter: str) -> Mapping[str, str]:
    remedy = _EXPORT if len(cells) > len(names) or delimiter != "," else _MEND
    if len(cells) > len(names) and delimiter == ";":
        # A variant is `key=value;key=value`: where semicolons were put for commas it is in several cells.
        start = names.index("variant")
        parts = list(takewhile(_PART_OF_VARIANT.match, cells[start:]))
        cells = [*cells[:start], ";".join(parts), *cells[start + max(len(parts), 1) :]]
    while len(cells) > len(names) and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) != len(names):
        raise damaged(path, line, None, f"has {len(cells)} cells, expected {len(names)}", remedy)
    return dict(zip(names, cells, strict=True))


def _write_points(located: LocatedRows) -> bool:
    """Put points for the decimal commas of all numbers; return whether there were any.

    Raises:
        DamagedFileError: commas may part thousands: beside points they do, and alone in 1,234 they could.
    """
    with_comma = [
        (i, name) for i, row in enumerate(located.rows) for name in _NUMBERS if "," in row.get(name, "")
    ]
    if not with_comma:
        return False
    has_points = any("." in row.get(name, "") for row in located.rows for name in _NUMBERS)
    if has_points or all(_THOUSANDS.fullmatch(located.rows[i][name].strip()) for i, name in with_comma):
        first, column = with_comma[0]
        what = f"'{located.rows[first][column]}' may mean thousands or a decimal comma"
        raise damaged(*located.places[first], column, what, _EXPORT)
    located.remedy = _EXPORT
    located.rows = [
        {name: cell.replace(",", ".") if name in _NUMBERS else cell for name, cell in row.items()}
        for row in located.rows
    ]
    return True

"""Tables of ours as CSV: their columns, and their cells checked and made numbers, without pandas."""

import csv
import io
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Literal

from attnbench.arm import Arm
from attnbench.errors import DamagedFileError
from attnbench.runs.io import read_whole, write_atomically

# What pandas can hold in an integer column.
_LARGEST_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class Column:
    """What the cells of one column hold; the bounds belong to the numbers allowed.

    `may_be_absent` says that tables made before there was such a column are read as if all its cells were empty.
    """

    name: str
    kind: Literal["text", "integer", "float"]
    may_be_empty: bool = True
    least: float = -math.inf
    most: float = math.inf
    may_be_absent: bool = False


def _text(name: str, may_be_empty: bool = True) -> Column:
    return Column(name, "text", may_be_empty)


def _integer(name: str, may_be_empty: bool = True, least: int = 0) -> Column:
    return Column(name, "integer", may_be_empty, least, _LARGEST_INTEGER)


def _float(name: str, least: float = -math.inf) -> Column:
    return Column(name, "float", least=least)


def _fraction(name: str) -> Column:
    return Column(name, "float", least=0.0, most=1.0)


METRICS = (
    _text("run_id", may_be_empty=False),
    _text("task", may_be_empty=False),
    _text("model", may_be_empty=False),
    _text("variant"),
    _text("protocol", may_be_empty=False),
    _integer("length", may_be_empty=False, least=1),
    _integer("length_min"),
    _text("length_unit"),
    _integer("train_min_length"),
    _integer("train_max_length"),
    _integer("seed", may_be_empty=False),
    _integer("hidden_size", may_be_empty=False),
    _integer("context_size"),
    _integer("parameters"),
    _float("learning_rate"),
    _fraction("token_accuracy"),
    _fraction("sequence_accuracy"),
    _fraction("teacher_forced_accuracy"),
    _fraction("chance_accuracy"),
    _float("cross_entropy_nats"),
    _float("bits_recovered"),
    _float("bits_available"),
    _float("bleu"),
    _float("chrf"),
    _fraction("alignment_accuracy"),
    _integer("examples"),
    _integer("target_tokens"),
    _integer("steps", least=1),
    _integer("steps_to_90", least=1),
    _text("stop_reason"),
    _float("train_seconds"),
    _float("tokens_per_second"),
    _text("device"),
    _text("version"),
    Column("channel_bits", "integer", least=0, most=_LARGEST_INTEGER, may_be_absent=True),
    Column("accuracy_ceiling", "float", least=0.0, most=1.0, may_be_absent=True),
)
METRICS_COLUMNS = tuple(column.name for column in METRICS)
REQUIRED_COLUMNS = tuple(column.name for column in METRICS if not column.may_be_absent)

# What tells arms apart, for rows are pooled only over seeds; for `per_length` the train range does not count.
ARM_COLUMNS = Arm._fields


def write_rows(
    path: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str] = METRICS_COLUMNS
) -> None:
    """Write rows as CSV, atomically; raises as `as_csv` does."""
    write_atomically(path, as_csv(rows, columns))


def as_csv(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> bytes:
    """Return rows as CSV: the given columns, then others in order of appearance.

    A key that a row lacks and None become an empty cell; floats are written so that they read back equal.

    Raises:
        ValueError: a number is not finite; leave what is not defined None.
    """
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_format(name, row.get(name)) for name in names] for row in rows)
    return text.getvalue().encode()


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file of ours as text, whatever its columns; empty cells are empty strings.

    Raises:
        DamagedFileError: empty, undecodable or cut off, or a row with too few or too many cells.
    """
    return read_text_table(path).rows


@dataclass(frozen=True)
class TextTable:
    """A CSV file as text: its columns, its rows and the number of the line where each row ends."""

    names: list[str]
    rows: list[dict[str, str]]
    lines: list[int]


def read_text_table(path: Path) -> TextTable:
    """Read a CSV file as `read_rows` does, and keep what an error about a row has to name."""
    reader = csv.reader(io.StringIO(_read_text(path), newline=""), strict=True)
    table = TextTable([], [], [])
    try:
        table.names.extend(next(reader))
        for cells in filter(None, reader):
            if len(cells) != len(table.names):
                what = f"has {len(cells)} cells, expected {len(table.names)}"
                raise damaged(path, reader.line_num, None, what)
            table.rows.append(dict(zip(table.names, cells, strict=True)))
            table.lines.append(reader.line_num)
    except csv.Error as error:
        raise damaged(path, reader.line_num, None, f"is not CSV ({error})") from error
    if len(set(table.names)) < len(table.names):
        twice = next(name for name in table.names if table.names.count(name) > 1)
        raise damaged(path, 1, twice, "appears twice")
    return table


RESTORE = "Restore the file, or delete it and make it again."


def damaged(
    path: Path | str, line: int | None, column: str | None, what: str, remedy: str = RESTORE
) -> DamagedFileError:
    """Return the error that names the file, the line and the column of what is damaged, and what to do."""
    place = [str(path)]
    place += [] if line is None else [f"line {line}"]
    place += [] if column is None else [f"column '{column}'"]
    return DamagedFileError(f"{', '.join(place)}: {what}. {remedy}")


def _read_text(path: Path) -> str:
    try:
        data = read_whole(path)
    except IsADirectoryError as error:
        raise damaged(path, None, None, "is a folder, expected a table") from error
    try:
        text = data.decode("utf-8-sig")  # spreadsheets put a byte order mark ahead
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise damaged(path, line, None, f"is not UTF-8 (byte {error.start} of the file)") from error
    if not text.strip():
        raise damaged(path, None, None, "is empty, expected a line of column names")
    if not text.endswith(("\n", "\r")):
        # Every line of ours ends in a line feed; without it the last cell may be half of what it was.
        raise damaged(path, text.count("\n") + 1, None, "is cut off: the line has no end")
    return text


def _format(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value  # first of all: a merged table is text throughout
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(
                f"{name} is {number}: a number must be finite, and None where it is not defined."
            )
        return repr(number)
    return str(value)


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
        cells = [
            row.get(column.name, "") if column.may_be_absent else row[column.name] for row in located.rows
        ]
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
    """Refuse a table that lacks a column of the contract among the names in the given line.

    Raises:
        DamagedFileError: naming those that are missing.
    """
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
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

"""Tables of metrics as people hand them over: joined by hand, or saved by a spreadsheet."""

import pandas as pd
import pytest

from attnbench.errors import DamagedFileError
from attnbench.runs.metrics_csv import METRICS, METRICS_COLUMNS, REQUIRED_COLUMNS, as_csv
from attnbench.runs.metrics_table import read_handed_metrics, read_metrics
from tests.metrics_rows import curve_rows, metrics_row

VARIANT = "task.eos=true;training.steps=20"
NUMBERS = {column.name for column in METRICS if column.kind != "text"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.csv"


@pytest.fixture
def rows():
    rows = curve_rows({4: [0.5, 0.25], 8: [0.125, None]}, variant=VARIANT)
    return [row | {"run_id": f"reverse-L{row['length']}-s{row['seed']}"} for row in rows]


@pytest.fixture
def expected(tmp_path, rows):
    (tmp_path / "ours.csv").write_bytes(as_csv(rows, METRICS_COLUMNS))
    return read_metrics(tmp_path / "ours.csv")


def cells_of(rows):
    return [line.split(",") for line in as_csv(rows, METRICS_COLUMNS).decode().splitlines()]


def with_commas(cells):
    """The cells with decimal commas in their numbers, as half of Europe writes them."""
    header, *rows = cells
    return [
        header,
        *(
            [
                cell.replace(".", ",") if name in NUMBERS else cell
                for name, cell in zip(header, row, strict=True)
            ]
            for row in rows
        ),
    ]


def lines(cells, delimiter=",", end="\n"):
    return "".join(delimiter.join(row) + end for row in cells)


def quoted(cells):
    return [[f'"{cell}"' for cell in row] for row in cells]


@pytest.mark.parametrize(
    ("write", "note"),
    [
        (lambda cells: lines(cells), None),
        (lambda cells: "\ufeff" + lines(quoted(cells), ",", "\r\n"), None),
        (lambda cells: lines(cells, end="\r"), None),
        (lambda cells: "sep=,\r\n" + lines(cells, ",", "\r\n"), None),
        (lambda cells: lines(cells, "\t"), "read with tabs between cells."),
        (lambda cells: lines(cells, ";"), "read with semicolons between cells."),
        (lambda cells: lines(quoted(cells), ";"), "read with semicolons between cells."),
        (lambda cells: '"sep=;"\n' + lines(cells, ";"), "read with semicolons between cells."),
        (
            lambda cells: "\ufeffsep=;\r\n" + lines(with_commas(cells), ";", "\r\n"),
            "semicolons between cells and decimal commas.",
        ),
        (lambda cells: lines(with_commas(cells), "\t"), "tabs between cells and decimal commas."),
        (lambda cells: lines(quoted(with_commas(cells))), "commas between cells and decimal commas."),
    ],
)
def test_what_a_spreadsheet_saves_reads_as_what_we_wrote(path, rows, expected, write, note):
    path.write_bytes(write(cells_of(rows)).encode())
    table, notes = read_handed_metrics(path)
    pd.testing.assert_frame_equal(table, expected)
    assert [each.endswith(note) for each in notes] == ([True] if note else [])


def test_utf_16_with_its_mark_is_read(path, rows, expected):
    path.write_bytes(lines(cells_of(rows), "\t").encode("utf-16"))
    pd.testing.assert_frame_equal(read_handed_metrics(path)[0], expected)


@pytest.mark.parametrize("variant", ["", VARIANT])
def test_columns_that_were_once_used_are_no_columns(path, variant):
    path.write_text(
        lines([[*row, "", ""] for row in cells_of([metrics_row(run_id="a", variant=variant)])], ";")
    )
    assert read_handed_metrics(path)[0]["variant"].tolist() == [variant]


def test_headers_that_come_again_and_empty_rows_are_skipped_and_counted(path, rows, expected):
    header, *cells = cells_of(rows)
    empty = [""] * len(header)
    path.write_text(lines([header, cells[0], header, cells[1], empty, [" "], header, *cells[2:], []]))
    table, notes = read_handed_metrics(path)
    pd.testing.assert_frame_equal(table, expected)
    assert notes == [f"{path}: skipped 2 repeated headers and 3 empty rows."]


def test_tables_of_before_and_of_now_may_be_joined(path, rows, expected):
    header, *cells = cells_of(rows)
    old = len(header) - len(set(METRICS_COLUMNS) - set(REQUIRED_COLUMNS))
    path.write_text(
        lines(
            [header[:old], cells[0][:old], header, cells[1], header[:old], *(row[:old] for row in cells[2:])]
        )
    )
    table, notes = read_handed_metrics(path)
    pd.testing.assert_frame_equal(table, expected)
    assert notes == [f"{path}: skipped 2 repeated headers."]


def test_tables_whose_columns_stand_in_another_order_may_be_joined(path, rows, expected):
    cells = cells_of(rows)
    turned = [row[::-1] for row in (cells[0], *cells[3:])]
    path.write_bytes(("\ufeff" + lines(cells[:3]) + "\ufeff" + lines(turned)).encode())
    pd.testing.assert_frame_equal(read_handed_metrics(path)[0], expected)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        # All that could be a decimal comma could be thousands.
        ({"bits_recovered": "1,234"}, "'1,234' may mean thousands or a decimal comma"),
        # Beside decimal points a comma parts thousands, or the numbers are of two languages.
        ({"parameters": "50,000", "bleu": "0.5"}, "'50,000' may mean thousands or a decimal comma"),
        ({"bits_recovered": "1.234,5"}, "'1.234,5' may mean"),
        ({"parameters": "50'000"}, "expected a whole number of 0 or more, found '50'000'"),
        ({"token_accuracy": "50%"}, "expected a number from 0 to 1, found '50%'"),
        ({"bits_recovered": "03. Jun"}, "expected a number, found '03. Jun'"),
    ],
)
def test_what_could_mean_two_things_is_named_with_how_to_export(path, numbers, message):
    row = {name: cell for name, cell in metrics_row().items() if not isinstance(cell, float)} | numbers
    path.write_text(lines([METRICS_COLUMNS, [str(row.get(name) or "0") for name in METRICS_COLUMNS]], ";"))
    with pytest.raises(DamagedFileError) as error:
        read_handed_metrics(path)
    assert f"line 2, column '{next(iter(numbers))}': " in str(error.value)
    assert message in str(error.value)
    assert "Export the table again as CSV (UTF-8), with points in numbers" in str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04rest", "is a file of a spreadsheet, expected CSV"),
        (b"a,b\n1,2\n", "line 1: expected column names (run_id, task, model, …), found 'a'"),
        (b"run_id;task\n1;2\n", "line 1: lacks the columns model, variant"),
        (b"sep=;\nrun_id;task\n1;2\n", "line 2: lacks the columns"),
        (b"run_id,task\n\xff\n", "line 2: is not UTF-8"),
        (b"run_id,task", "is cut off"),
        (b"\n \n", "is empty"),
    ],
)
def test_what_is_no_table_of_metrics_is_named(path, data, message):
    path.write_bytes(data)
    with pytest.raises(DamagedFileError) as error:
        read_handed_metrics(path)
    assert message in str(error.value)
    assert "delete it and make it again" not in str(error.value)


def test_unquoted_decimal_commas_between_commas_are_named_with_how_to_export(path, rows):
    path.write_text(lines(with_commas(cells_of(rows))))
    with pytest.raises(
        DamagedFileError, match=r"line 2: has \d+ cells, expected 36\. .* Export the table again"
    ):
        read_handed_metrics(path)


def test_lines_are_counted_as_they_stand_in_the_file(path, rows):
    header, *cells = cells_of(rows)
    cells[1][header.index("seed")] = "one"
    path.write_text("sep=;\n" + lines([header, [], cells[0], header, cells[1]], ";"))
    with pytest.raises(DamagedFileError, match="line 6, column 'seed': expected a whole number"):
        read_handed_metrics(path)


def test_a_row_that_is_there_twice_is_refused_as_in_a_run(path, rows):
    header, *cells = cells_of(rows)
    path.write_text(lines([header, *cells, header, cells[1]]))
    with pytest.raises(DamagedFileError, match=r"line 7, column 'run_id': .* is there already \(line 3\)"):
        read_handed_metrics(path)


def test_a_runs_own_table_stays_what_we_write(path, rows):
    for text in (lines(cells_of(rows), ";"), lines([*cells_of(rows), cells_of(rows)[0]])):
        path.write_text(text)
        with pytest.raises(DamagedFileError):
            read_metrics(path)

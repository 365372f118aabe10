import pytest

from attnbench.errors import DamagedFileError
from attnbench.runs.metrics_csv import METRICS, check_metrics_file, parse_cell, write_rows
from tests.metrics_rows import metrics_row

COLUMNS = {column.name: column for column in METRICS}


@pytest.mark.parametrize(
    ("name", "cell", "value"),
    [
        ("length", "8", 8),
        ("length", "8.0", 8),
        ("seed", "0", 0),
        ("steps_to_90", "", None),
        ("token_accuracy", "0", 0.0),
        ("token_accuracy", "1.0", 1.0),
        ("token_accuracy", "", None),
        ("bits_recovered", "-3.5", -3.5),
        ("variant", "", ""),
        ("stop_reason", "", None),
        ("stop_reason", "budget", "budget"),
    ],
)
def test_cells_become_values(name, cell, value):
    assert parse_cell(COLUMNS[name], cell) == value


@pytest.mark.parametrize(
    ("name", "cell", "expected"),
    [
        ("length", "", "a whole number of 1 or more, found an empty cell"),
        ("length", "0", "a whole number of 1 or more, found '0'"),
        ("length", "8.5", "a whole number of 1 or more, found '8.5'"),
        ("length", "eight", "a whole number of 1 or more, found 'eight'"),
        ("seed", "-1", "a whole number of 0 or more"),
        ("steps", "1e300", "a whole number"),
        ("steps", "inf", "a whole number"),
        ("steps", "nan", "a whole number"),
        ("token_accuracy", "1.0000001", "a number from 0 to 1, found '1.0000001'"),
        ("chance_accuracy", "-0.1", "a number from 0 to 1"),
        ("alignment_accuracy", "nan", "a number from 0 to 1"),
        ("bits_recovered", "inf", "a number, found 'inf'"),
        ("bleu", "good", "a number, found 'good'"),
        ("model", "", "a name, found an empty cell"),
    ],
)
def test_a_wrong_cell_says_what_was_expected_and_what_came(name, cell, expected):
    with pytest.raises(ValueError, match=f"expected {expected}"):
        parse_cell(COLUMNS[name], cell)


def test_a_runs_own_file_is_checked_without_pandas(tmp_path):
    path = tmp_path / "metrics.csv"
    write_rows(path, [metrics_row(length=4), metrics_row(length=8)])
    check_metrics_file(path)
    write_rows(path, [metrics_row(length=4), metrics_row(length=8, token_accuracy="high")])
    with pytest.raises(DamagedFileError, match="line 3, column 'token_accuracy'"):
        check_metrics_file(path)

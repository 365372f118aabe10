import math
import subprocess
import sys

import numpy as np
import pytest

from attnbench.errors import DamagedFileError
from attnbench.runs.metrics_csv import (
    ARM_COLUMNS,
    METRICS,
    METRICS_COLUMNS,
    check_metrics_file,
    parse_cell,
    read_rows,
    read_text_table,
    write_rows,
)
from tests.metrics_rows import metrics_row

CONTRACT = """
run_id, task, model, variant, protocol, length, length_min, length_unit, train_min_length,
train_max_length, seed, hidden_size, context_size, parameters, learning_rate, token_accuracy,
sequence_accuracy, teacher_forced_accuracy, chance_accuracy, cross_entropy_nats, bits_recovered,
bits_available, bleu, chrf, alignment_accuracy, examples, target_tokens, steps, steps_to_90,
stop_reason, train_seconds, tokens_per_second, device, version, channel_bits, accuracy_ceiling
"""


def test_columns_are_the_contracts_in_its_order():
    assert list(METRICS_COLUMNS) == CONTRACT.replace("\n", " ").replace(",", " ").split()


def test_accuracies_and_nothing_else_are_fractions():
    fractions = {column.name for column in METRICS if column.most == 1}
    accuracies = {name for name in METRICS_COLUMNS if name.endswith("_accuracy")}
    assert fractions == accuracies | {"accuracy_ceiling"}


def test_what_tells_arms_apart_is_never_the_seed():
    assert set(ARM_COLUMNS) < set(METRICS_COLUMNS)
    assert "seed" not in ARM_COLUMNS


def test_rows_come_back_as_text_and_none_as_an_empty_cell(tmp_path):
    path = tmp_path / "metrics.csv"
    write_rows(path, [metrics_row(length=4, bleu=None), metrics_row(length=8, variant="a=1;b=x,y")])
    first, second = read_rows(path)
    assert list(first) == list(METRICS_COLUMNS)
    assert (first["length"], first["bleu"], first["variant"]) == ("4", "", "")
    assert second["variant"] == "a=1;b=x,y"


@pytest.mark.parametrize("number", [0.1, 1 / 3, 1e-300, -5e22, np.float64(2 / 3), np.nextafter(1, 0)])
def test_floats_read_back_equal(tmp_path, number):
    write_rows(tmp_path / "m.csv", [metrics_row(bits_recovered=number)])
    assert float(read_rows(tmp_path / "m.csv")[0]["bits_recovered"]) == number


def test_whole_numbers_of_numpy_are_written_plainly(tmp_path):
    write_rows(tmp_path / "m.csv", [metrics_row(seed=np.int64(7))])
    assert read_rows(tmp_path / "m.csv")[0]["seed"] == "7"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_not_written(tmp_path, number):
    with pytest.raises(ValueError, match="cross_entropy_nats"):
        write_rows(tmp_path / "m.csv", [metrics_row(cross_entropy_nats=number)])
    assert not (tmp_path / "m.csv").exists()


def test_other_columns_come_after_the_contracts_and_missing_keys_are_empty(tmp_path):
    write_rows(tmp_path / "m.csv", [{"run_id": "a", "x": 1}, {"y": 2.5}])
    rows = read_rows(tmp_path / "m.csv")
    assert list(rows[0]) == [*METRICS_COLUMNS, "x", "y"]
    assert [(row["run_id"], row["x"], row["y"]) for row in rows] == [("a", "1", ""), ("", "", "2.5")]


def test_without_rows_there_is_a_header(tmp_path):
    write_rows(tmp_path / "m.csv", [])
    assert read_rows(tmp_path / "m.csv") == []
    assert (tmp_path / "m.csv").read_text() == ",".join(METRICS_COLUMNS) + "\n"


def test_rows_know_their_lines_and_blank_lines_are_no_rows(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text('a,b\n1,2\n\n"3\n3",4\n5,6\n\n')
    table = read_text_table(path)
    assert table.lines == [2, 5, 6]
    assert table.rows[1] == {"a": "3\n3", "b": "4"}


def test_windows_line_ends_and_byte_order_marks_are_read(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert read_rows(path) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a,b\n1,2\n1,\xff\n", "line 3.*UTF-8"),
        (b"a,b\n1,2\n3,4", "line 3.*cut off"),
        (b"a,b\n1,2\n3", "line 3.*cut off"),
        (b"a,b\n1,2\n3\n", "line 3: has 1 cells, expected 2"),
        (b"a,b\n1,2,3\n", "line 2: has 3 cells, expected 2"),
        (b"a,a\n1,2\n", "column 'a': appears twice"),
        (b'a,b\n"1,2\n', "is not CSV"),
    ],
)
def test_damage_is_named_with_file_and_line(tmp_path, data, message):
    path = tmp_path / "metrics.csv"
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=message) as error:
        read_rows(path)
    assert str(path) in str(error.value)


def test_every_cut_of_a_file_is_noticed(tmp_path):
    path = tmp_path / "m.csv"
    write_rows(path, [metrics_row(length=4), metrics_row(length=8)])
    data = path.read_bytes()
    whole_lines = {i + 1 for i, byte in enumerate(data) if byte == ord("\n")}
    for size in set(range(len(data))) - whole_lines:
        path.write_bytes(data[:size])
        with pytest.raises(DamagedFileError):
            read_rows(path)


def test_workers_need_neither_pandas_nor_torch():
    code = "import sys, attnbench.runs.metrics_csv; print(sorted({'pandas', 'numpy', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


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

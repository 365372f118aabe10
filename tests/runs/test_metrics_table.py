import pandas as pd
import pytest

from attnbench.errors import DamagedFileError
from attnbench.runs.metrics_csv import METRICS, METRICS_COLUMNS, read_rows, write_rows
from attnbench.runs.metrics_table import (
    as_records,
    collect_metrics,
    join_metrics,
    read_metrics,
    rounded,
    write_rounded_table,
    write_table,
)
from tests.growth import growth
from tests.metrics_rows import as_text, curve_rows, metrics_row, metrics_table


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.csv"


def test_numbers_are_numbers_and_missing_cells_stay_missing(path):
    write_rows(path, [metrics_row(length=4, steps_to_90=900), metrics_row(length=8, token_accuracy=None)])
    table = read_metrics(path)
    assert table["length"].tolist() == [4, 8]
    assert table["steps_to_90"].tolist() == [900, pd.NA]
    assert table["token_accuracy"].isna().tolist() == [False, True]
    assert table["bleu"].isna().all()
    assert table["variant"].tolist() == ["", ""]


def test_types_do_not_depend_on_which_cells_are_empty(path):
    write_rows(path, [metrics_row()])
    full = read_metrics(path).dtypes
    write_rows(path, [dict.fromkeys(METRICS_COLUMNS) | _required(metrics_row())])
    assert read_metrics(path).dtypes.to_dict() == full.to_dict()
    assert (full["length"], full["length_min"], full["bleu"]) == ("int64", "Int64", "float64")


def _required(row):
    return {column.name: row[column.name] for column in METRICS if not column.may_be_empty}


def test_a_header_alone_is_a_table_without_rows(path):
    write_rows(path, [])
    table = read_metrics(path)
    assert list(table.columns) == list(METRICS_COLUMNS)
    assert (len(table), table["length"].dtype, table["seed"].dtype) == (0, "int64", "int64")


def test_other_columns_are_kept_as_they_stand(path):
    write_rows(path, [metrics_row(length=4, gpu="0.10"), metrics_row(length=8)])
    table = read_metrics(path)
    assert list(table.columns) == [*METRICS_COLUMNS, "gpu"]
    assert table["gpu"][0] == "0.10"
    assert pd.isna(table["gpu"][1])


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ({"length": "eight"}, "length"),
        ({"length": None, "run_id": "a"}, "length"),
        ({"seed": 1.5}, "seed"),
        ({"train_seconds": "long"}, "train_seconds"),
        *[({name: 1.01}, name) for name in METRICS_COLUMNS if name.endswith("_accuracy")],
        *[({name: -0.01}, name) for name in METRICS_COLUMNS if name.endswith("_accuracy")],
        ({"task": None}, "task"),
    ],
)
def test_a_wrong_cell_is_named_by_file_line_and_column(path, values, column):
    write_rows(path, [metrics_row(length=2), metrics_row(length=4), metrics_row(**values)])
    with pytest.raises(DamagedFileError) as error:
        read_metrics(path)
    assert str(error.value).startswith(f"{path}, line 4, column '{column}': expected ")


def test_missing_columns_are_named_all_and_even_without_rows(path):
    write_table(path, pd.DataFrame(columns=[n for n in METRICS_COLUMNS if n not in {"seed", "bleu"}]))
    with pytest.raises(DamagedFileError, match=r"metrics.csv, line 1: lacks the columns seed, bleu\."):
        read_metrics(path)


def test_tables_of_before_lack_the_newest_columns_and_are_read_and_joined(tmp_path):
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    write_table(
        old, metrics_table([metrics_row(length=4)]).drop(columns=["channel_bits", "accuracy_ceiling"])
    )
    assert "channel_bits" not in read_rows(old)[0]
    write_rows(new, [metrics_row(length=8, channel_bits=32, accuracy_ceiling=1)])
    for table in (collect_metrics([old, new]), join_metrics(read_rows(old) + read_rows(new))):
        assert list(table.columns) == list(METRICS_COLUMNS)
        assert table["channel_bits"].tolist() == [pd.NA, 32]
        assert table["accuracy_ceiling"].isna().tolist() == [True, False]
    assert read_metrics(old).dtypes.equals(read_metrics(new).dtypes)


def test_the_same_run_and_length_twice_is_damage(path):
    write_rows(path, [metrics_row(length=4), metrics_row(length=8), metrics_row(length=4)])
    with pytest.raises(DamagedFileError, match=r"line 4, column 'run_id': .* at length 4 .*\(line 2\)"):
        read_metrics(path)


def test_buckets_that_end_at_the_same_length_are_two_rows(path):
    write_rows(path, [metrics_row(length=20, length_min=1), metrics_row(length=20, length_min=11)])
    assert read_metrics(path)["length_min"].tolist() == [1, 11]


def test_an_empty_file_is_damage(path):
    path.write_bytes(b"")
    with pytest.raises(DamagedFileError, match="is empty"):
        read_metrics(path)


def test_a_row_twice_in_two_files_names_both(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for each in paths:
        write_rows(each, [metrics_row()])
    with pytest.raises(DamagedFileError, match=r"b\.csv, line 2, .*a\.csv, line 2"):
        collect_metrics(paths)


def test_files_are_joined_in_their_order(tmp_path):
    paths = [tmp_path / f"{length}.csv" for length in (16, 4, 8)]
    for each in paths:
        write_rows(each, [metrics_row(length=int(each.stem))])
    assert collect_metrics(paths)["length"].tolist() == [16, 4, 8]
    assert join_metrics([row for each in paths for row in read_rows(each)]).equals(collect_metrics(paths))


def test_a_joined_row_that_is_wrong_is_named_by_its_place():
    rows = as_text([metrics_row(length=4), metrics_row(length=8, chance_accuracy=2)])
    with pytest.raises(DamagedFileError, match="joined rows, line 2, column 'chance_accuracy'"):
        join_metrics(rows)
    del rows[0]["seed"]
    with pytest.raises(DamagedFileError, match="lacks the column seed"):
        join_metrics(rows)


def test_no_rows_join_to_an_empty_table():
    assert list(join_metrics([]).columns) == list(METRICS_COLUMNS)


def test_a_table_that_is_written_reads_back_the_same(path):
    rows = curve_rows({4: [1 / 3, 0.1], 8: [None, 2 / 3]}, variant="model.heads=4", length_min=3)
    write_rows(path, rows)
    table = read_metrics(path)
    write_table(path, table)
    pd.testing.assert_frame_equal(read_metrics(path), table)


def test_joining_rows_costs_ten_times_as_much_for_ten_times_as_many():
    rows = as_text(
        curve_rows({length: [0.1 + seed / 5000 for seed in range(2000)] for length in range(4, 9)})
    )
    assert len(join_metrics(rows)) == 10_000
    assert growth(lambda: join_metrics(rows[:1000]), lambda: join_metrics(rows)) < 30


def test_what_was_worked_out_is_written_with_the_digits_that_it_carries(path):
    table = pd.DataFrame(
        {"mean": [0.9992000000000001, 13.370712011065182, None], "steps": [1234567.0, 0.03125, 2e-9]}
    )
    write_rounded_table(path, table)
    assert path.read_text() == "mean,steps\n0.9992,1234567.0\n13.371,0.03125\n,2e-09\n"
    write_table(path, table)
    assert "13.370712011065182" in path.read_text()


def test_records_for_json_have_null_where_a_cell_is_missing():
    table = pd.DataFrame(
        {"arm": ["a", ""], "n": pd.array([3, None], dtype="Int64"), "x": [1 / 3, float("nan")]}
    )
    assert as_records(table) == [{"arm": "a", "n": 3, "x": 0.33333}, {"arm": "", "n": None, "x": None}]
    assert rounded(123456.0) == 123456.0

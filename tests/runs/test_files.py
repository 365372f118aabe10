import os

import pytest

from attnbench.runs.files import write_atomically


def test_data_is_written(tmp_path):
    write_atomically(tmp_path / "a.csv", b"1\n")
    assert (tmp_path / "a.csv").read_bytes() == b"1\n"


def test_a_file_is_replaced_and_nothing_else_stays(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"old and longer")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_keeps_the_old_file_and_removes_the_temporary_one(tmp_path, monkeypatch, call):
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")

    def fail(*arguments):
        raise OSError("disk full")

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


def test_the_data_is_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    path, seen = tmp_path / "a.csv", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(path.exists()))
    write_atomically(path, b"new")
    assert seen == [False]


def test_the_file_can_be_read_by_whom_the_umask_allows(tmp_path):
    write_atomically(tmp_path / "a.csv", b"1")
    (tmp_path / "plain").write_bytes(b"1")
    assert (tmp_path / "a.csv").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "none" / "a.csv", b"1")

import errno
import fcntl
import json
import os
import subprocess
import sys

import pytest

from attnbench.errors import DamagedFileError, StorageError, UserError
from attnbench.runs import io
from attnbench.runs.io import (
    CachedFile,
    ClaimedError,
    claimed,
    held_in_turn,
    is_claimed,
    read_whole,
    remove_partial_files,
    write_atomically,
)


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


def test_a_missing_folder_is_named_with_what_to_do(tmp_path):
    with pytest.raises(StorageError, match=r"a\.csv cannot be written: its folder is gone\. Put it back"):
        write_atomically(tmp_path / "none" / "a.csv", b"1")


def half_of(path, number=0):
    """Make what a writer of the path leaves when it is killed."""
    half = path.with_name(f".{path.name}.{number:032x}.tmp")
    half.write_bytes(b"half")
    return half


def test_halves_of_killed_writers_are_cleared_and_nothing_else_is(tmp_path):
    half = half_of(tmp_path / "a.csv")
    kept = [tmp_path / name for name in ("a.csv", ".a.csv.tmp", ".a.csv.0a.tmp", "notes.tmp", ".hidden")]
    for path in kept:
        path.touch()
    remove_partial_files(tmp_path)
    assert not half.exists()
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_what_a_living_writer_is_at_is_not_cleared(tmp_path, monkeypatch):
    right, seen = os.fsync, []

    def clear_and_look(descriptor):
        remove_partial_files(tmp_path)
        seen.extend(path.name.startswith(".a.csv.") for path in tmp_path.iterdir())
        right(descriptor)

    monkeypatch.setattr(os, "fsync", clear_and_look)
    write_atomically(tmp_path / "a.csv", b"whole")
    assert seen == [True]
    assert (tmp_path / "a.csv").read_bytes() == b"whole"


def test_a_writer_whose_file_was_cleared_before_it_was_locked_writes_once_more(tmp_path, monkeypatch):
    right, asked = fcntl.flock, []

    def clear_first(descriptor, how):
        asked.append(how)
        if len(asked) == 1:
            remove_partial_files(tmp_path)
        right(descriptor, how)

    monkeypatch.setattr(io.fcntl, "flock", clear_first)
    write_atomically(tmp_path / "a.csv", b"whole")
    assert (tmp_path / "a.csv").read_bytes() == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_there_is_nothing_to_clear_in_a_folder_that_is_not_there(tmp_path):
    remove_partial_files(tmp_path / "none")
    assert not (tmp_path / "none").exists()


FAULTS = ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "EIO", "ESTALE", "ENOTCONN", "ETIMEDOUT"]


def failing(number, times=1000):
    left = iter(range(times))

    def fail(*_, **__):
        if next(left, None) is not None:
            raise OSError(number, os.strerror(number))
        return b"read"

    return fail


@pytest.mark.parametrize("name", FAULTS)
def test_a_disk_at_fault_is_named_with_what_to_do(tmp_path, monkeypatch, name):
    number = getattr(errno, name)
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(StorageError) as caught:
        write_atomically(tmp_path / "a.csv", b"new")
    words = f"{caught.value}"
    assert words.startswith(f"The disk refused {tmp_path / 'a.csv'}: {os.strerror(number)}. ")
    assert words.endswith(", then repeat the command.")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_and_a_read_only_one_want_different_things(tmp_path, monkeypatch):
    for name, remedy in {
        "ENOSPC": "Make room",
        "EROFS": "Make it writable",
        "EIO": "See that its disk",
    }.items():
        monkeypatch.setattr(os, "fsync", failing(getattr(errno, name)))
        with pytest.raises(StorageError, match=remedy):
            write_atomically(tmp_path / "a.csv", b"new")


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("ENOENT", StorageError, "its folder is gone"),
        ("EISDIR", StorageError, "is a folder, expected a file"),
        ("ENAMETOOLONG", UserError, "longer than a name may be"),
    ],
)
def test_what_keeps_a_path_from_being_written_is_named(tmp_path, monkeypatch, name, kind, said):
    monkeypatch.setattr(os, "fsync", failing(getattr(errno, name)))
    with pytest.raises(kind, match=f"a.csv.*{said}"):
        write_atomically(tmp_path / "a.csv", b"new")


def test_a_half_that_cannot_be_taken_away_hides_no_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(errno.EROFS))
    monkeypatch.setattr("pathlib.Path.unlink", failing(errno.EROFS))
    with pytest.raises(StorageError, match=r"a\.csv: Read-only"):
        write_atomically(tmp_path / "a.csv", b"new")


def test_a_file_that_a_server_replaced_while_it_was_opened_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.read_bytes", failing(errno.ESTALE, times=1))
    assert read_whole(tmp_path / "a.csv") == b"read"
    monkeypatch.setattr("pathlib.Path.read_bytes", failing(errno.ESTALE, times=2))
    with pytest.raises(StorageError, match="Stale"):
        read_whole(tmp_path / "a.csv")


HOLD = """
import sys, time
from pathlib import Path
from attnbench.runs.io import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "claim"


@pytest.fixture
def holder(path):
    """Another process that holds the claim."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_claim_is_held_and_given_back(path):
    assert not is_claimed(path)
    with claimed(path):
        assert is_claimed(path)
    assert not is_claimed(path)


def test_looking_at_a_claim_makes_no_file(path):
    assert not is_claimed(path)
    assert not path.exists()


def test_a_claim_says_who_holds_it(path):
    with claimed(path):
        assert json.loads(path.read_text())["process"] == os.getpid()


def test_nobody_else_gets_a_claim_that_is_held(path, holder):
    assert is_claimed(path)
    with pytest.raises(ClaimedError), claimed(path):
        pass
    assert json.loads(path.read_text())["process"] == holder.pid


def test_the_claim_of_a_killed_process_is_free_at_once(path, holder):
    holder.kill()
    holder.wait()
    assert not is_claimed(path)
    with claimed(path):
        assert is_claimed(path)


def test_a_claim_is_given_back_after_an_error(path):
    with pytest.raises(ZeroDivisionError), claimed(path):
        raise ZeroDivisionError
    assert not is_claimed(path)


def test_what_a_former_holder_wrote_is_replaced(path):
    path.write_text("x" * 1000)
    with claimed(path):
        assert json.loads(path.read_text())["process"] == os.getpid()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_with_what_to_do(path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    path.touch()
    monkeypatch.setattr(fcntl, "flock", refuse)
    for ask in (
        lambda: claimed(path).__enter__(),
        lambda: held_in_turn(path).__enter__(),
        lambda: is_claimed(path),
    ):
        with pytest.raises(StorageError, match="Choose results on a file system whose files can be locked"):
            ask()


class CountedReading:
    """Reads a file as text, and counts how often."""

    def __init__(self, path):
        self.path = path
        self.count = 0

    def __call__(self):
        self.count += 1
        text = self.path.read_text()
        if text == "bad":
            raise DamagedFileError("bad")
        return text


@pytest.fixture
def reading(tmp_path):
    reading = CountedReading(tmp_path / "file")
    reading.path.write_text("one")
    return reading


def test_the_same_file_is_read_once(reading):
    last = CachedFile(reading.path, reading)
    assert [last.get(), last.get(), reading.count] == ["one", "one", 1]


def test_a_file_put_in_its_place_is_read_though_size_and_time_are_the_same(reading):
    last = CachedFile(reading.path, reading)
    last.get()
    found = reading.path.stat()
    write_atomically(reading.path, b"two")
    os.utime(reading.path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert [last.get(), reading.count] == ["two", 2]


def test_a_file_that_is_gone_is_none_and_read_when_it_is_back(reading):
    last = CachedFile(reading.path, reading)
    last.get()
    reading.path.unlink()
    assert last.get() is None
    reading.path.write_text("back")
    assert last.get() == "back"


def test_what_cannot_be_read_is_refused_each_time(reading):
    last = CachedFile(reading.path, reading)
    last.get()
    write_atomically(reading.path, b"bad")
    for _ in range(2):
        with pytest.raises(DamagedFileError):
            last.get()
    write_atomically(reading.path, b"good")
    assert last.get() == "good"

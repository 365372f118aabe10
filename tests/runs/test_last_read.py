import os

import pytest

from attnbench.errors import DamagedFileError
from attnbench.runs.io import CachedFile, write_atomically


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

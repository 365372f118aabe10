from pathlib import Path

import pytest

from attnbench.errors import UserError
from attnbench.tasks.text_files import content_hash, read_lines

TWO_LINES = b"eins zwei\ndrei\n"


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read_lines(path)
    return str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        TWO_LINES,
        b"eins zwei\ndrei",
        b"eins zwei\r\ndrei\r\n",
        b"\xef\xbb\xbfeins zwei\ndrei\n",
        b"\xef\xbb\xbfeins zwei\r\ndrei",
    ],
    ids=["plain", "no last line end", "windows", "byte order mark", "all of it"],
)
def test_line_ends_and_byte_order_mark_are_no_text(tmp_path: Path, content: bytes) -> None:
    assert read_lines(write(tmp_path / "a.txt", content)) == ["eins zwei", "drei"]


def test_only_line_feeds_end_a_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one\u2028still one\x0c\x85here\ntwo\n")
    assert len(read_lines(path)) == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'a.tsv'} does not exist" in refusal(tmp_path / "a.tsv")


def test_a_missing_relative_path_says_where_it_was_looked_for() -> None:
    assert str(Path.cwd()) in refusal(Path("no-such-file.tsv"))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a.tsv"
    folder.mkdir()
    assert f"{folder} is a folder" in refusal(folder)


def test_a_file_below_a_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "text") / "b.tsv"
    assert f"{path} cannot be read" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "a.tsv", content)
    assert f"{path} is empty" in refusal(path)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"one\nca\xe9\n", "line 2, byte 3: expected UTF-8, got the byte 0xe9"),
        (b"\xef\xbb\xbfca\xe9\n", "line 1, byte 6: expected UTF-8, got the byte 0xe9"),
        (b"\xff\xfea\x00", "line 1, byte 1: expected UTF-8, got the byte 0xff"),
        (b"one\n\xc3", "line 2, byte 1: expected UTF-8, got the byte 0xc3"),
    ],
    ids=["latin 1", "behind a byte order mark", "utf-16", "cut off"],
)
def test_text_that_is_not_utf8_is_refused_with_its_place(tmp_path: Path, content: bytes, place: str) -> None:
    path = write(tmp_path / "a.tsv", content)
    message = refusal(path)
    assert f"{path}, {place}" in message
    assert "iconv" in message


def test_the_hash_follows_the_content_not_the_path(tmp_path: Path) -> None:
    first, same = write(tmp_path / "a", "text"), write(tmp_path / "b", "text")
    before = content_hash(first)
    assert before == content_hash(same)
    assert len(before) == 64
    write(first, "other text")
    assert content_hash(first) != before

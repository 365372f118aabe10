import bz2
import codecs
import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from attnbench.errors import UserError
from attnbench.tasks.text.files import check_they_exist, content_hash, read_lines

TWO_LINES = b"eins zwei\ndrei\n"
MARKED = {
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


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
        b"eins zwei\rdrei\r",
        b"eins zwei\rdrei",
        b"eins zwei\rdrei\n",
        *(mark + "eins zwei\r\ndrei\n".encode(name) for name, mark in MARKED.items()),
        gzip.compress(TWO_LINES, mtime=0),
        gzip.compress(codecs.BOM_UTF16_LE + "eins zwei\ndrei".encode("utf-16-le"), mtime=0),
    ],
    ids=[
        "plain",
        "no last line end",
        "windows",
        "byte order mark",
        "all of it",
        "old mac",
        "old mac, no last line end",
        "old mac, another last line end",
        *MARKED,
        "gzip",
        "utf-16 in gzip",
    ],
)
def test_line_ends_and_byte_order_mark_are_no_text(tmp_path: Path, content: bytes) -> None:
    assert read_lines(write(tmp_path / "a.txt", content)) == ["eins zwei", "drei"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_nothing_else_ends_a_line(tmp_path: Path, end: str) -> None:
    lines = ["one\u2028still one\x0c\x85here", "two\x1c\u2029"]
    assert read_lines(write(tmp_path / "a.txt", end.join([*lines, ""]))) == lines


def test_a_carriage_return_within_lines_that_end_otherwise_is_a_blank(tmp_path: Path) -> None:
    assert read_lines(write(tmp_path / "a.txt", "one\rstill one\ntwo\n")) == ["one\rstill one", "two"]


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
        (b"one\n\xc3", "line 2, byte 1: expected UTF-8, got the byte 0xc3"),
    ],
    ids=["latin 1", "behind a byte order mark", "cut off"],
)
def test_text_that_is_not_utf8_is_refused_with_its_place(tmp_path: Path, content: bytes, place: str) -> None:
    path = write(tmp_path / "a.tsv", content)
    message = refusal(path)
    assert f"{path}, {place}" in message
    assert "iconv -f ENCODING" in message  # which one, a single byte does not tell


def tar(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("naïve text\n".encode("utf-16-le"), "looks like UTF-16LE without a byte order mark"),
        ("plain text\n".encode("utf-16-be"), "looks like UTF-16BE without a byte order mark"),
        (b"\x00\x00\x01\x02" * 99, "NUL bytes in 396: expected text, got binary data"),
        (codecs.BOM_UTF16_LE + b"a\x00b", "byte 5: expected UTF-16-LE behind its byte order mark"),
        (bz2.compress(TWO_LINES), "is packed with bzip2"),
        (gzip.compress(TWO_LINES, mtime=0)[:-9], "is packed with gzip and damaged"),
        (gzip.compress(TWO_LINES, mtime=0)[:-1] + b"x", "is packed with gzip and damaged"),
        (tar(TWO_LINES * 5000), "is an archive (tar)"),
    ],
)
def test_what_it_is_instead_of_text_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    path = write(tmp_path / "a.tsv", content)
    message = refusal(path)
    assert message.startswith(f"{path}")
    assert expected in message


def test_every_missing_file_is_named(tmp_path: Path) -> None:
    here = write(tmp_path / "here", "text")
    check_they_exist([here])
    with pytest.raises(UserError) as error:
        check_they_exist([tmp_path / "a", here, Path("b")])
    assert f"do not exist (looked for in {Path.cwd()}): {tmp_path / 'a'}, b." in str(error.value)
    with pytest.raises(UserError, match="a does not exist"):
        check_they_exist([here, tmp_path / "a"])


def test_the_hash_of_plain_text_is_that_of_its_bytes_packed_or_not(tmp_path: Path) -> None:
    """Pinned: another hash would give stored runs other names."""
    expected = hashlib.sha256(TWO_LINES).hexdigest()
    assert content_hash(write(tmp_path / "a", TWO_LINES)) == expected
    assert content_hash(write(tmp_path / "a.gz", gzip.compress(TWO_LINES, mtime=0))) == expected


def test_the_hash_follows_the_content_not_the_path(tmp_path: Path) -> None:
    first, same = write(tmp_path / "a", "text"), write(tmp_path / "b", "text")
    before = content_hash(first)
    assert before == content_hash(same)
    assert len(before) == 64
    write(first, "other text")
    assert content_hash(first) != before

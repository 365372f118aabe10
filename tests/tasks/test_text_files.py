from pathlib import Path

import pytest

from attnbench.errors import UserError
from attnbench.tasks.text_files import Pair, PairFiles, content_hash, read_lines, read_pairs

TWO_LINES = b"eins zwei\ndrei\n"


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def one_file(path: Path, source_field: str = "source", target_field: str = "target") -> PairFiles:
    return PairFiles(path, None, source_field, target_field)


def two_files(source: Path, target: Path) -> PairFiles:
    return PairFiles(source, target, "source", "target")


def refusal(files: PairFiles) -> str:
    with pytest.raises(UserError) as error:
        read_pairs(files)
    return str(error.value)


def test_lines_of_two_files_belong_together(tmp_path: Path) -> None:
    files = two_files(write(tmp_path / "a.de", TWO_LINES), write(tmp_path / "a.en", "one two\nthree\n"))
    read = read_pairs(files)
    assert read.pairs == (Pair("eins zwei", "one two"), Pair("drei", "three"))
    assert (read.empty, read.joined) == (0, 0)


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


def test_blanks_are_made_single(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "  one   two \t\u00a0drei\u3000vier\n")
    assert read_pairs(one_file(path)).pairs == (Pair("one two", "drei vier"),)


def test_words_are_counted_between_blanks() -> None:
    pair = Pair("in the beginning .", "en la komenco")
    assert (pair.source_words, pair.target_words) == (4, 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "one\teins\n\ttwo\n \t \n\nthree\tdrei\n"),
        (
            "a.jsonl",
            '{"source": "one", "target": "eins"}\n{"source": "", "target": "two"}\n'
            '{"source": " ", "target": []}\n\n{"source": "three", "target": ["drei"]}\n',
        ),
    ],
)
def test_pairs_with_an_empty_side_are_left_out_and_counted(tmp_path: Path, name: str, content: str) -> None:
    read = read_pairs(one_file(write(tmp_path / name, content)))
    assert read.pairs == (Pair("one", "eins"), Pair("three", "drei"))
    assert read.empty == 3


def test_an_empty_line_keeps_its_place_among_aligned_lines(tmp_path: Path) -> None:
    files = two_files(write(tmp_path / "a", "one\n\nthree\n"), write(tmp_path / "b", "eins\nzwei\ndrei\n"))
    assert read_pairs(files).pairs == (Pair("one", "eins"), Pair("three", "drei"))


def test_a_list_of_strings_is_joined_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": ["A b.", "C."], "short": ["x"]}\n')
    read = read_pairs(one_file(path, "text", "short"))
    assert read.pairs == (Pair("A b. C.", "x"),)
    assert read.joined == 1


def test_a_number_behind_the_field_takes_one_string_of_a_list(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": ["A b.", "C."], "odd.0": "name"}\n')
    read = read_pairs(one_file(path, "text.1", "odd.0"))
    assert read.pairs == (Pair("C.", "name"),)
    assert read.joined == 0


def test_json_escapes_are_characters(tmp_path: Path) -> None:
    path = write(tmp_path / "a.JSONL", '{"source": "\\u00e9\\ud83d\\ude00", "target": "x\\ny"}\r\n')
    assert read_pairs(one_file(path)).pairs == (Pair("é😀", "x y"),)


def test_different_line_counts_are_both_named(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.de", TWO_LINES), write(tmp_path / "a.en", "one\ntwo\nthree\n")
    message = refusal(two_files(source, target))
    assert f"{source} has 2 lines" in message
    assert f"{target} has 3" in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'a.tsv'} does not exist" in refusal(one_file(tmp_path / "a.tsv"))


def test_a_missing_relative_path_says_where_it_was_looked_for() -> None:
    assert str(Path.cwd()) in refusal(one_file(Path("no-such-file.tsv")))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a.tsv"
    folder.mkdir()
    assert f"{folder} is a folder" in refusal(one_file(folder))


def test_a_file_below_a_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "text") / "b.tsv"
    assert f"{path} cannot be read" in refusal(one_file(path))


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "a.tsv", content)
    assert f"{path} is empty" in refusal(one_file(path))


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
    message = refusal(one_file(path))
    assert f"{path}, {place}" in message
    assert "iconv" in message


@pytest.mark.parametrize(("line", "columns"), [("one", 1), ("one\teins\tuno", 3)])
def test_a_wrong_number_of_columns_is_refused(tmp_path: Path, line: str, columns: int) -> None:
    path = write(tmp_path / "a.tsv", f"one\teins\n{line}\n")
    message = refusal(one_file(path))
    assert f"{path}, line 2: expected two columns" in message
    assert f"got {columns}: {line}" in message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"source": "one", "target": ', "broken JSON"),
        ("[" * 100_000, "broken JSON"),
        ('["one", "eins"]', 'expected a JSON object such as {"source": "…", "target": "…"}, got ["one"'),
        (
            '{"source": "one", "targets": "eins"}',
            "Unknown field 'target'. Known: source, targets. Did you mean targets?",
        ),
        ("{}", "Unknown field 'source'"),
        ('{"source": 1, "target": "eins"}', "in the field 'source', got 1"),
        ('{"source": null, "target": "eins"}', "in the field 'source', got null"),
        ('{"source": "one", "target": ["eins", 2]}', "in the field 'target', got [\"eins\", 2]"),
        ('{"source": "one", "target": {"de": "eins"}}', "in the field 'target'"),
        ('{"source": "one \\ud83d", "target": "eins"}', "half of a character"),
    ],
)
def test_a_broken_json_line_is_refused_with_its_number(tmp_path: Path, line: str, expected: str) -> None:
    path = write(tmp_path / "a.jsonl", f'{{"source": "one", "target": "eins"}}\n\n{line}\n')
    message = refusal(one_file(path))
    assert message.startswith(f"{path}, line 3: ")
    assert expected in message
    assert len(message) < 400 + len(str(path))


@pytest.mark.parametrize(("value", "got"), [('["eins"]', "a list of 1"), ('"eins"', '"eins"')])
def test_a_string_that_a_list_does_not_hold_is_refused(tmp_path: Path, value: str, got: str) -> None:
    path = write(tmp_path / "a.jsonl", f'{{"source": "one", "target": {value}}}\n')
    message = refusal(one_file(path, target_field="target.1"))
    assert f"{path}, line 1: expected at least 2 strings in 'target', got {got}" in message


def test_the_hash_follows_the_content_not_the_path(tmp_path: Path) -> None:
    first, same = write(tmp_path / "a", "text"), write(tmp_path / "b", "text")
    before = content_hash(first)
    assert before == content_hash(same)
    assert len(before) == 64
    write(first, "other text")
    assert content_hash(first) != before

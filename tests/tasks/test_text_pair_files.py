from pathlib import Path

import pytest

from attnbench.errors import UserError
from attnbench.tasks.text_pair import Pair
from attnbench.tasks.text_pair_files import PairFiles

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
        files.read()
    return str(error.value)


def test_lines_of_two_files_belong_together(tmp_path: Path) -> None:
    files = two_files(write(tmp_path / "a.de", TWO_LINES), write(tmp_path / "a.en", "one two\nthree\n"))
    read = files.read()
    assert read.pairs == (Pair("eins zwei", "one two", 2), Pair("drei", "three", 1))
    assert (read.empty, read.joined) == (0, 0)


def test_blanks_are_made_single(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "  one   two \t\u00a0drei\u3000vier\n")
    assert one_file(path).read().pairs == (Pair("one two", "drei vier", 2),)


def test_the_length_counts_source_words_between_blanks(tmp_path: Path) -> None:
    (pair,) = one_file(write(tmp_path / "a.tsv", "in the beginning .\ten la komenco\n")).read().pairs
    assert pair.length == 4


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
    read = one_file(write(tmp_path / name, content)).read()
    assert read.pairs == (Pair("one", "eins", 1), Pair("three", "drei", 1))
    assert read.empty == 3


def test_an_empty_line_keeps_its_place_among_aligned_lines(tmp_path: Path) -> None:
    files = two_files(write(tmp_path / "a", "one\n\nthree\n"), write(tmp_path / "b", "eins\nzwei\ndrei\n"))
    assert files.read().pairs == (Pair("one", "eins", 1), Pair("three", "drei", 1))


def test_a_list_of_strings_is_joined_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": ["A b.", "C."], "short": ["x"]}\n')
    read = one_file(path, "text", "short").read()
    assert read.pairs == (Pair("A b. C.", "x", 3),)
    assert read.joined == 1


def test_a_number_behind_the_field_takes_one_string_of_a_list(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": ["A b.", "C."], "odd.0": "name"}\n')
    read = one_file(path, "text.1", "odd.0").read()
    assert read.pairs == (Pair("C.", "name", 1),)
    assert read.joined == 0


def test_json_escapes_are_characters(tmp_path: Path) -> None:
    path = write(tmp_path / "a.JSONL", '{"source": "\\u00e9\\ud83d\\ude00", "target": "x\\ny"}\r\n')
    assert one_file(path).read().pairs == (Pair("é😀", "x y", 1),)


def test_different_line_counts_are_both_named(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.de", TWO_LINES), write(tmp_path / "a.en", "one\ntwo\nthree\n")
    message = refusal(two_files(source, target))
    assert f"{source} has 2 lines" in message
    assert f"{target} has 3" in message


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

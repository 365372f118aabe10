import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from attnbench.errors import UserError
from attnbench.tasks.text.formats import PairFiles
from attnbench.tasks.text.pairs import Block, Pair

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
    path = write(tmp_path / "a.tsv", "  one \v\f two \tdrei  vier\r\n")
    assert one_file(path).read().pairs == (Pair("one two", "drei vier", 2),)


@pytest.mark.parametrize("blank", ["\u00a0", "\u3000", "\u2028", "\x85"])
def test_other_blanks_stay_inside_their_words(tmp_path: Path, blank: str) -> None:
    """As in a corpus whose links an aligner has counted: `dit :` is one word where its blank does not break."""
    links = write(tmp_path / "a.align", "0-0 1-1\n")
    path = write(tmp_path / "a.tsv", f"dit{blank}: chien\tsays: dog\n{blank}\tx\n")
    links.write_text("0-0 1-1\n\n")
    read = replace(one_file(path), alignment=links).read()
    (pair,) = read.pairs
    assert pair == Pair(f"dit{blank}: chien", "says: dog", 2)
    assert pair.length == 2
    assert pair.sure[1] == Block(1, 2, 1, 2)
    assert read.empty == 1


def test_marked_sentences_count_the_same_words(tmp_path: Path) -> None:
    line = '{"source": ["a\\u00a0b c", "d"], "target": "x", "gold": [0, 1]}\n'
    read = replace(one_file(write(tmp_path / "a.jsonl", line)), gold_field="gold").read()
    assert read.pairs[0].sure == (Block(0, 1, 2, 3),)


@pytest.mark.parametrize("name", ["a.tsv.gz", "a.jsonl.gz", "a.TSV.GZ", "a.jsonl"])
def test_what_is_packed_or_in_utf_16_is_read_alike(tmp_path: Path, name: str) -> None:
    text = '{"source": "é", "target": "x"}\n' if "jsonl" in name else "é\tx\n"
    content = text.encode("utf-16")
    path = write(tmp_path / name, gzip.compress(content) if name.lower().endswith("gz") else content)
    assert one_file(path).read().pairs == (Pair("é", "x", 1),)


HEADERS = ["source\ttarget", "English\tEsperanto", " en \teo", "Question\tAnswer"]


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_is_noticed_and_said(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "a.tsv", f"{header}\none\tunu\n")
    read = one_file(path).read()
    assert read.pairs == (Pair("one", "unu", 1),)
    assert read.remarks[0].startswith(f"The first line of {path} names the columns (")
    assert len(replace(one_file(path), header=False).read().pairs) == 2


@pytest.mark.parametrize("line", ["one\tunu", "source\tfonto", "the source\ttarget", "no\tno", "source\t"])
def test_what_is_no_plain_header_is_a_pair(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "a.tsv", f"{line}\ntwo\tdu\n")
    read = one_file(path).read()
    assert len(read.pairs) + read.empty == 2
    assert read.remarks == ()
    assert replace(one_file(path), header=True).read().pairs == (Pair("two", "du", 1),)


def test_the_links_of_a_file_with_a_header_begin_with_the_first_pair(tmp_path: Path) -> None:
    links = write(tmp_path / "a.align", "0-0\n")
    path = write(tmp_path / "a.tsv", "source\ttarget\none\tunu\n")
    assert replace(one_file(path), alignment=links).read().pairs[0].sure == (Block(0, 1, 0, 1),)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("translation.en", "one"),
        ("deep.list.1.text", "two"),
        ("a.b", "own"),
        ("a.b.c", "own too"),
        ("x.y.z", "three"),
    ],
)
def test_fields_lie_within_fields(tmp_path: Path, name: str, found: str) -> None:
    line = {
        "translation": {"en": "one", "eo": "unu"},
        "deep": {"list": [{"text": "no"}, {"text": "two"}]},
        "a.b": "own",
        "a": {"b": {"c": "no"}},
        "a.b.c": "own too",
        "x": {"y.z": "three"},
    }
    path = write(tmp_path / "a.jsonl", json.dumps(line) + "\n")
    assert one_file(path, name, "translation.eo").read().pairs[0].source == found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("translation.e", "Unknown field 'translation.e'. Known: other, translation.en, translation.eo."),
        ("translation.en.x", "Unknown field 'translation.en.x'"),
        ("translation", "(known within it: translation.en, translation.eo)"),
        ("other.2", "expected at least 3 strings in 'other', got a list of 1"),
        ("", "Unknown field ''"),
        ("translation.", "Unknown field 'translation.'"),
    ],
)
def test_a_field_that_is_not_within_is_refused(tmp_path: Path, name: str, expected: str) -> None:
    path = write(tmp_path / "a.jsonl", '{"translation": {"en": "one", "eo": "unu"}, "other": ["x"]}\n')
    message = refusal(one_file(path, name, "translation.eo"))
    assert message.startswith(f"{path}, line 1: ")
    assert expected in message


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


GOLD = '{"source": ["a b.", " ", "c d e.", "f."], "target": "x y", "gold": %s}\n'


def test_marked_sentences_hold_the_whole_target(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", GOLD % "[0, 0, 1, 1]" + "\n" + GOLD % "[0, 1, 0, 0]")
    read = replace(one_file(path), gold_field="gold").read()
    assert [pair.sure for pair in read.pairs] == [(Block(0, 2, 2, 5), Block(0, 2, 5, 6)), ()]
    assert [pair.possible for pair in read.pairs] == [pair.sure for pair in read.pairs]
    assert read.is_aligned
    assert (read.empty, read.joined) == (1, 0)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            GOLD % "[0, 1, 0]",
            "expected 4 marks in the field 'gold', one for each sentence of 'source', got 3.",
        ),
        (GOLD % "[0, 1, 0, 2]", "expected a list of 0 and 1 in the field 'gold', got [0, 1, 0, 2]"),
        (GOLD % "[0, 1, 0, true]", "expected a list of 0 and 1 in the field 'gold'"),
        (GOLD % "[0, 1, 0, 0.0]", "expected a list of 0 and 1 in the field 'gold'"),
        (GOLD % "2", "expected a list of 0 and 1 in the field 'gold', got 2"),
        (
            '{"source": "a b.", "target": "x", "gold": [1]}\n',
            "expected a list of sentences in the field 'source'",
        ),
        (
            '{"source": ["a"], "target": "x", "golds": [1]}\n',
            "Unknown field 'gold'. Known: golds, source, target.",
        ),
    ],
)
def test_marks_that_fit_no_sentences_are_refused_with_their_place(
    tmp_path: Path, line: str, expected: str
) -> None:
    path = write(tmp_path / "a.jsonl", GOLD % "[0, 0, 1, 1]" + line)
    message = refusal(replace(one_file(path), gold_field="gold"))
    assert message.startswith(f"{path}, line 2: ")
    assert expected in message


def test_links_stay_with_their_pair_where_others_are_left_out(tmp_path: Path) -> None:
    pairs = write(tmp_path / "a.tsv", "one two\teins zwei\n\tdrei\nvier fünf\tfour five\n")
    links = write(tmp_path / "a.links", "0-1\n\n1p0\n")
    read = replace(one_file(pairs), alignment=links).read()
    assert [(pair.sure, pair.possible) for pair in read.pairs] == [
        ((Block(1, 2, 0, 1),), (Block(1, 2, 0, 1),)),
        ((), (Block(0, 1, 1, 2),)),
    ]
    assert read.is_aligned


def test_a_link_out_of_range_is_refused_with_the_line_of_the_links(tmp_path: Path) -> None:
    pairs = write(tmp_path / "a.tsv", "one two\teins zwei\none\teins\n")
    links = write(tmp_path / "a.links", "0-1\n0-0 1-0\n")
    assert f"{links}, line 2: the link 1-0 points at source word 1" in refusal(
        replace(one_file(pairs), alignment=links)
    )


def test_without_links_or_marks_nothing_is_known(tmp_path: Path) -> None:
    read = one_file(write(tmp_path / "a.tsv", "one\teins\n")).read()
    assert not read.is_aligned
    assert read.pairs[0].possible == ()

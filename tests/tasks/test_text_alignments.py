from pathlib import Path

import pytest

from attnbench.errors import UserError
from attnbench.tasks.text_alignments import LinkedLine, read_alignment
from attnbench.tasks.text_pair import Block

PLACE = "links.txt, line 7"


def blocks(text: str, source_words: int = 3, target_words: int = 5) -> tuple[tuple[Block, ...], ...]:
    return LinkedLine(text, PLACE).blocks(source_words, target_words)


def test_a_link_names_the_source_word_first() -> None:
    sure, possible = blocks("0-0 1-4")
    assert sure == possible == (Block(0, 1, 0, 1), Block(4, 5, 1, 2))


def test_possible_links_include_the_sure_ones() -> None:
    sure, possible = blocks(" 0-0  2p3\t1-1 ")
    assert sure == (Block(0, 1, 0, 1), Block(1, 2, 1, 2))
    assert possible == (Block(0, 1, 0, 1), Block(3, 4, 2, 3), Block(1, 2, 1, 2))


def test_an_empty_line_links_nothing() -> None:
    assert blocks("") == blocks("  ") == ((), ())
    assert blocks("", source_words=0, target_words=0) == ((), ())


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("0-0 1_1", "1_1"),
        ("0-0-0", "0-0-0"),
        ("0-", "0-"),
        ("-1-0", "-1-0"),
        ("0P0", "0P0"),
        ("0-1.0", "0-1.0"),
        ("٣-0", "٣-0"),
        ("9" * 5000 + "-0", "9" * 59 + "…"),
    ],
)
def test_what_is_no_link_is_refused_with_its_place(text: str, got: str) -> None:
    with pytest.raises(UserError) as error:
        blocks(text)
    assert str(error.value).startswith(f"{PLACE}: expected links such as 0-0 or")
    assert str(error.value).endswith(f"got '{got}'.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3-0", "the link 3-0 points at source word 3, expected one below 3"),
        ("0-0 0p5", "the link 0p5 points at target word 5, expected one below 5"),
    ],
)
def test_a_link_outside_the_pair_is_refused_with_its_place(text: str, expected: str) -> None:
    with pytest.raises(UserError) as error:
        blocks(text)
    assert f"{PLACE}: {expected}" in str(error.value)


def test_every_pair_has_a_line(tmp_path: Path) -> None:
    path = tmp_path / "links.txt"
    path.write_bytes(b"\xef\xbb\xbf0-0\r\n\r\n1-1\r\n")
    lines = read_alignment(path, 3, tmp_path / "pairs.tsv")
    assert [line.text for line in lines] == ["0-0", "", "1-1"]
    assert lines[2].place == f"{path}, line 3"


def test_another_number_of_lines_is_refused_naming_both_files(tmp_path: Path) -> None:
    path = tmp_path / "links.txt"
    path.write_text("0-0\n1-1\n")
    with pytest.raises(UserError, match=r"links\.txt has 2 lines and .*pairs\.tsv has 3: expected as many"):
        read_alignment(path, 3, tmp_path / "pairs.tsv")

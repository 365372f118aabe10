from pathlib import Path

import pytest

from attnbench.errors import UserError
from attnbench.tasks.text.alignments import LinkedLine, Links, outside_remarks, read_alignment
from attnbench.tasks.text.pairs import Block

PLACE = "links.txt, line 7"


def blocks(text: str, source_words: int = 3, target_words: int = 5) -> tuple[tuple[Block, ...], ...]:
    links = LinkedLine(text, PLACE).links(source_words, target_words)
    assert not links.outside
    return links.sure, links.possible


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
def test_a_link_outside_the_pair_links_nothing_and_is_named(text: str, expected: str) -> None:
    links = LinkedLine(f"1-1 {text}", PLACE).links(3, 5)
    assert len(links.outside) == 1
    assert f"{PLACE}: {expected}" in links.outside[0]
    assert links.sure[0] == Block(1, 2, 1, 2)
    assert all(block.source_stop <= 3 and block.target_stop <= 5 for block in links.possible)


def test_a_few_links_outside_are_counted_and_many_are_refused() -> None:
    inside, outside = LinkedLine("0-0", PLACE).links(1, 1), LinkedLine("0-1", PLACE).links(1, 1)
    path = Path("links.txt")
    assert outside_remarks(path, [inside] * 100) == []
    (said,) = outside_remarks(path, [inside] * 99 + [outside])
    assert said.startswith(f"1 of 100 links point beyond their pairs and are left out. The first: {PLACE}: ")
    with pytest.raises(
        UserError, match=f"^{PLACE}: the link 0-1 .* 1 of the 99 links of links.txt point beyond"
    ):
        outside_remarks(path, [inside] * 98 + [outside])


def test_links_stand_between_the_blanks_of_ascii() -> None:
    with pytest.raises(UserError, match="expected links such as"):
        LinkedLine("0-0\u00a01-1", PLACE).links(3, 3)
    assert LinkedLine("", PLACE).links(0, 0) == Links()


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

import gzip
from pathlib import Path

import pytest

from attnbench.errors import UserError
from attnbench.tasks.babi_files import BabiFile
from attnbench.tasks.text_pair import Block, Pair, PairsRead
from tests.tasks.babi_examples import TWO_STORIES, write_stories


def read(path: Path, text: str | bytes) -> PairsRead:
    return BabiFile(write_stories(path / "qa.txt", text)).read()


def refusal(path: Path, text: str) -> str:
    with pytest.raises(UserError) as error:
        read(path, text)
    return str(error.value)


def test_a_question_becomes_a_pair_of_the_story_before_it_and_its_answer(tmp_path: Path) -> None:
    pairs = read(tmp_path, TWO_STORIES).pairs
    assert pairs == (
        Pair("Mary moved to the bathroom .", "bathroom", 1, "Where is Mary ?"),
        Pair("Mary moved to the bathroom . John got milk .", "milk football", 2, "What is John carrying ?"),
        Pair("Ann went .", "no", 1, "Is she here ?"),
    )
    assert [pair.length for pair in pairs] == [1, 2, 1]


def test_every_word_of_an_answer_stands_in_each_supporting_sentence(tmp_path: Path) -> None:
    pairs = read(tmp_path, TWO_STORIES).pairs
    assert [pair.sure for pair in pairs] == [
        (Block(0, 1, 0, 6),),
        (Block(0, 2, 6, 10), Block(0, 2, 0, 6)),
        (Block(0, 1, 0, 3),),
    ]
    assert all(pair.sure == pair.possible for pair in pairs)


@pytest.mark.parametrize(
    "text",
    [
        TWO_STORIES.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + TWO_STORIES.encode(),
        TWO_STORIES.rstrip("\n").encode(),
        TWO_STORIES.replace("\n1 ", "\n\n1 ").encode(),
        TWO_STORIES.replace("? \t", "?\t").encode(),
        TWO_STORIES.replace("\n", "\r").encode(),
        TWO_STORIES.encode("utf-16"),
        gzip.compress(TWO_STORIES.encode()),
    ],
    ids=[
        "windows",
        "byte order mark",
        "no last line end",
        "blank line between stories",
        "no blank before the tab",
        "old mac",
        "utf-16",
        "gzip",
    ],
)
def test_the_same_stories_are_read_from_other_hands(tmp_path: Path, text: bytes) -> None:
    assert read(tmp_path, text) == read(tmp_path, TWO_STORIES)


def test_any_language_and_answers_of_letters_are_read(tmp_path: Path) -> None:
    text = "1 Mary snanghar mein gayi.\n2 कार्यालय में।\n3 Mary kahan hai?\ts,s\t1 2\n"
    (pair,) = read(tmp_path, text).pairs
    assert pair.source == "Mary snanghar mein gayi . कार्यालय में।"
    assert pair.target == "s s"


def test_words_stand_between_the_blanks_of_ascii(tmp_path: Path) -> None:
    text = "1 Marie\u00a0va .\n2 Qui\u00a0va\u2028?\tJean\u3000Paul\t1\n"
    (pair,) = read(tmp_path, text).pairs
    assert (pair.source, pair.question, pair.target) == (
        "Marie\u00a0va .",
        "Qui\u00a0va\u2028 ?",
        "Jean\u3000Paul",
    )
    assert pair.sure == (Block(0, 1, 0, 2),)


def test_an_answer_without_support_has_no_alignment(tmp_path: Path) -> None:
    pairs = read(tmp_path, "1 Ann went.\n2 Where?\there\t\n3 Who?\tAnn\n").pairs
    assert [pair.sure for pair in pairs] == [(), ()]


def test_sentences_are_counted_not_line_numbers(tmp_path: Path) -> None:
    text = "1 a.\n2 a?\tx\t1\n5 b.\n6 b?\ty\t5\n"
    assert [pair.length for pair in read(tmp_path, text).pairs] == [1, 2]
    assert read(tmp_path, text).pairs[1].sure == (Block(0, 1, 2, 4),)


STORY = "1 Ann went.\n2 Where is Ann?\there\t1\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("3 Who went? \t\t1", "got no answer: 3 Who went?"),
        ("3 Who went?\t", "got no answer"),
        ("3 Who went?\tAnn,\t1", "got no answer"),
        ("3 Who went?\tAnn\t1\t2", "got 4 columns"),
        ("3 \tAnn\t1", "expected a number, a blank and a sentence"),
        ("3 Who went?\tAnn\t7", "sentences of this story before line number 3, got 7."),
        ("3 Who went?\tAnn\t3", "before line number 3, got 3 (a question)."),
        ("3 Who went?\tAnn\t1 2", "before line number 3, got 2 (a question)."),
        ("3 Who went?\tAnn\tone", "got one."),
        ("3 Who went?\tAnn\t" + "1" * 5000, "got 1111"),
        ("1 Who went?\tAnn\t1", "expected sentences before the question, got an empty story."),
        ("3 ", "expected a number, a blank and a sentence, such as '1 Mary moved to the bathroom.', got 3"),
        ("Ann went.", "expected a number, a blank and a sentence"),
        ("2 Ann went.", "expected the line number 1 (a new story) or a number above 2, got 2."),
        ("0 Ann went.", "expected the line number 1 (a new story) or a number above 2, got 0."),
    ],
)
def test_a_line_that_is_none_of_babi_is_refused_with_its_place(
    tmp_path: Path, line: str, expected: str
) -> None:
    message = refusal(tmp_path, STORY + line + "\n")
    assert message.startswith(f"{tmp_path / 'qa.txt'}, line 3: ")
    assert expected in message
    assert len(message) < 400 + len(str(tmp_path))


def test_the_first_line_begins_a_story(tmp_path: Path) -> None:
    assert "line 1: expected the line number 1 (a new story), got 4." in refusal(tmp_path, "4 Ann went.\n")


def test_stories_without_a_question_are_refused(tmp_path: Path) -> None:
    assert "qa.txt holds no question: expected a question, a tab" in refusal(tmp_path, "1 Ann went.\n")
    assert "qa.txt is empty" in refusal(tmp_path, "\n")

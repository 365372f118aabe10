import pytest

from attnbench.formatting import counted, duration, joined, sentence, shortened, span, stretches


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 runs are"), (1, "1 run is"), (2, "2 runs are"), (1000, "1,000 runs are")]
)
def test_what_is_counted_agrees_with_its_number(number, words):
    assert counted(number, "run is", "runs are") == words


def test_an_s_makes_the_plural_of_most():
    assert [counted(number, "job") for number in (1, 2)] == ["1 job", "2 jobs"]


@pytest.mark.parametrize(("words", "told"), [("a", "a"), ("ab", "a and b"), ("abc", "a, b and c")])
def test_a_list_ends_with_and(words, told):
    assert joined(words) == told
    assert joined(words, "or") == told.replace("and", "or")


def test_a_sentence_has_the_parts_that_are_there():
    assert sentence("", "rows: words", "red: wrong") == "Rows: words; red: wrong."
    assert sentence("", "") == ""


@pytest.mark.parametrize(("length", "expected"), [(1, 1), (24, 24), (25, 24), (300, 24)])
def test_a_text_is_cut_to_its_width(length, expected):
    text = shortened("x" * length, 24)
    assert len(text) == expected
    assert text.endswith("…") == (length > 24)


def test_numbers_that_differ_are_told_by_their_ends():
    assert [span([3, 3]), span([5, 2, 3])] == ["3", "2 to 5"]


def test_neighbours_are_told_as_stretches():
    assert stretches([1, 2, 3, 5, 8, 9], 3) == "1–3, 5, 8–9"
    assert stretches([1, 2, 3, 5, 8, 9], 2) == "1–3, 5, …"


def test_parts_with_commas_of_their_own_are_kept_apart():
    assert joined(["a, b", "c, d"], comma="; ") == "a, b; and c, d"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 second"),
        (40.4, "40 seconds"),
        (89.4, "89 seconds"),
        (90, "1.5 minutes"),
        (120, "2 minutes"),
        (600, "10 minutes"),
        (1512, "25 minutes"),
        (5400, "1.5 hours"),
        (436.9 * 60, "7.3 hours"),
        (100_000, "28 hours"),
        (172_800, "2 days"),
        (500_000, "5.8 days"),
    ],
)
def test_a_duration_has_the_unit_that_people_would_use(seconds, words):
    assert duration(seconds) == words

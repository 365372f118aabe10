import functools
import random

import pytest

from attnbench.inspection.word_edits import align, described, edits_of

END = "$"


def aligned(expected, written, is_given=()):
    return align(expected.split(), written.split(), is_given, END)


def kinds(expected, written, is_given=()):
    """Return what is not right: its kind, the expected word and the written one."""
    one, other = expected.split(), written.split()
    return [
        (
            each.kind,
            None if each.expected is None else one[each.expected],
            None if each.written is None else other[each.written],
        )
        for each in aligned(expected, written, is_given)
        if each.kind not in ("right", "given")
    ]


KNOWN = [
    ("f c p g d e $", "f f c p g d e $", "1 word too many at position 2, the rest right"),
    ("a b c $", "a b c d $", "1 word too many at position 4, the rest right"),
    ("a b c $", "b c $", "1 word left out at position 1, the rest right"),
    ("a a b $", "a b $", "1 word left out at position 2, the rest right"),
    ("a b c $", "a x c $", "1 word exchanged at position 2, the rest right"),
    ("a b c d $", "a c b d $", "2 words swapped at positions 2–3, the rest right"),
    ("a b c d $", "b a d c $", "4 words swapped at positions 1–4, no word right"),
    (
        "a b c d e f g h $",
        "b a c x e f z g h $",
        "1 word too many at position 7; 1 word exchanged at position 4; 2 words swapped at positions 1–2, "
        "the rest right",
    ),
    (
        "a b c d e f g h i j k $",
        "x b x d x f x h x j x $",
        "6 words exchanged at positions 1, 3, 5, 7, 9, …, the rest right",
    ),
    ("a b c $", "$", "3 words left out at positions 1–3, no word right"),
    ("a b c $", "", "3 words left out at positions 1–3; no end mark, no word right"),
    ("a b $", "a b c d", "2 words too many at position 3; no end mark, the rest right"),
    ("a b $", "a b", "no end mark, the rest right"),
    ("$", "a $", "1 word too many at position 1, no word right"),
    ("a b c $", "a b c $", "all right"),
    ("a b c d", "", "4 words left out at positions 1–4, no word right"),
    ("", "", "all right"),
]


@pytest.mark.parametrize(("expected", "written", "words"), KNOWN, ids=[f"{a}|{b}" for a, b, _ in KNOWN])
def test_known_answers(expected, written, words):
    assert described(aligned(expected, written)) == words


def test_of_a_fixed_length_nobody_is_blamed_for_words_without_room():
    words = aligned("f c p g d e", "f f c p g d")
    assert described(words) == "1 word too many at position 2, the rest right (no room for the last word)"
    assert kinds("f c p g d e", "f f c p g d") == [("inserted", None, "f"), ("cut_off", "e", None)]
    assert edits_of(words) == 1


def test_of_a_fixed_length_nobody_is_blamed_for_words_that_fill_it():
    assert kinds("a b c d", "a c d x") == [("left_out", "b", None), ("filler", None, "x")]
    told = "1 word left out at position 2, the rest right (1 word fills the fixed length)"
    assert described(aligned("a b c d", "a c d x")) == told
    assert described(aligned("a b c d", "c d x y")).endswith("the rest right (2 words fill the fixed length)")


def test_a_slip_near_the_end_keeps_the_words_behind_it_right():
    assert kinds("a b c d", "a b b c") == [("inserted", None, "b"), ("cut_off", "d", None)]


def test_a_swapped_word_goes_with_its_own():
    assert kinds("a b", "b a") == [("swapped", "b", "b"), ("swapped", "a", "a")]
    assert edits_of(aligned("a b", "b a")) == 1


def test_an_end_mark_is_exchanged_for_no_word():
    assert kinds("a b $", "a b c") == [("inserted", None, "c"), ("left_out", "$", None)]
    assert kinds("a b c $", "a b $") == [("left_out", "c", None)]


def test_given_words_never_count_and_never_move():
    # Keys are given, values asked for: the values of one key are no neighbours of another's.
    assert kinds("k v l w", "k w l v", (True, False, True, False)) == [
        ("exchanged", "v", "w"),
        ("exchanged", "w", "v"),
    ]
    assert kinds("who ? a b $", "who ? b $", (True, True)) == [("left_out", "a", None)]
    assert [each.position for each in aligned("who ? a b $", "who ? a x $", (True, True))] == [
        None,
        None,
        0,
        1,
        2,
    ]
    assert described(aligned("who a", "who a", (True, False))) == "all right"


def test_an_answer_may_end_ahead_of_given_words():
    assert kinds("k v l w $", "k $", (True, False, True, False, False)) == [
        ("exchanged", "v", "$"),
        ("left_out", "w", None),
        ("left_out", "$", None),
    ]


def fewest_edits(expected, written):
    """Return the fewest edits, by the recurrence as it stands in books."""

    @functools.cache
    def edits(i, j):
        if min(i, j) == 0:
            return max(i, j)
        found = [edits(i - 1, j) + 1, edits(i, j - 1) + 1]
        found.append(edits(i - 1, j - 1) + (expected[i - 1] != written[j - 1]))
        if min(i, j) > 1 and expected[i - 2 : i] == written[j - 2 : j][::-1]:
            found.append(edits(i - 2, j - 2) + 1)
        return min(found)

    return edits(len(expected), len(written))


def test_there_are_as_few_edits_as_can_be_and_every_word_stands_once():
    draw = random.Random(0)
    for _ in range(500):
        one, other = ([draw.choice("abc") for _ in range(draw.randrange(8))] for _ in range(2))
        words = align([*one, END], [*other, END], (), END)
        assert edits_of(words) == fewest_edits(one, other)
        assert sorted(each.expected for each in words if each.expected is not None) == [*range(len(one) + 1)]
        written = [each.written for each in words if each.written is not None]
        assert written == [*range(len(other) + 1)]
        for each in words:
            if each.kind in ("right", "swapped"):
                assert [*one, END][each.expected] == [*other, END][each.written]


def test_a_repeated_word_too_many_is_the_second():
    (word,) = [each for each in aligned("f c $", "f f c $") if each.kind == "inserted"]
    assert (word.written, word.position) == (1, 1)


def test_one_slip_in_a_thousand_words_is_one_edit():
    expected = [str(number % 97) for number in range(1000)]
    words = align([*expected, END], [*expected[:500], "x", *expected[500:], END], (), END)
    assert [each.position for each in words if each.kind == "inserted"] == [500]

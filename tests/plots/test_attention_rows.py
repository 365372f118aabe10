import numpy as np
import pytest

from attnbench.plots.attention_panel import missing_letters
from attnbench.plots.attention_rows import (
    DrawnArm,
    gold_rows,
    gold_stretches,
    possible_alone,
    shares_of,
    written_words,
)
from tests.plots.attention_examples import attention_example


def labels(**changes):
    return [word.label for word in written_words(attention_example(**changes))]


def test_a_wrong_word_stands_with_what_was_expected():
    words = written_words(attention_example())
    assert [word.label for word in words] == ["c", "a (b)", "a"]
    assert [word.is_wrong for word in words] == [False, True, False]


def test_given_words_stand_in_brackets_and_are_never_wrong():
    words = written_words(attention_example(is_given=(True, True, False)))
    assert [word.label for word in words] == ["[c]", "[a]", "a"]
    assert not any(word.is_wrong for word in words)


def test_words_that_were_not_written_have_a_row_without_numbers():
    short = attention_example(
        written=("c",), is_given=(False,), weights=np.eye(3)[:1], gradients=np.full((1, 3), 1 / 3)
    )
    assert [word.label for word in written_words(short)] == ["c", "– (b)", "– (a)"]
    shares = shares_of(short, "weights")
    assert shares.shape == (3, 3)
    assert np.isnan(shares[1:]).all()
    assert not np.isnan(shares[0]).any()


def test_behind_a_word_too_many_gold_moves_along_and_words_stay_right():
    slipped = attention_example(
        source=("a", "b", "c", "d"),
        written=("d", "d", "c", "b"),
        is_given=(False,) * 4,
        expected=("d", "c", "b", "a"),
        weights=np.eye(4, dtype=np.float32),
        sure=np.eye(4, dtype=bool)[::-1].copy(),
    )
    words = written_words(slipped)
    assert [word.label for word in words] == ["d", "d (–)", "c", "b", "… (a)"]
    assert [word.is_wrong for word in words] == [False, True, False, False, False]
    gold = gold_rows(slipped.sure, slipped)
    assert [np.flatnonzero(row).tolist() for row in gold] == [[3], [], [2], [1], [0]]
    assert np.isnan(shares_of(slipped, "weights")).any(axis=1).tolist() == [False] * 4 + [True]


def test_of_an_answer_without_a_word_all_expected_ones_have_a_row():
    nothing = np.zeros((0, 3), dtype=np.float32)
    empty = attention_example(written=(), is_given=(), weights=nothing, gradients=nothing)
    assert [word.label for word in written_words(empty)] == ["– (c)", "– (b)", "– (a)"]
    assert np.isnan(shares_of(empty, "weights")).all()


def test_a_word_that_was_left_out_stands_at_its_place():
    short = attention_example(written=("c", "a"), is_given=(False,) * 2, weights=np.eye(3)[:2])
    assert [word.label for word in written_words(short)] == ["c", "– (b)", "a"]
    assert [np.flatnonzero(row).tolist() for row in gold_rows(short.sure, short)] == [[2], [1], [0]]
    assert np.isnan(shares_of(short, "weights")).any(axis=1).tolist() == [False, True, False]


def test_swapped_words_and_words_that_fill_up_say_so():
    assert labels(written=("b", "c", "a")) == ["b (swapped)", "c (swapped)", "a"]
    assert labels(written=("c", "a", "x")) == ["c", "– (b)", "a", "x (…)"]


def test_words_beyond_the_expected_ones_are_wrong():
    assert labels(expected=("c", "a")) == ["c", "a", "a (–)"]


def test_nothing_is_wrong_where_nobody_knows_the_answer():
    assert labels(expected=()) == ["c", "a", "a"]


def test_gold_positions_side_by_side_are_one_stretch():
    places = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1]], dtype=bool)
    assert gold_stretches(places) == [(0, 0, 1), (0, 3, 3), (2, 1, 3)]
    assert gold_stretches(None) == []


def test_possible_positions_leave_the_sure_ones_out():
    both = attention_example(possible=np.ones((3, 3), dtype=bool))
    assert possible_alone(both).tolist() == (~both.sure).tolist()
    assert possible_alone(attention_example()) is None


@pytest.mark.parametrize(("length", "expected"), [(24, 24), (25, 24), (300, 24)])
def test_labels_have_a_longest_length(length, expected):
    long = ("x" * length, "b", "c")
    assert len(written_words(attention_example(written=long, expected=long))[0].label) == expected


def test_an_arm_by_itself_shows_its_weights_or_else_its_gradients():
    assert DrawnArm("a", "run", attention_example()).kind == "weights"
    assert DrawnArm("a", "run", attention_example(weights=None)).kind == "gradient"


def test_letters_that_the_font_lacks_are_named_once():
    assert missing_letters(["ab", "猫a", "猫", "ĉ"]) == "猫"

"""The words in which lengths, seeds and shares are given."""

import pytest

from attnbench.errors import UserError
from attnbench.sweeps.grid import Share, parse_lengths, parse_seeds, parse_share, parse_train_range


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("4", [4]),
        ("4,8,16", [4, 8, 16]),
        ("16,4,8,4", [4, 8, 16]),
        (" 4 , 8 ", [4, 8]),
        ("4:8", [4, 5, 6, 7, 8]),
        ("4:64:4", list(range(4, 65, 4))),
        ("4:9:4", [4, 8]),
        ("4:64:x2", [4, 8, 16, 32, 64]),
        ("4:63:x2", [4, 8, 16, 32]),
        ("3:100:x3", [3, 9, 27, 81]),
        ("5:5", [5]),
        ("5:5:x2", [5]),
        ("1", [1]),
        ("1,8:12:2,32:64:x2", [1, 8, 10, 12, 32, 64]),
        ("1:10000", list(range(1, 10_001))),
        ("1:99999:10", list(range(1, 100_000, 10))),
    ],
)
def test_lengths(text, lengths):
    assert parse_lengths(text) == lengths


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a length is missing"),
        (" ", "a length is missing"),
        (",", "a length is missing"),
        ("4,,8", "a length is missing"),
        ("4,8,", "a length is missing"),
        ("0", "a length is at least 1"),
        ("0:4", "a length is at least 1"),
        ("4,0,8", "a length is at least 1"),
        ("-4", "'-4' is not a length"),
        ("4,-8", "'-8' is not a length"),
        ("+4", r"'\+4' is not a length"),
        ("abc", "'abc' is not a length"),
        ("4,abc,8", "'abc' is not a length"),
        ("4.5", "is not a length"),
        ("4e1", "is not a length"),
        ("8:4", "'8:4' runs backwards"),
        ("8:4:x2", "runs backwards"),
        ("4:8:0", "would never end"),
        ("4:8:x1", "would never end"),
        ("4:8:x0", "would never end"),
        ("4:8:x", "is not a length"),
        ("4:8:2:2", "is not a length"),
        (":8", "is not a length"),
        ("4:", "is not a length"),
        ("4 8", "is not a length"),
        ("1:10001", "more than 10,000 lengths"),
        ("4,1:99999999999", "'1:99999999999' is more than 10,000 lengths"),
    ],
)
def test_what_is_no_lengths_is_refused_with_the_reason_and_how_to_write_them(text, reason):
    with pytest.raises(UserError, match=f"--lengths.*{reason}.*4,8,16"):
        parse_lengths(text)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("1", [0]), ("5", [0, 1, 2, 3, 4]), ("7,11", [7, 11]), ("7,", [7]), ("0,", [0]), ("11,7,7", [7, 11])],
)
def test_seeds_are_a_count_or_a_list(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", ",", "0", "-1", "abc", "1,x", "1,,2", "1.5", "7,-1", "x,", "1,9223372036854775808"]
)
def test_what_is_no_seeds_is_refused(text):
    with pytest.raises(UserError, match="--seeds"):
        parse_seeds(text)


def test_a_number_that_is_meant_as_a_seed_is_not_taken_for_a_count():
    assert len(parse_seeds("10000")) == 10_000
    with pytest.raises(UserError, match="`--seeds 20261123,` is the seed 20261123 alone"):
        parse_seeds("20261123")


@pytest.mark.parametrize(("text", "span"), [("4:32", (4, 32)), ("1:1", (1, 1)), (" 4:8 ", (4, 8))])
def test_train_ranges(text, span):
    assert parse_train_range(text) == span


@pytest.mark.parametrize("text", ["", "4", "8:4", "0:4", "-1:4", "4:8:2", "a:b", "4:", ":4"])
def test_what_is_no_train_range_is_refused(text):
    with pytest.raises(UserError, match=r"--train-range.*SHORTEST:LONGEST"):
        parse_train_range(text)


def test_runs_are_dealt_out_to_and_fro():
    assert [Share(number, 4).of(range(10)) for number in (1, 2, 3, 4)] == [
        [0, 7, 8],
        [1, 6, 9],
        [2, 5],
        [3, 4],
    ]
    assert Share(1, 1).of("abc") == ["a", "b", "c"]
    assert Share(4, 4).of("abc") == []


@pytest.mark.parametrize("count", [2, 4, 8])
def test_every_share_gets_runs_of_two_arms_that_take_turns(count):
    plan = ["fixed", "luong_general"] * 8
    for number in range(1, count + 1):
        assert set(Share(number, count).of(plan)) == {"fixed", "luong_general"}


@pytest.mark.parametrize("count", range(1, 13))
def test_no_run_is_in_two_shares_and_none_in_no_share(count):
    shared = [run for number in range(1, count + 1) for run in Share(number, count).of(range(10))]
    assert sorted(shared) == list(range(10))


def test_a_share_is_written_as_it_is_read():
    assert str(parse_share(" 2/8 ")) == "2/8"


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "a/b", "3", "", "1/2/3", "-1/4", "1.5/4"])
def test_what_is_no_share_is_refused_with_what_was_expected(text):
    with pytest.raises(UserError, match="expected I/N with I from 1 to N, such as 2/8"):
        parse_share(text)

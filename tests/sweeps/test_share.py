import pytest

from attnbench.errors import UserError
from attnbench.sweeps.grid import Share, parse_share


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

import pytest

from attnbench.wording import counted, joined


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 runs are"), (1, "1 run is"), (2, "2 runs are"), (1000, "1,000 runs are")]
)
def test_what_is_counted_agrees_with_its_number(number, words):
    assert counted(number, "run is", "runs are") == words


def test_an_s_makes_the_plural_of_most():
    assert [counted(number, "job") for number in (1, 2)] == ["1 job", "2 jobs"]


@pytest.mark.parametrize(
    ("parts", "words"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_a_list_has_and_before_its_last(parts, words):
    assert joined(parts) == words


def test_parts_with_commas_of_their_own_are_kept_apart():
    assert joined(["a, b", "c, d"], "; ") == "a, b; and c, d"

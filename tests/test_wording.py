import pytest

from attnbench.wording import counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 runs are"), (1, "1 run is"), (2, "2 runs are"), (1000, "1,000 runs are")]
)
def test_what_is_counted_agrees_with_its_number(number, words):
    assert counted(number, "run is", "runs are") == words


def test_an_s_makes_the_plural_of_most():
    assert [counted(number, "job") for number in (1, 2)] == ["1 job", "2 jobs"]

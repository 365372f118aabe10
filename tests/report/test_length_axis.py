import pytest
from matplotlib.figure import Figure

from attnbench.report.length_axis import is_log, set_length_axis


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([4, 8], True),
        ([4, 8, 16], True),
        ([4, 8, 12, 16, 24, 32], True),
        ([4, 8, 12, 16], False),
        ([10, 20, 30, 40, 60], False),
        ([8], False),
    ],
)
def test_the_axis_is_log_where_lengths_double_or_span_a_factor_of_eight(lengths, expected):
    assert is_log(lengths) is expected
    ax = set_length_axis(Figure().add_subplot(), {length: str(length) for length in lengths}, "symbols")
    assert ax.get_xscale() == ("log" if expected else "linear")


def test_ticks_are_plain_numbers_at_the_tested_lengths():
    ax = set_length_axis(Figure().add_subplot(), {n: str(n) for n in (4, 8, 16, 32)}, "symbols")
    assert ax.get_xticks().tolist() == [4, 8, 16, 32]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["4", "8", "16", "32"]
    assert ax.xaxis.get_minorticklocs().size == 0
    assert ax.get_xlabel() == "input length (symbols)"


def test_all_lengths_lie_within_the_axis():
    for lengths in ([4, 8, 16, 32], [10, 20, 30], [8]):
        left, right = set_length_axis(Figure().add_subplot(), {n: str(n) for n in lengths}, "").get_xlim()
        assert left < lengths[0]
        assert right > lengths[-1]


def test_labels_without_room_are_left_out_but_never_the_first_and_the_last():
    lengths = range(4, 65, 4)
    ax = set_length_axis(Figure().add_subplot(), {n: str(n) for n in lengths}, "symbols")
    shown = [label.get_text() for label in ax.get_xticklabels()]
    assert shown[0] == "4"
    assert shown[-1] == "64"
    assert 5 < len(shown) < len(lengths)

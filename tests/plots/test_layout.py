import math
from itertools import combinations

import pytest
from matplotlib.figure import Figure

from attnbench.plots.layout import Position, dodge, is_log, set_length_axis


def dodged(points, bars=(), fixed=()):
    """How far each point goes to the right, on axes whose data are points."""
    ax = Figure(figsize=(2, 2), dpi=72).add_axes((0, 0, 1, 1), xlim=(-72, 72), ylim=(-72, 72))
    found = dodge(ax, [Position(*point) for point in points], bars, [Position(*point) for point in fixed])
    assert [at.y for at in found] == [y for _, y in points]
    return [round(at.x - x, 6) for at, (x, _) in zip(found, points, strict=True)]


def test_points_apart_stay_where_they_are():
    assert dodged([(0, 0), (20, 0), (0, 20)]) == [0, 0, 0]


def test_points_at_one_place_are_dodged_to_both_sides():
    first, *others = dodged([(0, 0)] * 5)
    assert first == 0
    assert sorted(others) == [-20, -10, 10, 20]


def test_no_two_of_many_hide_one_another():
    points = [(0.0, float(y)) for y in (0, 1, 2, 3, 30, 31)]
    placed = [(x + shift, y) for (x, y), shift in zip(points, dodged(points), strict=True)]
    assert all(abs(a[0] - b[0]) >= 7.5 or abs(a[1] - b[1]) >= 7.5 for a, b in combinations(placed, 2))


def test_fixed_points_are_not_hidden():
    assert dodged([(0, 0)], fixed=[(0, 3)]) == [10]


def test_intervals_that_would_look_like_one_stand_side_by_side():
    # The markers are far apart, the intervals are not; the third has none.
    nothing = (math.nan, math.nan)
    assert dodged([(0, -20), (0, 0), (0, 20)], bars=[(-30, 10), (-10, 15), nothing]) == [0, 5, 0]


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

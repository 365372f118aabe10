from itertools import combinations

from attnbench.report.dodging import step_aside


def test_points_apart_stay_where_they_are():
    assert step_aside([(0, 0), (20, 0), (0, 20)]) == [0, 0, 0]


def test_points_at_one_place_step_aside_to_both_sides():
    first, *others = step_aside([(0, 0)] * 5)
    assert first == 0
    assert sorted(others) == [-20, -10, 10, 20]


def test_no_two_of_many_hide_one_another():
    points = [(0.0, float(y)) for y in (0, 1, 2, 3, 30, 31)]
    placed = [(x + shift, y) for (x, y), shift in zip(points, step_aside(points), strict=True)]
    assert all(abs(a[0] - b[0]) >= 7.5 or abs(a[1] - b[1]) >= 7.5 for a, b in combinations(placed, 2))


def test_fixed_points_are_not_hidden():
    (shift,) = step_aside([(0, 0)], fixed=[(0, 3)])
    assert shift == 10

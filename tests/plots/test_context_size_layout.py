"""Where the points of the figure of context size are drawn, whose lengths may be bounds alone."""

import math
from itertools import combinations

import pytest
from matplotlib.figure import Figure

from attnbench.arm import NO_CHANGES, Arm
from attnbench.plots.context_size import ContextSizePoint, lay_out
from attnbench.plots.layout import set_context_size_axis

WIDTH, HEIGHT = 420.0, 300.0
SIZES = (16, 32, 64)
ATTENTION = ("bahdanau", "luong_dot", "luong_general", "luong_concat", "multihead", "transformer")


def point(context_size, length, censored="", low=math.nan, high=math.nan, model="fixed"):
    arm = Arm("reverse", model, NO_CHANGES, "per_length", 16, None, None)
    return ContextSizePoint(arm, context_size, length, low, high, censored, False)


class Placed:
    """Points on a panel of their own: where they are drawn, in data, the limits of both axes, and the arrows."""

    def __init__(self, points):
        ax = Figure(figsize=(WIDTH / 72, HEIGHT / 72), dpi=72).add_axes((0, 0, 1, 1))
        set_context_size_axis(ax, [each.context_size for each in points])
        layout = lay_out(ax, points)
        self.positions, self.arrows, self.lengths = layout.positions, layout.arrows, layout.lengths
        self.x_limits, self.y_limits = ax.get_xlim(), ax.get_ylim()


def on_panel(layout, at):
    """Where data stand on the panel, in points from its lower left."""
    (left, right), (bottom, top) = layout.x_limits, layout.y_limits
    x = WIDTH * math.log2(at.x / left) / math.log2(right / left)
    y = HEIGHT * math.log2(at.y / bottom) / math.log2(top / bottom)
    return x, y


def sixteen_models():
    """Vectors, slots and a matrix that break down, and attention that does not, at three hidden sizes."""
    return [
        *(point(h, 5 * h / 16 + i / 10) for h in SIZES for i in range(3)),
        *(point(5 * h, 8 * h / 16, low=6 * h / 16, high=10 * h / 16) for h in SIZES),
        *(point(h * h + 2 * h, 12 * h / 16) for h in SIZES),
        *(point(64 * h, 64.0, "above", model=model) for model in ATTENTION for h in SIZES),
    ]


def test_a_point_by_itself_stands_where_it_was_measured():
    one, other = point(64, 12.5), point(256, 20.0)
    places = Placed([one, other]).positions
    assert places[one] == pytest.approx((64, 12.5))
    assert places[other] == pytest.approx((256, 20.0))


def test_no_point_hides_another_and_none_leaves_the_panel():
    points = sixteen_models()
    layout = Placed(points)
    at = [on_panel(layout, layout.positions[each]) for each in points]
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in at)
    assert all(math.dist(one, other) > 7 for one, other in combinations(at, 2))


def test_points_are_dodged_a_little_and_keep_their_length():
    points = [point(64, 12.0), point(64, 12.0), point(64, 12.0)]
    layout = Placed(points)
    places = [layout.positions[each] for each in points]
    assert [at.y for at in places] == [12.0] * 3
    assert len({at.x for at in places}) == 3
    assert all(abs(math.log2(at.x / 64)) < 12.1 / WIDTH for at in places)


def test_intervals_at_the_same_context_size_stand_side_by_side():
    # The markers are far apart, the intervals would be one line.
    points = [point(64, 8.0, low=6, high=20), point(64, 16.0, low=7, high=30), point(256, 8.0)]
    layout = Placed(points)
    (x, _), (other, _) = (on_panel(layout, layout.positions[each]) for each in points[:2])
    assert abs(x - other) == pytest.approx(5.0)


def test_censored_points_keep_their_context_size_and_stand_beyond_their_bound():
    above = [point(2048, 64.0, "above", model=model) for model in ATTENTION]
    below = [point(64, 4.0, "below") for _ in range(3)]
    places = Placed([*above, *below]).positions
    lengths = [places[each].y for each in above]
    # The first of the legend is the topmost, on both sides.
    assert lengths == sorted(lengths, reverse=True)
    assert min(lengths) > 64
    lengths = [places[each].y for each in below]
    assert lengths == sorted(lengths, reverse=True)
    assert max(lengths) < 4
    assert {places[each].x for each in above} == {2048.0}


def test_arrows_go_from_the_bound_past_all_their_points():
    points = sixteen_models()
    layout = Placed(points)
    assert [(arrow.context_size, arrow.start) for arrow in layout.arrows] == [(64 * h, 64.0) for h in SIZES]
    assert all(arrow.end > max(at.y for at in layout.positions.values()) for arrow in layout.arrows)
    (down,) = Placed([point(64, 4.0, "below")]).arrows
    assert down.end < down.start == 4.0


def test_arrows_of_about_the_same_context_size_end_at_one_height():
    points = [point(1024, 64.0, "above"), point(1040, 64.0, "above"), point(16, 8.0)]
    layout = Placed(points)
    assert len(layout.arrows) == 2
    assert len({arrow.end for arrow in layout.arrows}) == 1
    assert layout.positions[points[0]].y > layout.positions[points[1]].y


def test_bounds_that_differ_have_arrows_of_their_own():
    points = [point(1024, 64.0, "above"), point(1024, 32.0, "above")]
    assert [arrow.start for arrow in Placed(points).arrows] == [32.0, 64.0]


def test_limits_are_powers_of_two_with_room_for_arrows_beyond():
    layout = Placed(sixteen_models())
    assert layout.lengths == (4.0, 64.0)
    assert layout.y_limits[0] < 4
    assert layout.y_limits[1] > max(arrow.end for arrow in layout.arrows)
    assert layout.x_limits[0] < 16
    assert layout.x_limits[1] > 4096


def test_intervals_widen_the_axis_by_one_doubling_at_most():
    assert Placed([point(64, 8.0, low=5.0, high=12.0)]).lengths == pytest.approx((5.0, 12.0))
    assert Placed([point(64, 8.0, low=1e-3, high=1e6)]).lengths == pytest.approx((4.0, 16.0))


@pytest.mark.parametrize("censored", ["", "above", "below"])
def test_one_point_has_an_axis(censored):
    layout = Placed([point(64, 8.0, censored)])
    assert layout.lengths == (8.0, 16.0)
    assert layout.y_limits[0] < 8 < 16 < layout.y_limits[1]


def test_however_many_points_an_arrow_has_lengths_keep_their_share():
    points = [point(1024, 64.0, "above") for _ in range(90)] + [point(16, 4.0)]
    layout = Placed(points)
    (_, bottom), (_, top) = (
        on_panel(layout, layout.positions[points[-1]]),
        on_panel(layout, Placed([points[-1]]).positions[points[-1]]._replace(y=64.0)),
    )
    assert top - bottom == pytest.approx(0.4 * HEIGHT)
    assert max(on_panel(layout, at)[1] for at in layout.positions.values()) < HEIGHT

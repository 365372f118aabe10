"""Where the points of the price figure stand: those that never arrived on arrows that start at their budget."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from attnbench.report.dodging import Point, step_aside
from attnbench.report.price_points import PricePoint

# All in points: from one point on an arrow to the next, and the arrow's head.
_PITCH, _HEAD = 9.5, 14.0
# Numbers worth a tick, and the doublings that one needs.
_ROUND, _DOUBLINGS = (1, 2, 5), 7


@dataclass(frozen=True)
class PriceLayout:
    """The place of each point in data, the arrows from start to end, and the budgets that ended runs too early."""

    places: Mapping[PricePoint, Point]
    arrows: Sequence[tuple[Point, Point]]
    budgets: frozenset[int]


def place_prices(ax: Axes, points: Sequence[PricePoint]) -> PriceLayout:
    """Set the axis of steps of axes whose lengths are set, and place at least one point on them."""
    _set_steps(ax, points)
    stacks = _stacks(points)
    places: dict[PricePoint, Point] = {}
    arrows = []
    for (length, budget), stack in stacks.items():
        x, y = _in_points(ax, (length, budget))
        # On every arrow the first of the legend is the topmost.
        for slot, point in enumerate(reversed(stack)):
            places[point] = _in_data(ax, (x, y + (slot + 0.9) * _PITCH))
        end = _in_data(ax, (x, y + (len(stack) + 0.9) * _PITCH))
        arrows.append(((float(length), float(budget)), end))
    free = [point for point in points if not point.is_censored]
    own = [_in_points(ax, (point.length, point.steps)) for point in free]
    shifts = step_aside(own, fixed=[_in_points(ax, place) for place in places.values()])
    for point, (x, y), shift in zip(free, own, shifts, strict=True):
        places[point] = _in_data(ax, (x + shift, y))
    return PriceLayout(places, arrows, frozenset(_budgets(point for point in points if point.seeds_censored)))


def room_for_arrows(points: Sequence[PricePoint]) -> float:
    """Return how many points of height the arrows need above the last step."""
    top = _top(points)
    most = max((len(stack) for (_, budget), stack in _stacks(points).items() if budget == top), default=0)
    return most * _PITCH + _HEAD if most else 0.0


def _set_steps(ax: Axes, points: Sequence[PricePoint]) -> None:
    """Set a log axis of steps, with room for arrows above all of them and round numbers where there are steps."""
    top = _top(points)
    bottom = min([*_all_steps(points), *(point.trained_steps for point in points), top / 2]) / 1.25
    height = ax.get_window_extent().height * 72 / ax.figure.dpi
    share = max(height - room_for_arrows(points), height / 3) / height
    ax.set_yscale("log", base=2)
    ax.set_ylim(bottom, 1.05 * bottom * (top / bottom) ** (1 / share))
    ticks = [number * 10.0**exponent for exponent in range(9) for number in _ROUND]
    shown = [tick for tick in ticks if bottom <= tick <= top]
    shown = (
        shown if math.log2(top / bottom) < _DOUBLINGS else [t for t in shown if math.log10(t).is_integer()]
    )
    ax.set_yticks(shown, [f"{tick:,.0f}" for tick in shown])
    ax.yaxis.set_minor_locator(NullLocator())


def _top(points: Sequence[PricePoint]) -> float:
    return max([*_all_steps(points), *(point.trained_steps for point in points)])


def _all_steps(points: Sequence[PricePoint]) -> list[int]:
    return [step for point in points for step in point.seed_steps]


def _stacks(points: Sequence[PricePoint]) -> dict[tuple[int, int], list[PricePoint]]:
    """Return the points that never arrived, by their length and the budget at which their arrow starts.

    A run that levelled off before its budget ended stands with those that used theirs up.
    """
    censored = [point for point in points if point.is_censored]
    budgets = sorted(_budgets(censored)) or [int(_top(points))] * bool(censored)
    stacks: dict[tuple[int, int], list[PricePoint]] = {}
    for point in censored:
        budget = next((each for each in budgets if each >= point.trained_steps), int(_top(points)))
        stacks.setdefault((point.length, budget), []).append(point)
    return stacks


def _budgets(points: Iterable[PricePoint]) -> set[int]:
    return {point.trained_steps for point in points if point.is_ended_by_budget}


def _in_points(ax: Axes, place: Point) -> Point:
    x, y = ax.transData.transform(place) * 72 / ax.figure.dpi
    return float(x), float(y)


def _in_data(ax: Axes, place: Point) -> Point:
    x, y = ax.transData.inverted().transform((place[0] * ax.figure.dpi / 72, place[1] * ax.figure.dpi / 72))
    return float(x), float(y)

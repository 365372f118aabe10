"""Where the points of the memory figure stand, so that none hides another."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from attnbench.report.memory_points import MemoryPoint

# All in points: from one point on an arrow to the next, the arrow's head, and how near two arrows may come.
_PITCH, _HEAD, _NEAR = 9.5, 12.0, 8.0
# Empty edge of the panel, and how far aside a point may go to make room for another.
_EDGE, _SHIFTS = 10.0, (0.0, 3.0, -3.0, 6.0, -6.0, 9.0, -9.0, 12.0, -12.0)
# How near two markers, and two intervals, may come.
_MARKER, _BAR = 7.5, 2.9
# Share of the height that is left to lengths, however many points an arrow has.
_LEAST_SHARE = 0.4


class Place(NamedTuple):
    """Where a point is drawn."""

    context_size: float
    length: float


class Arrow(NamedTuple):
    """From the bound of censored points past all of them that have about this context size."""

    context_size: float
    start: float
    end: float


@dataclass(frozen=True)
class MemoryLayout:
    """Limits of both axes, the place of each point, and the arrows of the censored ones.

    `lengths` are the ends of the lengths drawn; beyond them the y axis has room for arrows alone.
    """

    lengths: tuple[float, float]
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]
    places: dict[MemoryPoint, Place]
    arrows: list[Arrow]


def place_points(points: Sequence[MemoryPoint], width: float, height: float) -> MemoryLayout:
    """Place at least one point on a panel of a size in points.

    Points that are not censored keep their length, and step aside where they would hide one another. Censored
    ones, whose lengths are bounds, keep their context size and stand on arrows that start at the bound.
    """
    sizes = [math.log2(point.context_size) for point in points]
    left, right = min(sizes) - 0.5, max(sizes) + 0.5
    x_scale = width / (right - left)
    free = [point for point in points if not point.censored]
    slots = _slots([point for point in points if point.censored], _NEAR / x_scale)
    bottom, top = _length_limits(points)
    below, above = (_EDGE + _room(slots, side) for side in ("below", "above"))
    y_scale = max(height - below - above, _LEAST_SHARE * height) / (top - bottom)
    shrink = min(1.0, (height - y_scale * (top - bottom)) / (below + above))
    pitch = shrink * _PITCH / y_scale
    return MemoryLayout(
        lengths=(2**bottom, 2**top),
        x_limits=(2**left, 2**right),
        y_limits=(2 ** (bottom - shrink * below / y_scale), 2 ** (top + shrink * above / y_scale)),
        places=_free_places(free, x_scale, y_scale)
        | {point: _moved(point, up=_outward(point, slot + 0.9, pitch)) for point, slot in slots.items()},
        arrows=_arrows(slots, _NEAR / x_scale, pitch),
    )


def _length_limits(points: Iterable[MemoryPoint]) -> tuple[float, float]:
    """Return log2 of the ends of the axis: powers of two around the points, or the ends of intervals.

    Of intervals, which are enormous where seeds are few and differ, one doubling beyond the points is shown.
    """
    lengths = [math.log2(point.length) for point in points]
    ends = [math.log2(end) for point in points if point.has_interval for end in (point.low, point.high)]
    bottom = min(math.floor(min(lengths)), max(min([*lengths, *ends]), min(lengths) - 1))
    top = max(math.ceil(max(lengths)), min(max([*lengths, *ends]), max(lengths) + 1))
    return bottom, max(top, bottom + 1)


def _slots(points: Sequence[MemoryPoint], near: float) -> dict[MemoryPoint, int]:
    """Number censored points from their bound outward, those that are near from one another differently.

    On every arrow the first of the legend is the topmost.
    """
    slots: dict[MemoryPoint, int] = {}
    for side, order in (("above", points[::-1]), ("below", points)):
        for point in order:
            if point.censored == side:
                taken = {slots[other] for other in _neighbours(point, slots, near)}
                slots[point] = next(slot for slot in count() if slot not in taken)
    return slots


def _arrows(slots: Mapping[MemoryPoint, int], near: float, pitch: float) -> list[Arrow]:
    arrows = []
    for point in slots:
        last = max(slots[other] for other in _neighbours(point, slots, near))
        end = _moved(point, up=_outward(point, last + 0.9 + _HEAD / _PITCH, pitch))
        arrows.append(Arrow(point.context_size, point.length, end.length))
    return sorted(set(arrows))


def _neighbours(point: MemoryPoint, others: Iterable[MemoryPoint], near: float) -> list[MemoryPoint]:
    """Return those of the others that share the point's bound and nearly its context size."""
    bound = point.censored, point.length
    return [
        other
        for other in others
        if (other.censored, other.length) == bound
        and abs(math.log2(other.context_size / point.context_size)) < near
    ]


def _room(slots: Mapping[MemoryPoint, int], side: str) -> float:
    """Return how many points the arrows on one side need."""
    numbers = [slot for point, slot in slots.items() if point.censored == side]
    return (max(numbers) + 0.9) * _PITCH + _HEAD if numbers else 0.0


@dataclass(frozen=True)
class _Bar:
    """A point with its interval, in points on the panel."""

    x: float
    y: float
    low: float
    high: float

    def hides(self, other: "_Bar") -> bool:
        """Whether the markers overlap, or the intervals would look like one."""
        apart = abs(self.x - other.x)
        is_one_mark = abs(self.y - other.y) < _MARKER and apart < _MARKER
        return is_one_mark or (apart < _BAR and self.low < other.high and other.low < self.high)


def _free_places(points: Sequence[MemoryPoint], x_scale: float, y_scale: float) -> dict[MemoryPoint, Place]:
    taken: list[_Bar] = []
    places = {}
    for point in points:
        x, y = math.log2(point.context_size) * x_scale, math.log2(point.length) * y_scale
        low, high = (math.log2(end) * y_scale if point.has_interval else y for end in (point.low, point.high))
        bars = [_Bar(x + shift, y, min(low, y), max(high, y)) for shift in _SHIFTS]
        # The first of the least hidden: as near to its own place as can be.
        bar = min(bars, key=lambda bar: sum(map(bar.hides, taken)))
        taken.append(bar)
        places[point] = _moved(point, right=(bar.x - x) / x_scale)
    return places


def _outward(point: MemoryPoint, steps: float, pitch: float) -> float:
    """Return how many doublings lie so many steps above the longest length, or (negative) below the shortest."""
    return steps * pitch if point.censored == "above" else -steps * pitch


def _moved(point: MemoryPoint, right: float = 0.0, up: float = 0.0) -> Place:
    """Return the point's own place moved by doublings of context size and of length."""
    return Place(point.context_size * 2**right, point.length * 2**up)

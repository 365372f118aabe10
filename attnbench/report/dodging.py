"""Points of several arms at one place step aside, so that none hides another."""

from collections.abc import Iterable, Sequence

Point = tuple[float, float]

# How near two markers may come, and how far aside a point may go for it; in points.
_MARKER = 7.5
_SHIFTS = (0.0, *(sign * step for step in (5.0, 10.0, 15.0, 20.0, 25.0) for sign in (1, -1)))


def step_aside(points: Sequence[Point], fixed: Iterable[Point] = ()) -> list[float]:
    """Return how far each point goes to the right (or left, negative), the first the least; all in points.

    Args:
        points: where they belong.
        fixed: other points, which stay where they are and are not to be hidden either.
    """
    taken = list(fixed)
    shifts = []
    for x, y in points:
        # The first of the least hidden: as near to its own place as can be.
        shift = min(_SHIFTS, key=lambda shift, x=x, y=y: _hidden((x + shift, y), taken))  # type: ignore[misc]
        taken.append((x + shift, y))
        shifts.append(shift)
    return shifts


def _hidden(point: Point, taken: Iterable[Point]) -> int:
    return sum(abs(point[0] - x) < _MARKER and abs(point[1] - y) < _MARKER for x, y in taken)

"""Places for short labels beside marks on curves, chosen so that they cover as little as possible."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# What it costs a label to lie on a point of a curve, on a mark, on another label, or outside the panel, and
# for each point of distance from its mark.
_ON_CURVE, _ON_MARK, _ON_LABEL, _OUTSIDE, _DISTANCE = 1.0, 5.0, 50.0, 200.0, 0.15
_DISTANCES = (9.0, 20.0, 31.0)  # points above or below the mark
_BESIDE = 6.0
_CHARACTER_WIDTH, _HEIGHT = 5.4, 10.0  # points, of bold digits in size 8


Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A rectangle in points."""

    left: float
    bottom: float
    right: float
    top: float

    def holds(self, point: Point) -> bool:
        """Whether a point lies within."""
        return self.left <= point[0] <= self.right and self.bottom <= point[1] <= self.top

    def overlaps(self, other: "Box") -> bool:
        """Whether the two have a point in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )

    def lies_within(self, other: "Box") -> bool:
        """Whether all of this box is part of the other."""
        corners = (self.left, self.bottom), (self.right, self.top)
        return all(other.holds(corner) for corner in corners)


@dataclass(frozen=True)
class Place:
    """Where a label goes, in points from its mark; one on the left ends there, one on the right starts."""

    beside: float
    above: float

    @property
    def is_far(self) -> bool:
        """Whether the label is too far from its mark to be taken for its number without a line."""
        return abs(self.above) > _DISTANCES[0]

    @property
    def alignment(self) -> Literal["left", "right"]:
        """Which end of the label lies at the place."""
        return "left" if self.beside > 0 else "right"

    def box(self, mark: Point, text: str) -> Box:
        """Return what the label covers."""
        x, y, width = mark[0] + self.beside, mark[1] + self.above, _CHARACTER_WIDTH * len(text)
        left = x if self.beside > 0 else x - width
        return Box(left, y - _HEIGHT / 2, left + width, y + _HEIGHT / 2)


_PLACES = tuple(
    Place(beside, above)
    for distance in _DISTANCES
    for beside in (_BESIDE, -_BESIDE)
    for above in (distance, -distance)
)


def choose_places(
    marks: Sequence[Point],
    texts: Sequence[str],
    curves: Sequence[Point],
    panel: Box,
) -> list[Place]:
    """Choose a place for each mark's text, one after the other.

    Args:
        marks: where the marks are, in points.
        texts: the label of each.
        curves: points along all that is drawn, in points.
        panel: what labels must not leave.
    """
    chosen: list[Place] = []
    taken: list[Box] = []
    for mark, text in zip(marks, texts, strict=True):

        def cost(place: Place, mark: Point = mark, text: str = text) -> float:
            box = place.box(mark, text)
            return (
                _ON_CURVE * sum(map(box.holds, curves))
                + _ON_MARK * sum(map(box.holds, marks))
                + _ON_LABEL * sum(map(box.overlaps, taken))
                + _OUTSIDE * (not box.lies_within(panel))
                + _DISTANCE * abs(place.above)
            )

        chosen.append(min(_PLACES, key=cost))
        taken.append(chosen[-1].box(mark, text))
    return chosen

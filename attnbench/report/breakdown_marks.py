"""The marks on a panel where mean curves fall through L50, each with its number."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from attnbench.plots.points import ArmRows
from attnbench.report.breakdown_words import length_text
from attnbench.report.label_places import Box, Place, Point, choose_places

# How many points of a line stand for it when a label looks for a free place.
_SAMPLES = 25
# How many of them weigh as much as one of the points that the line joins.
_POINT_WEIGHT = 10


def mark_breakdowns(ax: Axes, arms: Sequence[ArmRows], score: str) -> Axes:
    """Mark where mean curves fall through L50; call it last, when limits and curves are there."""
    found = [(rows, rows.breakdown(score)) for rows in arms]
    crossed = [(rows, each) for rows, each in found if each is not None and not each.censored]
    texts = [f"L50 {length_text(each.length)}" for _, each in crossed]
    marks = [_in_points(ax, each.length, each.accuracy_threshold) for _, each in crossed]
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    panel = Box(*_in_points(ax, left, bottom), *_in_points(ax, right, top))
    places = choose_places(marks, texts, _drawn_points(ax, arms, score), panel)
    for (rows, each), text, place in zip(crossed, texts, places, strict=True):
        _mark(ax, rows.style.colour, (each.length, each.accuracy_threshold), text, place)
    return ax


def _mark(ax: Axes, colour: str, at: Point, text: str, place: Place) -> None:
    halo = [withStroke(linewidth=4, foreground="white")]
    ax.plot(*at, marker="|", markersize=15, markeredgewidth=2.2, color=colour, zorder=4, path_effects=halo)
    ax.annotate(
        text,
        at,
        (place.beside, place.above),
        textcoords="offset points",
        color=colour,
        fontsize=8,
        fontweight="bold",
        ha=place.alignment,
        va="center",
        zorder=5,
        arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7} if place.is_far else None,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )


def _drawn_points(ax: Axes, arms: Sequence[ArmRows], score: str) -> list[Point]:
    """Return points along the mean curves and their intervals."""
    drawn: list[Point] = []
    for points in (rows.points(score) for rows in arms):
        corners = [_in_points(ax, *point) for point in zip(points["length"], points["mean"], strict=True)]
        drawn += _POINT_WEIGHT * corners
        drawn += [each for pair in pairwise(corners) for each in _between(*pair)]
        for length, low, high in points[["length", "low", "high"]].dropna().itertuples(index=False):
            drawn += _between(_in_points(ax, length, low), _in_points(ax, length, high))
    return drawn


def _between(start: Point, end: Point) -> list[Point]:
    return [(float(x), float(y)) for x, y in np.linspace(start, end, _SAMPLES)]


def _in_points(ax: Axes, x: float, y: float) -> Point:
    """Return where data stand on the figure, in points."""
    place = ax.transData.transform((x, y)) * 72 / ax.figure.dpi
    return float(place[0]), float(place[1])

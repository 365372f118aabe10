"""The figure of the price of length: steps of training until an arm has learnt, against length."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_lowercase

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from attnbench.analysis.arms import arms_of
from attnbench.plots.layout import add_panel, place_panels
from attnbench.plots.length import add_legend
from attnbench.plots.points import panel_title
from attnbench.plots.style import ModelStyle, arm_labels, line_styles, model_style
from attnbench.report.dodging import Point
from attnbench.report.length_axis import set_length_axis
from attnbench.report.price_caption import price_caption
from attnbench.report.price_places import PriceLayout, place_prices, room_for_arrows
from attnbench.report.price_points import PricePoint, price_points

_WIDTH, _HEIGHT = 5.2, 3.0  # inches, without the room for points that never arrived
_GREY, _SMALL = "#555555", 8
_ARROW = {"arrowstyle": "-|>", "color": "0.6", "linewidth": 1, "shrinkA": 0, "shrinkB": 0}


@dataclass(frozen=True)
class _Series:
    """One arm: its points by length, and a letter beside those that no line joins, where colours do not tell."""

    label: str
    tag: str
    line_style: str | tuple[int, tuple[float, ...]]
    points: Sequence[PricePoint]


def draw_price_figure(price: pd.DataFrame, seeds: pd.DataFrame) -> Figure:
    """Draw price.csv: a panel for each task whose lengths have runs of their own.

    Args:
        price: rows of `price_table`; at least one has a length.
        seeds: rows of `seed_prices`.
    """
    panels = [rows for _, rows in price.dropna(subset=["length"]).groupby(["task", "protocol"])]
    points = [price_points(rows, seeds) for rows in panels]
    room = max(map(room_for_arrows, points))
    figure = Figure(dpi=150)
    grid = {
        (0, column): draw_price(add_panel(figure, _WIDTH, _HEIGHT + room / 72), rows, each)
        for column, (rows, each) in enumerate(zip(panels, points, strict=True))
    }
    place_panels(figure, grid, price_caption(price, [point for each in points for point in each]))
    return figure


def draw_price(ax: Axes, price: pd.DataFrame, points: Sequence[PricePoint]) -> Axes:
    """Draw steps against length for the arms of one task under one protocol.

    Args:
        ax: empty axes of their final size; the legend stands beside them.
        price: their rows of `price_table`.
        points: the same as `price_points` gives them.
    """
    _draw_frame(ax, price)
    layout = place_prices(ax, points)
    budgets = _draw_budgets(ax, layout)
    for start, end in layout.arrows:
        ax.annotate("", end, start, arrowprops=_ARROW, zorder=1.5)
    handles = [_draw_series(ax, series, layout) for series in _split_series(points)]
    return add_legend(ax, [*handles, *budgets, *_explanations(points)])


def _draw_frame(ax: Axes, price: pd.DataFrame) -> None:
    lengths = sorted({int(length) for length in price["length"]})
    units = ", ".join(price["length_unit"].dropna().unique())
    ax.set_title(panel_title(arms_of(price)), fontsize=10, pad=7)
    ax.set_ylabel("steps until 0.9 of the way to perfect", fontsize=9)
    ax.grid(axis="y", color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=_SMALL)
    set_length_axis(ax, {length: str(length) for length in lengths}, units)


def _draw_budgets(ax: Axes, layout: PriceLayout) -> list[Line2D]:
    """Draw a line at each budget that ended a run before it arrived; return their entry of the legend."""
    budgets = sorted(layout.budgets)
    lines = [ax.axhline(budget, color=_GREY, linestyle="--", linewidth=1, zorder=1) for budget in budgets]
    if lines:
        lines[0].set_label(f"budget ({' and '.join(f'{budget:,}' for budget in budgets)} steps)")
    return lines[:1]


def _split_series(points: Sequence[PricePoint]) -> list[_Series]:
    arms = list(dict.fromkeys(point.arm for point in points))
    labels, lines = arm_labels(arms), line_styles(arms)
    series = []
    for arm in arms:
        alike = [other for other in arms if other.model == arm.model]
        tag = ascii_lowercase[alike.index(arm) % 26] if len(alike) > 1 else ""
        own = [point for point in points if point.arm == arm]
        series.append(_Series(labels[arm], tag, lines[arm], own))
    return series


def _draw_series(ax: Axes, series: _Series, layout: PriceLayout) -> Line2D:
    """Draw an arm's points and the line through them; return its entry of the legend."""
    style, places = model_style(series.points[0].arm.model), layout.places
    joined = [pair for pair in pairwise(series.points) if not any(point.is_censored for point in pair)]
    for pair in joined:
        ends = zip(*(places[point] for point in pair), strict=True)
        ax.plot(*ends, color=style.colour, linestyle=series.line_style, linewidth=1.4, zorder=2)
    for point in series.points:
        _draw_point(ax, point, places[point], style)
    alone = [point for point in series.points if not any(point in pair for pair in joined)]
    for point in alone if series.tag else []:
        beside = (style.marker_size / 2 + 1, 0)
        text = ax.annotate(series.tag, places[point], beside, textcoords="offset points", fontsize=7)
        halo = [withStroke(linewidth=2, foreground="white")]
        text.set(color=style.colour, va="center", path_effects=halo, zorder=4)
    tag = f" ({series.tag})" if series.tag and alone else ""
    entry = Line2D([], [], color=style.colour, marker=style.marker, label=series.label + tag)
    entry.set(linestyle=series.line_style, markersize=style.marker_size)
    return entry


def _draw_point(ax: Axes, point: PricePoint, place: Point, style: ModelStyle) -> None:
    """Draw a point, hollow where some seed had not arrived, and faintly the steps of each seed."""
    (mark,) = ax.plot(*place, style.marker, color=style.colour, zorder=3)
    is_hollow = point.seeds_censored > 0 and not point.is_censored
    mark.set(markersize=style.marker_size, markerfacecolor="white" if is_hollow else style.colour)
    if not point.is_censored and point.seeds > 1:
        x = [place[0]] * len(point.seed_steps)
        ax.plot(x, point.seed_steps, ".", color=style.colour, markersize=4, alpha=0.35, zorder=2.5)


def _explanations(points: Sequence[PricePoint]) -> list[Line2D]:
    """Return the entries of the legend that say what hollow points and arrows mean."""
    entries = []
    if any(point.seeds_censored and not point.is_censored for point in points):
        entries.append(_entry("some seeds had not arrived", marker="o", markerfacecolor="white"))
    if any(point.is_censored for point in points):
        entries.append(_entry("most seeds had not arrived", marker=r"$\uparrow$", markersize=9))
    return entries


def _entry(label: str, **look: object) -> Line2D:
    line = Line2D([], [], label=label, color=_GREY, linestyle="none", markersize=6)
    line.set(**look)
    return line

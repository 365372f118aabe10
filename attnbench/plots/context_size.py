"""The figure of L50 against context size: how long an input each memory holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator

from attnbench.analysis.arms import arms_of
from attnbench.plots.layout import add_panel, place_panels
from attnbench.plots.length import add_legend
from attnbench.plots.points import panel_title
from attnbench.plots.style import ModelStyle, arm_labels, line_styles, model_style, order_arms
from attnbench.report.memory_caption import memory_caption
from attnbench.report.memory_places import MemoryLayout, Place, place_points
from attnbench.report.memory_points import MemoryPoint, memory_points, without_size

_WIDTH, _HEIGHT = 5.8, 4.2  # inches
_SMALLEST, _LARGEST, _ALONE = 5.0, 8.5, 6.0  # points across a marker, by hidden size
_MOST_TICKS = 11
_GREY, _SMALL = "#555555", 8


@dataclass(frozen=True)
class _Series:
    """Arms that differ in hidden size alone: one entry of the legend, one line."""

    label: str
    # A letter beside its points, where another series has the same colour and marker.
    tag: str
    style: ModelStyle
    line_style: str | tuple[int, tuple[float, ...]]
    points: Sequence[MemoryPoint]


def draw_memory_figure(memory: pd.DataFrame) -> Figure:
    """Draw memory.csv: a panel for each task and protocol, side by side, and what there is to say below."""
    panels = [rows for _, rows in memory.groupby(["task", "protocol"])]
    figure = Figure(dpi=150)
    grid = {
        (0, column): draw_memory(add_panel(figure, _WIDTH, _HEIGHT), rows)
        for column, rows in enumerate(panels)
    }
    place_panels(figure, grid, memory_caption(panels))
    return figure


def draw_memory(ax: Axes, memory: pd.DataFrame) -> Axes:
    """Draw L50 against context size, both on log2 axes, for the arms of one task under one protocol.

    Args:
        ax: empty axes of their final size; the legend stands beside them.
        memory: rows of `memory_table`; arms that did not learn or have no context are not drawn.
    """
    _draw_frame(ax, memory)
    points = memory_points(memory)
    if not points:
        ax.set(xticks=[], yticks=[])
        ax.text(0.5, 0.5, "no arm to draw", transform=ax.transAxes, ha="center", color=_GREY)
        return ax
    box = ax.get_window_extent()
    layout = place_points(points, *(side * 72 / ax.figure.dpi for side in (box.width, box.height)))
    _set_axes(ax, layout)
    sizes = _marker_sizes(points)
    _draw_arrows(ax, layout)
    series = _split_series(memory, points)
    handles = [_draw_series(ax, each, layout, sizes) for each in series]
    return add_legend(ax, [*handles, *_explanations(points, sizes)])


def _draw_frame(ax: Axes, memory: pd.DataFrame) -> None:
    unit = ", ".join(filter(None, dict.fromkeys(memory["length_unit"])))
    ax.set_title(panel_title(arms_of(memory)), fontsize=10, pad=7)
    ax.set_xlabel("context size at L50 (numbers that cross from encoder to decoder)", fontsize=9)
    ax.set_ylabel(f"L50, free-running ({unit})" if unit else "L50, free-running", fontsize=9)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=_SMALL)


def _set_axes(ax: Axes, layout: MemoryLayout) -> None:
    """Set the limits, and plain numbers at powers of two; none where there are only arrows of bounds."""
    ax.set_xlim(*layout.x_limits)
    ax.set_ylim(*layout.y_limits)
    for axis, (low, high) in ((ax.xaxis, layout.x_limits), (ax.yaxis, layout.lengths)):
        exponents = range(int(np.ceil(np.log2(low))), int(np.floor(np.log2(high))) + 1)
        shown = [2.0**exponent for exponent in exponents[:: -(-len(exponents) // _MOST_TICKS)]]
        axis.set_ticks(shown, [f"{tick:.10g}" for tick in shown])
        axis.set_minor_locator(NullLocator())


def _draw_arrows(ax: Axes, layout: MemoryLayout) -> None:
    look = {"arrowstyle": "-|>", "color": "0.6", "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
    for size, start, end in layout.arrows:
        ax.annotate("", (size, end), (size, start), arrowprops=look, zorder=1.5)


def _draw_series(ax: Axes, series: _Series, layout: MemoryLayout, sizes: dict[int, float]) -> Line2D:
    """Draw the points of a series, their intervals and the line through them; return its legend entry."""
    joined = [pair for pair in pairwise(series.points) if not (pair[0].censored or pair[1].censored)]
    for pair in joined:
        ends = zip(*(layout.places[point] for point in pair), strict=True)
        ax.plot(*ends, color=series.style.colour, linestyle=series.line_style, linewidth=1, zorder=2)
    by_themselves = [point for point in series.points if not any(point in pair for pair in joined)]
    for point in series.points:
        size = sizes[point.arm.hidden_size] * series.style.marker_size / _ALONE
        _draw_point(ax, point, layout.places[point], series.style, size)
        if series.tag and point in by_themselves:
            _write_tag(ax, series, layout.places[point], size)
    tag = f" ({series.tag})" if series.tag and by_themselves else ""
    entry = Line2D([], [], label=series.label + tag, linewidth=1)
    entry.set(linestyle=series.line_style)
    return _mark(entry, series.style, series.style.marker_size, is_hollow=False)


def _draw_point(ax: Axes, point: MemoryPoint, place: Place, style: ModelStyle, size: float) -> None:
    x, y = place
    if point.has_interval:
        ax.vlines(x, point.low, point.high, colors=style.colour, linewidth=1, zorder=2.5)
        ax.plot([x, x], [point.low, point.high], "_", color=style.colour, markersize=4, zorder=2.5)
    _mark(ax.plot(x, y, zorder=3)[0], style, size, point.is_ended_by_budget)


def _write_tag(ax: Axes, series: _Series, place: Place, size: float) -> None:
    beside = (size / 2 + 1, 0)
    text = ax.annotate(series.tag, place, beside, textcoords="offset points", fontsize=7, va="center")
    halo = [withStroke(linewidth=2, foreground="white")]
    text.set(color=series.style.colour, path_effects=halo, zorder=4)


def _mark(line: Line2D, style: ModelStyle, size: float, is_hollow: bool) -> Line2D:
    line.set(marker=style.marker, markersize=size, color=style.colour)
    face, rim = ("white", style.colour) if is_hollow else (style.colour, "white")
    line.set(markerfacecolor=face, markeredgecolor=rim, markeredgewidth=1.0 if is_hollow else 0.5)
    return line


def _explanations(points: Sequence[MemoryPoint], sizes: dict[int, float]) -> list[Line2D]:
    """Return the entries of the legend that say what sizes, hollow points and arrows mean."""
    shown = sizes.items() if len(sizes) > 1 else ()
    entries = [_entry(f"hidden {hidden}", marker="o", markersize=size) for hidden, size in shown]
    if any(point.is_ended_by_budget for point in points):
        entries.append(_entry("ended by the budget", marker="o", markerfacecolor="white"))
    censored = {point.censored for point in points}
    if "above" in censored:
        entries.append(_entry("L50 beyond the longest tested", marker=r"$\uparrow$", markersize=9))
    if "below" in censored:
        entries.append(_entry("L50 before the shortest tested", marker=r"$\downarrow$", markersize=9))
    return [_entry(" ", marker=""), *entries] if entries else []


def _entry(label: str, **look: object) -> Line2D:
    line = Line2D([], [], label=label, color=_GREY, linestyle="none", markersize=_ALONE)
    line.set(**look)
    return line


def _split_series(memory: pd.DataFrame, points: Sequence[MemoryPoint]) -> list[_Series]:
    """Return the series that have points, looking and named alike whichever of their arms are drawn."""
    families = order_arms(without_size(arm) for arm in arms_of(memory))
    labels, lines = arm_labels(families), line_styles(families)
    series = []
    for family in families:
        own = [point for point in points if without_size(point.arm) == family]
        tags = [other for other in families if other.model == family.model]
        tag = ascii_lowercase[tags.index(family) % 26] if len(tags) > 1 else ""
        if own:
            series.append(_Series(labels[family], tag, model_style(family.model), lines[family], own))
    return series


def _marker_sizes(points: Sequence[MemoryPoint]) -> dict[int, float]:
    """Return how large the marker of each hidden size is: the larger, the larger."""
    hidden = sorted({point.arm.hidden_size for point in points})
    if len(hidden) == 1:
        return {hidden[0]: _ALONE}
    return dict(zip(hidden, np.linspace(_SMALLEST, _LARGEST, len(hidden)).tolist(), strict=True))

"""The figure of capacity: bits against length with their plateaus, and against the size of the context."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from attnbench.arm import Arm
from attnbench.plots.layout import add_panel, place_panels
from attnbench.plots.length import add_legend, draw_bits
from attnbench.plots.points import Panel
from attnbench.plots.style import arm_labels, line_styles, model_style, order_arms
from attnbench.report.capacity_caption import capacity_caption
from attnbench.report.capacity_points import Capacity, capacities, capacity_note
from attnbench.report.dodging import step_aside
from attnbench.report.memory_points import without_size

_WIDTH, _HEIGHT = 5.2, 3.2  # inches
_GREY, _SMALL = "#555555", 8
_MOST_TICKS = 11


def draw_capacity_figure(panels: Sequence[Panel], capacity: pd.DataFrame) -> Figure:
    """Draw capacity.csv: a column for each task and protocol whose arms have bits.

    Below bits against length stand bits against the size of the context, where an arm has several hidden sizes.

    Args:
        panels: the panels of a sweep; at least one has an arm with bits.
        capacity: rows of `capacity_table`.
    """
    found = capacities(capacity)
    shown = [panel for panel in panels if panel.arms_with("bits_recovered")]
    figure = Figure(dpi=150)
    grid: dict[tuple[int, int], Axes] = {}
    by_size = []
    for column, panel in enumerate(shown):
        own = [found[rows.arm] for rows in panel.arms_with("bits_recovered")]
        grid[0, column] = draw_capacity(add_panel(figure, _WIDTH, _HEIGHT), panel, found)
        if _has_sizes([each.arm for each in own]):
            grid[1, column] = draw_capacity_by_size(add_panel(figure, _WIDTH, _HEIGHT), own)
            by_size.append(column)
    place_panels(figure, grid, capacity_caption(shown, list(found.values()), bool(by_size)))
    return figure


def draw_capacity(ax: Axes, panel: Panel, found: Mapping[Arm, Capacity]) -> Axes:
    """Draw bits against length under their ceiling, with a band over each plateau.

    Args:
        ax: empty axes of their final size; the legend stands beside them.
        panel: the arms to draw.
        found: what each of them was seen to hold.
    """
    arms = panel.arms_with("bits_recovered")
    draw_bits(ax, panel, {rows.arm: capacity_note(found[rows.arm]) for rows in arms})
    for rows in arms:
        each = found[rows.arm]
        if each.lengths is not None:
            ends, colour = list(each.lengths), rows.style.colour
            ax.fill_between(ends, each.low, each.high, color=colour, alpha=0.18, linewidth=0, zorder=1)
            ax.plot(ends, [each.bits] * 2, color=colour, linewidth=4, alpha=0.35, zorder=1.5)
    ax.set_ylim(*_bits_limits(panel))
    return ax


def draw_capacity_by_size(ax: Axes, found: Sequence[Capacity]) -> Axes:
    """Draw the bits that arms were seen to hold against the size of their context, on a log2 axis.

    Args:
        ax: empty axes of their final size; the legend stands beside them.
        found: the arms of one task under one protocol; those without a context are not drawn.
    """
    drawn = [each for each in found if each.context_size > 0]
    _draw_frame(ax, drawn)
    shifts = _shifts(ax, drawn)
    families = order_arms(without_size(each.arm) for each in drawn)
    labels, lines = arm_labels(families), line_styles(families)
    handles = []
    for family in families:
        own = [each for each in drawn if without_size(each.arm) == family]
        style = model_style(family.model)
        for pair in pairwise(own):
            if all(each.is_plateau for each in pair):
                ends = [shifts[each] for each in pair], [each.bits for each in pair]
                ax.plot(*ends, color=style.colour, linestyle=lines[family], linewidth=1.2, zorder=2)
        for each in own:
            _draw_point(ax, each, shifts[each])
        entry = Line2D([], [], color=style.colour, marker=style.marker, label=labels[family])
        entry.set(linestyle=lines[family], markersize=style.marker_size)
        handles.append(entry)
    return add_legend(ax, [*handles, *_explanations(drawn)])


def _bits_limits(panel: Panel) -> tuple[float, float]:
    """Return limits around all seeds and the ceiling: intervals of few seeds may leave the panel."""
    rows = pd.concat([rows.metrics for rows in panel.arms])
    values = rows[["bits_recovered", "bits_available"]].to_numpy(float)
    top, bottom = float(np.nanmax(values)), min(0.0, float(np.nanmin(values)))
    return bottom - 0.04 * (top - bottom), top + 0.05 * (top - bottom)


def _draw_frame(ax: Axes, drawn: Sequence[Capacity]) -> None:
    ax.set_xlabel("context size (numbers that cross from encoder to decoder)", fontsize=9)
    ax.set_ylabel("bits held", fontsize=9)
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=_SMALL)
    ax.set_xscale("log", base=2)
    sizes = [np.log2(each.context_size) for each in drawn] or [0.0]
    ax.set_xlim(2 ** (min(sizes) - 0.5), 2 ** (max(sizes) + 0.5))
    exponents = range(int(np.floor(min(sizes))), int(np.ceil(max(sizes))) + 1)
    ticks = [2.0**exponent for exponent in exponents[:: -(-len(exponents) // _MOST_TICKS)]]
    shown = [tick for tick in ticks if ax.get_xlim()[0] <= tick <= ax.get_xlim()[1]]
    ax.set_xticks(shown, [f"{tick:.10g}" for tick in shown])
    ax.xaxis.set_minor_locator(NullLocator())
    ends = [end for each in drawn for end in (each.bits, each.low, each.high) if not np.isnan(end)]
    top, bottom = max([1.0, *ends]), min([0.0, *ends])
    ax.set_ylim(bottom - 0.04 * (top - bottom), top + 0.12 * (top - bottom))


def _shifts(ax: Axes, drawn: Sequence[Capacity]) -> dict[Capacity, float]:
    """Return the context size at which each arm is drawn, a little aside where it would hide another."""
    scale = 72 / ax.figure.dpi
    own = [ax.transData.transform((each.context_size, each.bits)) * scale for each in drawn]
    shifts = step_aside([(float(x), float(y)) for x, y in own])
    inverse = ax.transData.inverted()
    return {
        each: float(inverse.transform(((x + shift) / scale, y / scale))[0])
        for each, (x, y), shift in zip(drawn, own, shifts, strict=True)
    }


def _draw_point(ax: Axes, each: Capacity, size: float) -> None:
    style = model_style(each.arm.model)
    (mark,) = ax.plot(size, each.bits, style.marker, color=style.colour, zorder=3)
    mark.set(markersize=style.marker_size, markeredgecolor="white", markeredgewidth=0.5)
    if not np.isnan(each.low):
        ax.vlines(size, each.low, each.high, colors=style.colour, linewidth=1, zorder=2.5)
    if not each.is_plateau:
        look = {"arrowstyle": "<|-", "color": style.colour, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (size, each.bits), (0, 14), textcoords="offset points", arrowprops=look, zorder=2.6)


def _explanations(drawn: Sequence[Capacity]) -> list[Line2D]:
    if all(each.is_plateau for each in drawn):
        return []
    entry = Line2D([], [], color=_GREY, marker=r"$\uparrow$", linestyle="none", markersize=9)
    entry.set_label("at least: no plateau in the tested lengths")
    return [entry]


def _has_sizes(arms: Sequence[Arm]) -> bool:
    """Whether some arm is there in several hidden sizes."""
    return len({without_size(arm) for arm in arms}) < len(arms)

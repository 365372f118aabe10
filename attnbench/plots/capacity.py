"""The figure of capacity: bits against length with their plateaus, and against the size of the context."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnbench.arm import Arm
from attnbench.formatting import sentence
from attnbench.plots.layout import (
    ARROW,
    Position,
    add_legend,
    add_panel,
    arm_entry,
    dodge,
    draw_frame,
    grey_entry,
    new_figure,
    place_panels,
    set_context_size_axis,
)
from attnbench.plots.length import draw_bits, line_sentence, training_facts
from attnbench.plots.points import Capacity, Panel, capacities, capacity_note, without_size
from attnbench.plots.style import arm_looks, model_style

_WIDTH, _HEIGHT = 5.2, 3.2  # inches
_ARROW_LENGTH = 14  # points


def draw_capacity_figure(panels: Sequence[Panel], capacity: pd.DataFrame) -> Figure:
    """Draw capacity.csv: a column for each task and protocol whose arms have bits.

    Below bits against length stand bits against the size of the context, where an arm has several hidden sizes.

    Args:
        panels: the panels of a sweep; at least one has an arm with bits.
        capacity: rows of `capacity_table`.
    """
    found = capacities(capacity)
    shown = [panel for panel in panels if panel.arms_with("bits_recovered")]
    figure = new_figure()
    grid: dict[tuple[int, int], Axes] = {}
    for column, panel in enumerate(shown):
        own = [found[rows.arm] for rows in panel.arms_with("bits_recovered")]
        grid[0, column] = draw_capacity(add_panel(figure, _WIDTH, _HEIGHT), panel, found)
        # Some arm is there in several hidden sizes.
        own = [each for each in own if each.context_size > 0]
        if len({without_size(each.arm) for each in own}) < len(own):
            grid[1, column] = draw_capacity_by_size(add_panel(figure, _WIDTH, _HEIGHT), own)
    caption = capacity_caption(shown, list(found.values()), has_sizes=any(row for row, _ in grid))
    return place_panels(figure, grid, caption, shown[0].unfinished)


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
            ends, colour = list(each.lengths), rows.look.style.colour
            ax.fill_between(ends, each.low, each.high, color=colour, alpha=0.18, linewidth=0, zorder=1)
            ax.plot(ends, [each.bits] * 2, color=colour, linewidth=4, alpha=0.35, zorder=1.5)
    # Limits around all seeds and the ceiling: intervals of few seeds may leave the panel.
    values = pd.concat([rows.metrics for rows in panel.arms])[["bits_recovered", "bits_available"]]
    top, bottom = float(np.nanmax(values.to_numpy(float))), float(np.nanmin(values.to_numpy(float)))
    _set_bits_limits(ax, min(0.0, bottom), top, above=0.05)
    return ax


def draw_capacity_by_size(ax: Axes, found: Sequence[Capacity]) -> Axes:
    """Draw the bits that arms were seen to hold against the size of their context, on a log2 axis.

    Args:
        ax: empty axes of their final size; the legend stands beside them.
        found: the arms of one task under one protocol; those without a context are not drawn.
    """
    drawn = [each for each in found if each.context_size > 0]
    draw_frame(ax, "", "bits held", grid="both")
    set_context_size_axis(ax, [each.context_size for each in drawn])
    ends = [end for each in drawn for end in (each.bits, each.low, each.high) if not np.isnan(end)]
    _set_bits_limits(ax, min([0.0, *ends]), max([1.0, *ends]), above=0.12)
    dodged = dodge(ax, [Position(each.context_size, each.bits) for each in drawn])
    positions = dict(zip(drawn, dodged, strict=True))
    handles = []
    for family, look in arm_looks(without_size(each.arm) for each in drawn).items():
        own = [each for each in drawn if without_size(each.arm) == family]
        for pair in pairwise(own):
            if all(each.is_plateau for each in pair):
                x, y = zip(*(positions[each] for each in pair), strict=True)
                ax.plot(x, y, color=look.style.colour, linestyle=look.line_style, linewidth=1.2, zorder=2)
        for each in own:
            _draw_point(ax, each, positions[each])
        handles.append(arm_entry(look))
    if not all(each.is_plateau for each in drawn):
        label = "at least: no plateau in the tested lengths"
        handles.append(grey_entry(label, marker=r"$\uparrow$", markersize=9))
    return add_legend(ax, handles)


def capacity_caption(panels: Sequence[Panel], found: Sequence[Capacity], has_sizes: bool) -> str:
    """Say what lines and plateaus are, what stands below, and what all arms share."""
    has_plateau = any(each.is_plateau for each in found)
    without_context = sorted({each.arm.model for each in found if each.context_size == 0})
    plateau = (
        "band: a plateau, where the bits rise no more: the capacity learned at this size and budget, not what the "
        "numbers could hold"
        if has_plateau
        else "no arm has a plateau, where the bits would rise no more"
    )
    below = (
        "below: bits against the size of the context (L50 against it: --figure memory)" if has_sizes else ""
    )
    missing = f"not drawn below, since no number crosses: {', '.join(without_context)}"
    return " ".join(
        [
            line_sentence(panels, ["bits_recovered"]),
            sentence("dashed: all there is to know", plateau),
            sentence(below, missing if has_sizes and without_context else "", *training_facts(panels)),
        ]
    )


def _set_bits_limits(ax: Axes, bottom: float, top: float, above: float) -> None:
    ax.set_ylim(bottom - 0.04 * (top - bottom), top + above * (top - bottom))


def _draw_point(ax: Axes, each: Capacity, at: Position) -> None:
    style = model_style(each.arm.model)
    (mark,) = ax.plot(*at, style.marker, color=style.colour, zorder=3)
    mark.set(markersize=style.marker_size, markeredgecolor="white", markeredgewidth=0.5)
    if not np.isnan(each.low):
        ax.vlines(at.x, each.low, each.high, colors=style.colour, linewidth=1, zorder=2.5)
    if not each.is_plateau:
        # From the point upward: the head lies at the text's end.
        look = {**ARROW, "arrowstyle": "<|-", "color": style.colour}
        above = (0, _ARROW_LENGTH)
        ax.annotate("", at, above, textcoords="offset points", arrowprops=look, zorder=2.6)

"""The figure of L50 against the size of the context: how long an input each arm's context holds (`--figure memory`)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from attnbench.analysis.arms import arm_rows, arms_of
from attnbench.analysis.larger_budget import steps_of_budgets
from attnbench.arm import Arm
from attnbench.formatting import joined, sentence, span
from attnbench.plots.layout import (
    ARROW,
    GREY,
    PITCH,
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
    write_powers_of_two,
    write_tag,
)
from attnbench.plots.points import length_text, panel_title, shared_facts, split_rows, without_size
from attnbench.plots.style import ArmLook, ModelStyle, arm_labels, arm_looks, order_arms

_WIDTH, _HEIGHT = 5.8, 4.2  # inches
_SMALLEST, _LARGEST, _ALONE = 5.0, 8.5, 6.0  # points across a marker, by hidden size
# In points: an arrow's head, how near two arrows may come, and the empty edge of the panel.
_HEAD, _NEAR, _EDGE = 12.0, 8.0, 10.0
# Share of the height that is left to lengths, however many points an arrow has.
_LEAST_SHARE = 0.4


@dataclass(frozen=True, eq=False)
class ContextSizePoint:
    """One arm that log axes can show; `low` and `high` are NaN where there is no interval."""

    arm: Arm
    context_size: float
    length: float
    low: float
    high: float
    censored: str
    is_ended_by_budget: bool

    @property
    def has_interval(self) -> bool:
        """Whether the seeds' own L50 give an interval."""
        return not math.isnan(self.low)


class Arrow(NamedTuple):
    """From the bound of censored points past all of them that have about this context size."""

    context_size: float
    start: float
    end: float


@dataclass(frozen=True)
class ContextSizeLayout:
    """Where each point is drawn, as (context size, length), and the arrows of the censored ones.

    `lengths` are the ends of the lengths drawn; beyond them the y axis has room for arrows alone.
    """

    lengths: tuple[float, float]
    positions: dict[ContextSizePoint, Position]
    arrows: list[Arrow]


def draw_context_size_figure(sizes: pd.DataFrame, unfinished: str = "") -> Figure:
    """Draw memory.csv: a panel for each task, protocol and unit of length.

    Args:
        sizes: rows of `context_size_table`.
        unfinished: how many of the planned runs are done, empty where all are.
    """
    panels = split_rows(sizes)
    figure = new_figure()
    grid = {
        (0, column): draw_context_size(add_panel(figure, _WIDTH, _HEIGHT), rows)
        for column, rows in enumerate(panels)
    }
    return place_panels(figure, grid, context_size_caption(panels), unfinished)


def draw_context_size(ax: Axes, sizes: pd.DataFrame) -> Axes:
    """Draw L50 against context size, both on log2 axes, for the arms of one panel.

    Args:
        ax: empty axes of their final size; the legend stands beside them.
        sizes: rows of `context_size_table`; arms that did not learn or have no context are not drawn.
    """
    unit = ", ".join(filter(None, dict.fromkeys(sizes["length_unit"])))
    draw_frame(
        ax,
        panel_title(arms_of(sizes)),
        f"L50, free-running ({unit})" if unit else "L50, free-running",
        "both",
    )
    points = context_size_points(sizes)
    set_context_size_axis(ax, [point.context_size for point in points], "context size at L50")
    if not points:
        ax.set(xticks=[], yticks=[])
        ax.text(0.5, 0.5, "no arm to draw", transform=ax.transAxes, ha="center", color=GREY)
        return ax
    layout = lay_out(ax, points)
    for size, start, end in layout.arrows:
        ax.annotate("", (size, end), (size, start), arrowprops=ARROW, zorder=1.5)
    markers = _marker_sizes(points)
    handles = []
    # Looking and named alike whichever of a family's arms are drawn.
    for family, look in arm_looks(without_size(arm) for arm in arms_of(sizes)).items():
        own = [point for point in points if without_size(point.arm) == family]
        handles += [_draw_family(ax, look, own, layout, markers)] if own else []
    return add_legend(ax, [*handles, *_explanations(points, markers)])


def context_size_points(sizes: pd.DataFrame) -> list[ContextSizePoint]:
    """Return the points of the arms that learnt and have a context, in the order of legends."""
    drawn = sizes[(sizes["context_size"] > 0) & sizes["length"].notna()]
    points = {
        arm: ContextSizePoint(
            arm, row.context_size, row.length, row.low, row.high, row.censored, row.budget_runs > 0
        )
        for arm, row in arm_rows(drawn)
    }
    return [points[arm] for arm in order_arms(points)]


def context_size_caption(panels: Sequence[pd.DataFrame]) -> str:
    """Say what L50 and its bars are, which arms are not drawn, and what all arms share."""
    rows = pd.concat(panels)
    free = [point for panel in panels for point in context_size_points(panel) if not point.censored]
    seeds = span(rows["seeds"])
    what = "the accuracy of one seed" if seeds == "1" else f"the mean accuracy of {seeds} seeds"
    threshold = f"L50: where {what}, free-running, first falls half way from perfect to chance"
    sentences = [sentence(threshold, _bars(free, seeds == "1")), not_drawn(rows)]
    arms = arms_of(rows)
    steps = steps_of_budgets(zip(arms, rows["steps"], strict=True))
    return " ".join(filter(None, [*sentences, sentence(*shared_facts(arms, steps))]))


def lay_out(ax: Axes, points: Sequence[ContextSizePoint]) -> ContextSizeLayout:
    """Set the axis of lengths of axes whose context sizes are set, and place at least one point on them.

    Points that are not censored keep their length, and are dodged where they would hide one another. Censored
    ones, whose lengths are bounds, keep their context size and stand on arrows that start at the bound.
    """
    box = ax.get_window_extent()
    width, height = (side * 72 / ax.figure.dpi for side in (box.width, box.height))
    left, right = map(math.log2, ax.get_xlim())
    near = _NEAR * (right - left) / width
    slots = _slots([point for point in points if point.censored], near)
    bottom, top = _length_limits(points)
    below, above = (_EDGE + _room(slots, side) for side in ("below", "above"))
    scale = max(height - below - above, _LEAST_SHARE * height) / (top - bottom)  # points per doubling
    shrink = min(1.0, (height - scale * (top - bottom)) / (below + above))
    ax.set_yscale("log", base=2)
    ax.set_ylim(2 ** (bottom - shrink * below / scale), 2 ** (top + shrink * above / scale))
    write_powers_of_two(ax.yaxis, 2**bottom, 2**top)
    pitch = shrink * PITCH / scale
    free = [point for point in points if not point.censored]
    own = [Position(point.context_size, point.length) for point in free]
    dodged = dodge(ax, own, [(point.low, point.high) for point in free])
    stacked = {
        point: Position(point.context_size, _outward(point, slot + 0.9, pitch))
        for point, slot in slots.items()
    }
    return ContextSizeLayout(
        lengths=(2**bottom, 2**top),
        positions=dict(zip(free, dodged, strict=True)) | stacked,
        arrows=_arrows(slots, near, pitch),
    )


def _length_limits(points: Iterable[ContextSizePoint]) -> tuple[float, float]:
    """Return log2 of the ends of the axis: powers of two around the points, or the ends of intervals.

    Of intervals, which are enormous where seeds are few and differ, one doubling beyond the points is shown.
    """
    lengths = [math.log2(point.length) for point in points]
    ends = [math.log2(end) for point in points if point.has_interval for end in (point.low, point.high)]
    bottom = min(math.floor(min(lengths)), max(min([*lengths, *ends]), min(lengths) - 1))
    top = max(math.ceil(max(lengths)), min(max([*lengths, *ends]), max(lengths) + 1))
    return bottom, max(top, bottom + 1)


def _slots(points: Sequence[ContextSizePoint], near: float) -> dict[ContextSizePoint, int]:
    """Number censored points from their bound outward, those that are near from one another differently.

    On every arrow the first of the legend is the topmost.
    """
    slots: dict[ContextSizePoint, int] = {}
    for side, order in (("above", points[::-1]), ("below", points)):
        for point in order:
            if point.censored == side:
                taken = {slots[other] for other in _neighbours(point, slots, near)}
                slots[point] = next(slot for slot in count() if slot not in taken)
    return slots


def _arrows(slots: Mapping[ContextSizePoint, int], near: float, pitch: float) -> list[Arrow]:
    arrows = set()
    for point in slots:
        last = max(slots[other] for other in _neighbours(point, slots, near))
        end = _outward(point, last + 0.9 + _HEAD / PITCH, pitch)
        arrows.add(Arrow(point.context_size, point.length, end))
    return sorted(arrows)


def _neighbours(
    point: ContextSizePoint, others: Iterable[ContextSizePoint], near: float
) -> list[ContextSizePoint]:
    """Return those of the others that share the point's bound and nearly its context size."""
    bound = point.censored, point.length
    return [
        other
        for other in others
        if (other.censored, other.length) == bound
        and abs(math.log2(other.context_size / point.context_size)) < near
    ]


def _room(slots: Mapping[ContextSizePoint, int], side: str) -> float:
    """Return how many points the arrows on one side need."""
    numbers = [slot for point, slot in slots.items() if point.censored == side]
    return (max(numbers) + 0.9) * PITCH + _HEAD if numbers else 0.0


def _outward(point: ContextSizePoint, steps: float, pitch: float) -> float:
    """Return the length that lies so many steps above the longest tested, or below the shortest."""
    return point.length * 2 ** (steps * pitch if point.censored == "above" else -steps * pitch)


def _draw_family(
    ax: Axes,
    look: ArmLook,
    points: Sequence[ContextSizePoint],
    layout: ContextSizeLayout,
    markers: Mapping[int, float],
) -> Line2D:
    """Draw the hidden sizes of an arm, their intervals and the line through them; return its legend entry."""
    joined = [pair for pair in pairwise(points) if not (pair[0].censored or pair[1].censored)]
    for pair in joined:
        ends = zip(*(layout.positions[point] for point in pair), strict=True)
        ax.plot(*ends, color=look.style.colour, linestyle=look.line_style, linewidth=1, zorder=2)
    alone = [point for point in points if not any(point in pair for pair in joined)]
    for point in points:
        size = markers[point.arm.hidden_size] * look.style.marker_size / _ALONE
        _draw_point(ax, point, layout.positions[point], look.style, size)
        if look.tag and point in alone:
            write_tag(ax, look, layout.positions[point], size)
    tag = f" ({look.tag})" if look.tag and alone else ""
    entry = arm_entry(look, look.label + tag)
    entry.set(linewidth=1, markeredgecolor="white", markeredgewidth=0.5)
    return entry


def _draw_point(ax: Axes, point: ContextSizePoint, at: Position, style: ModelStyle, size: float) -> None:
    if point.has_interval:
        ax.vlines(at.x, point.low, point.high, colors=style.colour, linewidth=1, zorder=2.5)
        ax.plot([at.x] * 2, [point.low, point.high], "_", color=style.colour, markersize=4, zorder=2.5)
    (mark,) = ax.plot(*at, style.marker, color=style.colour, markersize=size, zorder=3)
    if point.is_ended_by_budget:
        mark.set(markerfacecolor="white", markeredgewidth=1.0)
    else:
        mark.set(markeredgecolor="white", markeredgewidth=0.5)


def _explanations(points: Sequence[ContextSizePoint], markers: Mapping[int, float]) -> list[Line2D]:
    """Return the entries of the legend that say what sizes, hollow points and arrows mean."""
    shown = markers.items() if len(markers) > 1 else ()
    entries = [grey_entry(f"hidden {hidden}", marker="o", markersize=size) for hidden, size in shown]
    if any(point.is_ended_by_budget for point in points):
        entries.append(grey_entry("ended by the budget", marker="o", markerfacecolor="white"))
    censored = {point.censored for point in points}
    if "above" in censored:
        entries.append(grey_entry("L50 beyond the longest tested", marker=r"$\uparrow$", markersize=9))
    if "below" in censored:
        entries.append(grey_entry("L50 before the shortest tested", marker=r"$\downarrow$", markersize=9))
    return [grey_entry(" ", marker=""), *entries] if entries else []


def _marker_sizes(points: Sequence[ContextSizePoint]) -> dict[int, float]:
    """Return how large the marker of each hidden size is: the larger, the larger."""
    hidden = sorted({point.arm.hidden_size for point in points})
    if len(hidden) == 1:
        return {hidden[0]: _ALONE}
    return dict(zip(hidden, np.linspace(_SMALLEST, _LARGEST, len(hidden)).tolist(), strict=True))


def _bars(free: Sequence[ContextSizePoint], is_one_seed: bool) -> str:
    """Explain the intervals of the points that are not censored."""
    with_bar = [point for point in free if point.has_interval]
    if not with_bar:
        why = "of one seed" if is_one_seed else "where seeds are equal or one is censored"
        return f"there is no interval {why}" if free else ""
    some = (
        " (none where a seed is censored, all are equal or there is one)" if len(with_bar) < len(free) else ""
    )
    is_outside = any(not point.low <= point.length <= point.high for point in with_bar)
    bars = f"bars: 95 % Student t interval of the seeds' own L50{some}"
    return f"{bars}, about the mean of their log2, so the point may lie outside" if is_outside else bars


def not_drawn(sizes: pd.DataFrame) -> str:
    """Name in a sentence the arms of memory.csv that log axes cannot show, panel by panel, and why."""
    panels = split_rows(sizes)
    return sentence(*(_not_drawn(rows, len(panels) > 1) for rows in panels))


def _not_drawn(sizes: pd.DataFrame, is_one_of_many: bool) -> str:
    """Name the arms of a panel that log axes cannot show, and why."""
    arms, drawn = arms_of(sizes), {point.arm for point in context_size_points(sizes)}
    reasons: dict[str, list[Arm]] = {}
    for arm, row in arm_rows(sizes):
        if arm not in drawn:
            reasons.setdefault(_reason(row), []).append(arm)
    parts = [f"{_names(missing, arms)}: {reason}" for reason, missing in reasons.items()]
    where = f" in “{panel_title(arms)}”" if is_one_of_many else ""
    return f"not drawn{where}: {'; '.join(parts)}" if parts else ""


def _reason(row: Any) -> str:
    sign = {"above": "> ", "below": "< "}.get(row.censored, "")
    found = "not learnt" if pd.isna(row.length) else f"L50 {sign}{length_text(row.length)}"
    if row.context_size == 0:
        return f"no context, which a log axis cannot show ({found})"
    return found if pd.isna(row.length) else f"size of the context unknown ({found})"


def _names(some: Sequence[Arm], arms: Sequence[Arm]) -> str:
    """Name some of the arms of a panel; hidden sizes are named where it is not all of them."""
    labels = arm_labels([without_size(arm) for arm in arms])
    names = []
    for family in order_arms(map(without_size, some)):
        sizes, all_sizes = (
            sorted(arm.hidden_size for arm in each if without_size(arm) == family) for each in (some, arms)
        )
        hidden = "" if sizes == all_sizes else f" at hidden size {', '.join(map(str, sizes))}"
        names.append(f"{labels[family]}{hidden}")
    return joined(names)

"""The figure of training cost: steps of training until an arm has learnt, against length (`--figure price`)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from attnbench.analysis.arms import arm_rows, arms_of
from attnbench.arm import Arm
from attnbench.formatting import sentence, span
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
    in_data,
    in_points,
    new_figure,
    place_panels,
    set_length_axis,
    write_tag,
)
from attnbench.plots.points import panel_title, shared_facts, split_rows
from attnbench.plots.style import ArmLook, arm_looks, order_arms

_WIDTH, _HEIGHT = 5.2, 3.0  # inches, without the room for points that never arrived
_HEAD = 14.0  # points, of an arrow
# Numbers worth a tick, and the doublings that one needs.
_ROUND, _DOUBLINGS = (1, 2, 5), 7
NO_NOTES: Mapping[Arm, str] = {}


@dataclass(frozen=True)
class TrainingCostPoint:
    """One arm at one length; `steps` is NaN where fewer than half of its seeds arrived."""

    arm: Arm
    length: int
    steps: float
    trained_steps: int
    seeds: int
    seeds_censored: int
    is_ended_by_budget: bool
    seed_steps: tuple[int, ...]

    @property
    def is_censored(self) -> bool:
        """Whether training ended before half of the seeds had arrived."""
        return math.isnan(self.steps)


@dataclass(frozen=True)
class TrainingCostLayout:
    """Where each point is drawn, the arrows from start to end, and the budgets that ended runs too early."""

    positions: Mapping[TrainingCostPoint, Position]
    arrows: Sequence[tuple[Position, Position]]
    budgets: frozenset[int]


def draw_training_cost_figure(costs: pd.DataFrame, seeds: pd.DataFrame, unfinished: str = "") -> Figure:
    """Draw price.csv: a panel for each task and unit of length, of those whose lengths have runs of their own.

    Args:
        costs: rows of `training_cost_table`; at least one has a length.
        seeds: rows of `seed_training_costs`.
        unfinished: how many of the planned runs are done, empty where all are.
    """
    panels = split_rows(costs.dropna(subset=["length"]))
    points = [training_cost_points(rows, seeds) for rows in panels]
    height = _HEIGHT + max(map(room_for_arrows, points)) / 72
    figure = new_figure()
    grid = {
        (0, column): draw_training_cost(add_panel(figure, _WIDTH, height), rows, each)
        for column, (rows, each) in enumerate(zip(panels, points, strict=True))
    }
    caption = training_cost_caption(costs, [each for own in points for each in own])
    return place_panels(figure, grid, caption, unfinished)


def draw_training_cost(
    ax: Axes,
    costs: pd.DataFrame,
    points: Sequence[TrainingCostPoint],
    notes: Mapping[Arm, str] = NO_NOTES,
) -> Axes:
    """Draw steps against length for the arms of one panel.

    Args:
        ax: empty axes of their final size; the legend stands beside them.
        costs: their rows of `training_cost_table`.
        points: the same as `training_cost_points` gives them.
        notes: what the legend says below the name of an arm.
    """
    draw_frame(ax, panel_title(arms_of(costs)), "steps until 0.9 of the way to perfect", "y")
    units = ", ".join(costs["length_unit"].dropna().unique())
    set_length_axis(ax, {int(length): str(length) for length in costs["length"]}, units)
    layout = lay_out(ax, points)
    budgets = _draw_budgets(ax, layout)
    for start, end in layout.arrows:
        ax.annotate("", end, start, arrowprops=ARROW, zorder=1.5)
    handles = [
        _draw_arm(ax, look, [point for point in points if point.arm == arm], layout, notes.get(arm, ""))
        for arm, look in arm_looks(point.arm for point in points).items()
    ]
    return add_legend(ax, [*handles, *budgets, *_explanations(points)])


def training_cost_points(costs: pd.DataFrame, seeds: pd.DataFrame) -> list[TrainingCostPoint]:
    """Return the points of price.csv that have a length, in the order of legends, then of lengths.

    Args:
        costs: rows of `training_cost_table`.
        seeds: rows of `seed_training_costs`.
    """
    own: dict[tuple[Arm, int], list[int]] = {}
    for arm, row in arm_rows(seeds.dropna(subset=["length"])):
        own.setdefault((arm, int(row.length)), []).append(int(row.steps))
    drawn = costs.dropna(subset=["length"])
    points = [
        TrainingCostPoint(
            arm,
            int(row.length),
            math.nan if pd.isna(row.steps) else float(row.steps),
            int(row.trained_steps),
            int(row.seeds),
            int(row.seeds_censored),
            row.ended_budget > 0,
            tuple(own.get((arm, int(row.length)), ())),
        )
        for arm, row in arm_rows(drawn)
    ]
    places = {arm: place for place, arm in enumerate(order_arms(arms_of(drawn)))}
    return sorted(points, key=lambda point: (places[point.arm], point.length))


def training_cost_caption(costs: pd.DataFrame, points: Sequence[TrainingCostPoint]) -> str:
    """Say what a point is, how far costs near a budget hold, what is not drawn, and what all arms share."""
    seeds = span(point.seeds for point in points)
    who = "one seed" if seeds == "1" else f"at least half of {seeds} seeds"
    what = (
        f"points: the step by which {who} had arrived, 0.9 of the way from chance to perfect on validation, "
        "which is looked at every training.evaluate_every steps"
    )
    has_near = any(
        not point.is_censored and point.steps > 0.75 * point.trained_steps and point.seeds_censored == 0
        for point in points
    )
    has_arrows = any(point.is_censored for point in points)
    arrows = "arrows: fewer than half of the seeds had arrived when training ended" if has_arrows else ""
    decay = "the learning rate falls over the last part of a budget, so a cost near it belongs to this budget alone"
    without = costs[costs["length"].isna()]
    titles = dict.fromkeys(panel_title(arms_of(rows)) for rows in split_rows(without))
    missing = f"not drawn, since one run learns all lengths: {'; '.join(titles)}" if titles else ""
    return " ".join(
        filter(
            None,
            [
                sentence(what, "" if seeds == "1" else "faint dots: each seed that did"),
                sentence(arrows, decay if has_near or has_arrows else ""),
                sentence(*shared_facts(point.arm for point in points), missing),
            ],
        )
    )


def lay_out(ax: Axes, points: Sequence[TrainingCostPoint]) -> TrainingCostLayout:
    """Set the axis of steps of axes whose lengths are set, and place at least one point on them.

    Points that never arrived stand on arrows that start at their budget.
    """
    _set_steps(ax, points)
    positions: dict[TrainingCostPoint, Position] = {}
    arrows = []
    for (length, budget), stack in _stacks(points).items():
        start = Position(float(length), float(budget))
        x, y = in_points(ax, start)
        # On every arrow the first of the legend is the topmost.
        for slot, point in enumerate(reversed(stack)):
            positions[point] = in_data(ax, Position(x, y + (slot + 0.9) * PITCH))
        arrows.append((start, in_data(ax, Position(x, y + (len(stack) + 0.9) * PITCH))))
    free = [point for point in points if not point.is_censored]
    own = [Position(point.length, point.steps) for point in free]
    positions |= zip(free, dodge(ax, own, fixed=[*positions.values()]), strict=True)
    budgets = frozenset(_budgets(point for point in points if point.seeds_censored))
    return TrainingCostLayout(positions, arrows, budgets)


def _set_steps(ax: Axes, points: Sequence[TrainingCostPoint]) -> None:
    """Set a log axis of steps, with room for arrows above all of them and round numbers where there are steps."""
    top = _top(points)
    bottom = min([*_all_steps(points), top / 2]) / 1.25
    height = ax.get_window_extent().height * 72 / ax.figure.dpi
    share = max(height - room_for_arrows(points), height / 3) / height
    ax.set_yscale("log", base=2)
    ax.set_ylim(bottom, 1.05 * bottom * (top / bottom) ** (1 / share))
    ticks = [number * 10.0**exponent for exponent in range(9) for number in _ROUND]
    shown = [tick for tick in ticks if bottom <= tick <= top]
    if math.log2(top / bottom) >= _DOUBLINGS:
        shown = [tick for tick in shown if math.log10(tick).is_integer()]
    ax.set_yticks(shown, [f"{tick:,.0f}" for tick in shown])
    ax.yaxis.set_minor_locator(NullLocator())


def _top(points: Sequence[TrainingCostPoint]) -> float:
    return max(_all_steps(points))


def _all_steps(points: Sequence[TrainingCostPoint]) -> list[int]:
    return [step for point in points for step in (*point.seed_steps, point.trained_steps)]


def room_for_arrows(points: Sequence[TrainingCostPoint]) -> float:
    """Return how many points of height the arrows need above the last step."""
    top = _top(points)
    most = max((len(stack) for (_, budget), stack in _stacks(points).items() if budget == top), default=0)
    return most * PITCH + _HEAD if most else 0.0


def _stacks(points: Sequence[TrainingCostPoint]) -> dict[tuple[int, int], list[TrainingCostPoint]]:
    """Return the points that never arrived, by their length and the budget at which their arrow starts.

    A run that levelled off before its budget ended stands with those that used theirs up.
    """
    censored = [point for point in points if point.is_censored]
    budgets = sorted(_budgets(censored)) or [int(_top(points))] * bool(censored)
    stacks: dict[tuple[int, int], list[TrainingCostPoint]] = {}
    for point in censored:
        budget = next((each for each in budgets if each >= point.trained_steps), int(_top(points)))
        stacks.setdefault((point.length, budget), []).append(point)
    return stacks


def _budgets(points: Iterable[TrainingCostPoint]) -> set[int]:
    return {point.trained_steps for point in points if point.is_ended_by_budget}


def _draw_budgets(ax: Axes, layout: TrainingCostLayout) -> list[Line2D]:
    """Draw a line at each budget that ended a run before it arrived; return their entry of the legend."""
    budgets = sorted(layout.budgets)
    lines = [ax.axhline(budget, color=GREY, linestyle="--", linewidth=1, zorder=1) for budget in budgets]
    if lines:
        lines[0].set_label(f"budget ({' and '.join(f'{budget:,}' for budget in budgets)} steps)")
    return lines[:1]


def _draw_arm(
    ax: Axes, look: ArmLook, points: Sequence[TrainingCostPoint], layout: TrainingCostLayout, note: str
) -> Line2D:
    """Draw an arm's points and the line through them; return its entry of the legend."""
    joined = [pair for pair in pairwise(points) if not any(point.is_censored for point in pair)]
    for pair in joined:
        ends = zip(*(layout.positions[point] for point in pair), strict=True)
        ax.plot(*ends, color=look.style.colour, linestyle=look.line_style, linewidth=1.4, zorder=2)
    alone = [point for point in points if not any(point in pair for pair in joined)]
    for point in points:
        _draw_point(ax, point, layout.positions[point], look)
        if look.tag and point in alone:
            write_tag(ax, look, layout.positions[point], look.style.marker_size)
    tag = f" ({look.tag})" if look.tag and alone else ""
    return arm_entry(look, "\n".join(filter(None, (look.label + tag, note))))


def _draw_point(ax: Axes, point: TrainingCostPoint, at: Position, look: ArmLook) -> None:
    """Draw a point, hollow where some seed had not arrived, and faintly the steps of each seed."""
    colour = look.style.colour
    (mark,) = ax.plot(*at, look.style.marker, color=colour, zorder=3)
    is_hollow = point.seeds_censored > 0 and not point.is_censored
    mark.set(markersize=look.style.marker_size, markerfacecolor="white" if is_hollow else colour)
    if not point.is_censored and point.seeds > 1:
        x = [at.x] * len(point.seed_steps)
        ax.plot(x, point.seed_steps, ".", color=colour, markersize=4, alpha=0.35, zorder=2.5)


def _explanations(points: Sequence[TrainingCostPoint]) -> list[Line2D]:
    """Return the entries of the legend that say what hollow points and arrows mean."""
    entries = []
    if any(point.seeds_censored and not point.is_censored for point in points):
        entries.append(grey_entry("some seeds had not arrived", marker="o", markerfacecolor="white"))
    if any(point.is_censored for point in points):
        entries.append(grey_entry("most seeds had not arrived", marker=r"$\uparrow$", markersize=9))
    return entries

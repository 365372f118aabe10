"""The figure of the law: L50 against steps and against hidden size, with the price of length (`--figure law`)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from attnbench.analysis.arms import PER_LENGTH, arms_of
from attnbench.analysis.law import AXES, Axis, Law, LawCell
from attnbench.analysis.training_cost import PriceLaw
from attnbench.arm import Arm
from attnbench.formatting import counted, joined, sentence, span
from attnbench.plots.layout import (
    ARROW,
    Position,
    add_legend,
    add_panel,
    dodge,
    draw_frame,
    grey_entry,
    new_figure,
    place_panels,
    write_powers_of_two,
)
from attnbench.plots.points import exponent_text, shared_facts
from attnbench.plots.style import (
    LineStyle,
    arm_labels,
    at_largest_size,
    law_name,
    line_style,
    model_style,
    order_arms,
    shades,
)
from attnbench.plots.training_cost import draw_training_cost, room_for_arrows, training_cost_points

_WIDTH, _HEIGHT = 3.6, 3.1  # inches
_ARROW_POINTS, _EDGE_POINTS = 18.0, 8.0
_MOST_TICKS = 7
_NAMES: Mapping[Axis, str] = {"steps": "training steps (budget)", "hidden_size": "hidden size"}
_SYMBOLS: Mapping[Axis, str] = {"steps": "steps", "hidden_size": "hidden"}


class LawLook(NamedTuple):
    """How the cells of one hidden size, or of one budget, are drawn and named."""

    colour: str
    line: LineStyle
    label: str


@dataclass(frozen=True)
class PriceRows:
    """What the panel of the price of length is drawn from.

    Attributes:
        costs: rows of `training_cost_table`.
        seeds: rows of `seed_training_costs`.
        laws: the price of length of each arm.
    """

    costs: pd.DataFrame
    seeds: pd.DataFrame
    laws: Sequence[PriceLaw]

    def beside(self, task: str, protocol: str) -> "PriceRows":
        """Return what stands beside the laws of a task: each family at its largest hidden size alone."""
        laws = at_largest_size(
            law for law in self.laws if (law.arm.task, law.arm.protocol) == (task, protocol)
        )
        shown = {law.arm for law in laws}
        return PriceRows(self.costs[[arm in shown for arm in arms_of(self.costs)]], self.seeds, laws)


def draw_law_figure(laws: Sequence[Law], prices: PriceRows, unfinished: str = "") -> Figure:
    """Draw a row of panels for each family of arms that breaks down; beside the first of a task the price of length.

    Args:
        laws: at least one has a cell that broke down.
        prices: of the same sweeps.
        unfinished: how many of the planned runs are done, empty where all are.
    """
    figure = new_figure()
    grid: dict[tuple[int, int], Axes] = {}
    shown = drawn_laws(laws)
    tasks: set[tuple[str, str]] = set()
    for row, law in enumerate(shown):
        task = law.family.task, law.family.protocol
        beside = prices.beside(*task)
        points = training_cost_points(beside.costs, beside.seeds) if task not in tasks else []
        height = _HEIGHT + (room_for_arrows(points) / 72 if points else 0)
        for column, axis in enumerate(AXES):
            title = _title(law, [each.family for each in shown]) if column == 0 else ""
            grid[row, column] = draw_law(add_panel(figure, _WIDTH, height), law, axis, title)
        if points:
            ax = add_panel(figure, _WIDTH, height)
            notes = {each.arm: _price_note(each) for each in beside.laws}
            grid[row, len(AXES)] = draw_training_cost(ax, beside.costs, points, notes)
        tasks.add(task)
    return place_panels(figure, grid, law_caption(laws), unfinished)


def drawn_laws(laws: Iterable[Law]) -> list[Law]:
    """Return the laws of families of which at least one cell broke down: by task, then in the order of legends."""
    found = {law.family: law for law in laws if any(cell.is_fallen for cell in law.cells)}
    ordered = sorted(order_arms(found), key=lambda family: (family.task, family.protocol))
    return [found[family] for family in ordered]


def draw_law(ax: Axes, law: Law, axis: Axis, title: str = "") -> Axes:
    """Draw L50 against one axis of a law, both logarithmic, with a line for each value of the other.

    Args:
        ax: empty axes of their final size; the legend stands beside them.
        law: at least one cell broke down.
        axis: along which.
        title: of the panel.
    """
    lengths = f"L50, free-running ({law.length_unit})" if law.length_unit else "L50, free-running"
    draw_frame(ax, title, lengths if axis == AXES[0] else "", "both")
    _set_axis(ax, axis, sorted({cell.place(axis) for cell in law.cells}))
    _set_lengths(ax, law)
    looks = law_looks(law, axis)
    other = next(each for each in AXES if each != axis)
    positions = dodge(ax, [Position(cell.place(axis), cell.found.length) for cell in law.cells])
    marker = model_style(law.family.model).marker
    for cell, at in zip(law.cells, positions, strict=True):
        _draw_cell(ax, law, cell, at, looks[cell.place(other)].colour, marker)
    for value, look in looks.items():
        _draw_line(ax, law, axis, [cell for cell in law.cells if cell.place(other) == value], look)
    return add_legend(ax, [*_entries(looks.values(), marker), *_explanations(law, axis)])


def law_looks(law: Law, axis: Axis) -> dict[int, LawLook]:
    """Return how each value of the other axis looks: the larger, the darker."""
    other = next(each for each in AXES if each != axis)
    values = sorted({cell.place(other) for cell in law.cells})
    colours = shades(model_style(law.family.model).colour, len(values))
    words = "hidden {}" if other == "hidden_size" else "{:,} steps"
    return {
        value: LawLook(colour, line_style(len(values) - 1 - place), words.format(value))
        for place, (value, colour) in enumerate(zip(values, colours, strict=True))
    }


def law_caption(laws: Sequence[Law]) -> str:
    """Say what L50, bars and lines are, how the law did on what it had not seen, and what is missing."""
    shown = drawn_laws(laws)
    cells = [cell for law in shown for cell in law.cells]
    seeds = span(cell.found.seeds for cell in cells)
    who = "the accuracy of one seed" if seeds == "1" else f"the mean accuracy of {seeds} seeds"
    has_bars = any(not math.isnan(cell.found.low) for cell in cells)
    bars = "bars: 95 % Student t interval of the seeds' own L50" if has_bars else ""
    threshold = f"L50: where {who} first falls half way from perfect to chance"
    return " ".join(
        filter(
            None,
            [
                sentence(threshold, bars),
                sentence(*_line_words(shown)),
                sentence(*_missing(laws, shown), *shared_facts(cell.arm for cell in cells)),
            ],
        )
    )


def _line_words(shown: Sequence[Law]) -> list[str]:
    fitted = [law for law in shown if law.line is not None]
    if not fitted:
        return ["lines join the cells of one size, or of one budget"]
    words = ["lines: log2 L50 = a + b·log2 steps + c·log2 hidden, fitted to the seeds of filled cells"]
    if any(cell.count("above") + cell.count("below") for law in fitted for cell in law.fitted):
        words[0] += ", censored ones as bounds"
    without = sum(cell not in (*law.fitted, *law.held_out) for law in fitted for cell in law.cells)
    if without:
        left = counted(without, "filled cell is", "filled cells are")
        words.append(f"{left} not fitted, since no breakdown is known at their size or budget")
    if not any(law.held_out for law in fitted):
        return words
    trials = [trial for law in fitted if (trial := law.trial(law.held_out))]
    measured, within = (
        sum(getattr(each, name) for each in trials) for name in ("measured", "measured_within")
    )
    bounds, wrong = (sum(getattr(each, name) for each in trials) for name in ("bounds", "contradicting"))
    told = "hollow: left out of the fit"
    if trials:
        told += ", the mean of their seeds expected within the pale bars (95 %), where "
        untested = "" if wrong else ": nothing was tested"
        told += f"{within} of {measured} measured ones lie" if measured else f"none was measured{untested}"
    if bounds:
        said = counted(bounds, "bound does not contradict its bar", "bounds do not contradict their bars")
        told += f"; {wrong} of {counted(bounds, 'bound')} contradict their bars" if wrong else f"; {said}"
    return [*words, told]


def _missing(laws: Sequence[Law], shown: Sequence[Law]) -> list[str]:
    """Name what a panel lacks and which arms have none."""
    families = [law.family for law in laws]
    reasons: dict[str, list[str]] = {}
    for law in shown:
        if law.reason:
            reasons.setdefault(law.reason, []).append(law_name(law, families))
    parts = [reason if len(shown) == 1 else f"{joined(names)}: {reason}" for reason, names in reasons.items()]
    unlearnt = sum(len(law.not_learnt) for law in shown)
    parts += [
        f"{counted(unlearnt, 'cell')} learnt nothing and {'is' if unlearnt == 1 else 'are'} not drawn"
    ] * (unlearnt > 0)
    rest = [law_name(law, families) for law in laws if law not in shown]
    return [*parts, *([f"no cell broke down: {joined(rest)}"] if rest else [])]


def _title(law: Law, families: Sequence[Arm]) -> str:
    alike = [each for each in families if each.task == law.family.task]
    protocol = "" if law.family.protocol == PER_LENGTH else f", {law.family.protocol}"
    return f"{law.family.task}{protocol}: {arm_labels(alike)[law.family]}"


def _set_axis(ax: Axes, axis: Axis, values: Sequence[int]) -> None:
    ax.set_xscale("log", base=2)
    margin = 0.08 * math.log2(values[-1] / values[0]) + 0.3
    ax.set_xlim(values[0] / 2**margin, values[-1] * 2**margin)
    shown = values[:: -(-len(values) // _MOST_TICKS)]
    ax.set_xticks(shown, [f"{value:,}" for value in shown])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(_NAMES[axis], fontsize=9)


def _set_lengths(ax: Axes, law: Law) -> None:
    """Set the axis of lengths around cells and what the law says of them, with room for arrows."""
    expected = [each.value for cell in law.cells if (each := law.prediction(cell)) is not None]
    lengths = [math.log2(each) for each in [*(cell.found.length for cell in law.cells), *expected]]
    bottom, top = math.floor(min(lengths)), max(math.ceil(max(lengths)), math.floor(min(lengths)) + 1)
    height = ax.get_window_extent().height * 72 / ax.figure.dpi
    below, above = (_EDGE_POINTS + _ARROW_POINTS * (law.count(side) > 0) for side in ("below", "above"))
    scale = (top - bottom) / (height - below - above)
    ax.set_yscale("log", base=2)
    ax.set_ylim(2 ** (bottom - below * scale), 2 ** (top + above * scale))
    write_powers_of_two(ax.yaxis, 2**bottom, 2**top)


def _draw_cell(ax: Axes, law: Law, cell: LawCell, at: Position, colour: str, marker: str) -> None:
    """Draw a cell with its interval, hollow where it was left out, on an arrow where it is a bound.

    An interval that spans the whole panel says nothing and is not drawn.
    """
    found, is_held_out = cell.found, cell in law.held_out
    expected = law.prediction(cell)
    if is_held_out and expected is not None and not math.isnan(expected.low):
        ax.vlines(at.x, expected.low, expected.high, colors=colour, linewidth=6, alpha=0.2, zorder=1.5)
    bottom, top = ax.get_ylim()
    if not math.isnan(found.low) and (found.low > bottom or found.high < top):
        ax.vlines(at.x, found.low, found.high, colors=colour, linewidth=1, zorder=2.5)
    if found.censored:
        ends = (0, _ARROW_POINTS if found.censored == "above" else -_ARROW_POINTS)
        look = {**ARROW, "arrowstyle": "<|-", "color": colour}
        ax.annotate("", at, ends, textcoords="offset points", arrowprops=look, zorder=2.6)
    (mark,) = ax.plot(*at, marker, color=colour, markersize=5.5, zorder=3)
    if is_held_out:
        mark.set(markerfacecolor="white", markeredgewidth=1.1)


def _draw_line(ax: Axes, law: Law, axis: Axis, cells: Sequence[LawCell], look: LawLook) -> None:
    """Draw what the law says along an axis; without a law the cells that broke down are joined."""
    places = sorted({cell.place(axis) for cell in cells})
    if law.line is None:
        own = sorted((cell.place(axis), cell.found.length) for cell in cells if cell.is_fallen)
        ax.plot(*zip(*own, strict=True), color=look.colour, linestyle=look.line, linewidth=1, zorder=2)
    elif axis in law.axes and law.prediction(cells[0]) is not None:
        said = [
            each.value
            for cell in sorted(cells, key=lambda cell: cell.place(axis))
            if (each := law.prediction(cell))
        ]
        ax.plot(places, said, color=look.colour, linestyle=look.line, linewidth=1.2, zorder=2)


def _entries(looks: Iterable[LawLook], marker: str) -> list[Line2D]:
    entries = []
    for look in looks:
        entries.append(Line2D([], [], color=look.colour, marker=marker, markersize=5.5, label=look.label))
        entries[-1].set(linestyle=look.line)
    return entries


def _explanations(law: Law, axis: Axis) -> list[Line2D]:
    """Return the entries of the legend that say the exponent, and what hollow cells and arrows are."""
    exponent = law.exponent(axis)
    said = f"∝ {_SYMBOLS[axis]}^b, b = {exponent_text(exponent)}" if exponent else "no exponent"
    said += ", not tested" if exponent and not law.is_tested(axis) else ""
    entries = [grey_entry(said.replace(" [", "\n["), marker="")]
    if axis == AXES[0] and law.held_out:
        entries.append(grey_entry("left out of the fit", marker="o", markerfacecolor="white"))
    if axis == AXES[0] and law.count("above"):
        entries.append(grey_entry("beyond the longest tested", marker=r"$\uparrow$", markersize=9))
    if axis == AXES[0] and law.count("below"):
        entries.append(grey_entry("before the shortest tested", marker=r"$\downarrow$", markersize=9))
    return entries


def _price_note(law: PriceLaw) -> str:
    exponent = law.exponent
    return "no exponent" if exponent is None else f"∝ length^d, d = {exponent_text(exponent)}"

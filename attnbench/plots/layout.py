"""What all figures share: the page, the frame and the axes of a panel, its legend, and how points are dodged.

Matplotlib's layout engines shrink panels to make room for legends, when it draws. Here panels keep their size and the
figure grows, since points are placed by their distance in points before anything is drawn (docs/design.md: "The way of
a figure").
"""

import io
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator

from attnbench.plots.style import ArmLook
from attnbench.runs.io import write_atomically

DPI = 150
GREY, SMALL = "#555555", 8
ARROW = {"arrowstyle": "-|>", "color": "0.6", "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
# From one point on an arrow to the next, in points.
PITCH = 9.5

# All in inches.
_PANEL_WIDTH, _PANEL_HEIGHT = 4.4, 2.7
_LEFT, _RIGHT = 0.72, 0.15
_BOTTOM, _BETWEEN_ROWS = 0.55, 0.45
_CAPTION_CHARACTER, _CAPTION_LINE = 0.057, 0.145
_CAPTION_POINTS = 7.5
EDGE = 0.12
# How near two markers and two intervals may come, and how far aside a point may go for it; in points.
_MARKER, _BAR = 7.5, 2.9
_SHIFTS = (0.0, *(sign * step for step in (5.0, 10.0, 15.0, 20.0, 25.0) for sign in (1, -1)))
# Share of the axis' width that one character of a tick label takes, at our panel width and font size.
_CHARACTER = 0.017
# Empty share of the axis ahead of the first length and behind the last.
_MARGIN = 0.05
_MOST_TICKS = 11


class Position(NamedTuple):
    """Where something stands: in data, unless said otherwise."""

    x: float
    y: float


def new_figure() -> Figure:
    """Return a figure without panels."""
    return Figure(dpi=DPI)


def add_panel(figure: Figure, panel_width: float = _PANEL_WIDTH, panel_height: float = _PANEL_HEIGHT) -> Axes:
    """Add axes of a size in inches; `place_panels` puts them where they belong."""
    width, height = figure.get_size_inches()
    return figure.add_axes((0, 0, panel_width / width, panel_height / height), label=str(len(figure.axes)))


def place_panels(
    figure: Figure, grid: Mapping[tuple[int, int], Axes], caption: str, unfinished: str = ""
) -> Figure:
    """Size the figure for panels at (row, column) and their legends, and write the caption under them.

    Where a sweep is unfinished the caption says first how many of the planned runs are done.
    """
    for ax in grid.values():
        _show_names_as_they_are(ax)
    panels = {place: _size(figure, ax) for place, ax in grid.items()}
    legends = {place: _legend_size(figure, ax) for place, ax in grid.items()}
    above = EDGE + max(_title_height(figure, ax) for ax in grid.values())
    widths = [
        max(_LEFT + panels[place][0] + legends[place][0] + _RIGHT for place in grid if place[1] == column)
        for column in sorted({column for _, column in grid})
    ]
    heights = [
        max(max(panels[place][1], legends[place][1]) for place in grid if place[0] == row)
        for row in sorted({row for row, _ in grid})
    ]
    caption = f"Unfinished: {unfinished}. {caption}" if unfinished else caption
    lines, caption_height = wrap_caption(caption, sum(widths))
    below = _BOTTOM + EDGE + caption_height
    # Rows below the first have room for a title of their own where they have one.
    titled = {row for (row, _), ax in grid.items() if row and ax.get_title()}
    between = [_BETWEEN_ROWS + (above - EDGE) * (row in titled) for row in range(1, len(heights))]
    width, height = sum(widths), above + sum(heights) + sum(between) + below
    figure.set_size_inches(width, height)
    for (row, column), ax in grid.items():
        left = sum(widths[:column]) + _LEFT
        bottom = below + sum(heights[row + 1 :]) + sum(between[row:])
        ax.set_position(
            (left / width, bottom / height, panels[row, column][0] / width, heights[row] / height)
        )
    write_caption(figure, lines)
    return figure


def wrap_caption(caption: str, width: float) -> tuple[str, float]:
    """Return a caption in lines that fit under a figure of a width in inches, and their height."""
    lines = textwrap.wrap(caption, int((width - 2 * EDGE) / _CAPTION_CHARACTER), break_on_hyphens=False)
    return "\n".join(lines), len(lines) * _CAPTION_LINE


def write_caption(figure: Figure, lines: str) -> None:
    """Write a caption that is wrapped into the lower left corner of a figure of its final size."""
    width, height = figure.get_size_inches()
    text = figure.text(EDGE / width, EDGE / height, lines, color="#333333", parse_math=False)
    text.set_fontsize(_CAPTION_POINTS)


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PNG and SVG and return their paths; equal figures give equal files."""
    paths = []
    for suffix, options in (("png", {"dpi": DPI}), ("svg", {"metadata": {"Date": None}})):
        data = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "attnbench"}):
            figure.savefig(data, format=suffix, **options)
        paths.append(stem.with_name(f"{stem.name}.{suffix}"))
        write_atomically(paths[-1], data.getvalue())
    return paths


def draw_frame(ax: Axes, title: str, y_label: str, grid: Literal["y", "both"], title_pad: float = 7) -> Axes:
    """Draw what frames a panel: title, the name of the y axis, and grid lines behind the data."""
    ax.set_title(title, fontsize=10, pad=title_pad)
    ax.set_ylabel(y_label, fontsize=9)
    ax.grid(axis=grid, color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SMALL)
    return ax


def set_length_axis(ax: Axes, labels: Mapping[int, str], unit: str) -> Axes:
    """Scale the x axis for the lengths given, write them as told, leaving out those without room."""
    lengths = sorted(labels)
    use_log = is_log(lengths)
    if use_log:
        ax.set_xscale("log", base=2)
    ax.set_xlim(*_limits(lengths, use_log))
    shown = _with_room(_shares(lengths, use_log), [labels[length] for length in lengths])
    ax.set_xticks([lengths[i] for i in shown], [labels[lengths[i]] for i in shown])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(f"input length ({unit})" if unit else "input length", fontsize=9)
    return ax


def is_log(lengths: Sequence[int]) -> bool:
    """Whether lengths in increasing order belong on a log axis: they double, or span a factor of 8."""
    doubling = all(b == 2 * a for a, b in pairwise(lengths))
    return len(lengths) > 1 and (doubling or lengths[-1] >= 8 * lengths[0])


def set_context_size_axis(ax: Axes, sizes: Sequence[float], what: str = "context size") -> Axes:
    """Set a log2 x axis around the sizes of contexts, with plain numbers at powers of two."""
    ax.set_xlabel(f"{what} (numbers that cross from encoder to decoder)", fontsize=9)
    ax.set_xscale("log", base=2)
    exponents = [math.log2(size) for size in sizes] or [0.0]
    ax.set_xlim(2 ** (min(exponents) - 0.5), 2 ** (max(exponents) + 0.5))
    write_powers_of_two(ax.xaxis, *ax.get_xlim())
    return ax


def write_powers_of_two(axis: Axis, low: float, high: float) -> None:
    """Write plain numbers at the powers of two between two ends of a log axis, and nothing else."""
    exponents = range(int(np.ceil(np.log2(low))), int(np.floor(np.log2(high))) + 1)
    shown = [2.0**exponent for exponent in exponents[:: -(-len(exponents) // _MOST_TICKS)]]
    axis.set_ticks(shown, labels=[f"{tick:.10g}" for tick in shown])
    axis.set_minor_locator(NullLocator())


def add_legend(ax: Axes, handles: Sequence[Line2D]) -> Axes:
    """Put the legend beside the panel, where it can hide no data; equal entries stand there once."""
    entries = {str(handle.get_label()): handle for handle in handles}
    ax.legend(
        handles=list(entries.values()),
        loc="upper left",
        bbox_to_anchor=(1.02, 1.02),
        borderaxespad=0,
        frameon=False,
        fontsize=SMALL,
        handlelength=3,
        labelspacing=0.6,
    )
    return ax


def arm_entry(look: ArmLook, label: str = "") -> Line2D:
    """Return the entry of an arm in the legend, by default under its own label."""
    entry = Line2D([], [], color=look.style.colour, marker=look.style.marker, label=label or look.label)
    entry.set(linestyle=look.line_style, markersize=look.style.marker_size)
    return entry


def grey_entry(label: str, **looks: object) -> Line2D:
    """Return an entry of the legend that says what a marker means, whatever the arm."""
    entry = Line2D([], [], label=label, color=GREY, linestyle="none", markersize=6)
    entry.set(**looks)
    return entry


def write_tag(ax: Axes, look: ArmLook, at: Position, marker_size: float) -> None:
    """Write the letter of an arm beside a point."""
    beside = (marker_size / 2 + 1, 0)
    text = ax.annotate(look.tag, at, beside, textcoords="offset points", fontsize=7, va="center")
    halo = [withStroke(linewidth=2, foreground="white")]
    text.set(color=look.style.colour, path_effects=halo, zorder=4)


def dodge(
    ax: Axes,
    points: Sequence[Position],
    bars: Sequence[tuple[float, float]] = (),
    fixed: Iterable[Position] = (),
) -> list[Position]:
    """Return where points are drawn: a little to the side where they would hide one another, the first the least.

    Args:
        ax: axes with their limits and their final size.
        points: where they belong.
        bars: the ends of the interval of each point, NaN where it has none; none at all by default.
        fixed: other points, which stay where they are and are not to be hidden either.
    """
    taken = [_Mark.of(ax, point) for point in fixed]
    drawn = []
    for point, bar in zip(points, bars or [(math.nan, math.nan)] * len(points), strict=True):
        own = _Mark.of(ax, point, *bar)
        # The first of the least hidden: as near to its own place as can be.
        mark = min((own.shifted(shift) for shift in _SHIFTS), key=lambda mark: sum(map(mark.hides, taken)))
        taken.append(mark)
        drawn.append(Position(in_data(ax, Position(mark.x, mark.y)).x, point.y) if mark != own else point)
    return drawn


def in_points(ax: Axes, at: Position) -> Position:
    """Return where data stand on the figure, in points."""
    x, y = ax.transData.transform(at) * 72 / ax.figure.dpi
    return Position(float(x), float(y))


def in_data(ax: Axes, at: Position) -> Position:
    """Return the data at a place on the figure, which is in points."""
    x, y = ax.transData.inverted().transform((at.x * ax.figure.dpi / 72, at.y * ax.figure.dpi / 72))
    return Position(float(x), float(y))


@dataclass(frozen=True)
class _Mark:
    """A point with its interval, in points."""

    x: float
    y: float
    low: float
    high: float

    @classmethod
    def of(cls, ax: Axes, at: Position, low: float = math.nan, high: float = math.nan) -> "_Mark":
        x, y = in_points(ax, at)
        ends = [y, *(in_points(ax, Position(at.x, end)).y for end in (low, high) if not math.isnan(end))]
        return cls(x, y, min(ends), max(ends))

    def shifted(self, shift: float) -> "_Mark":
        return _Mark(self.x + shift, self.y, self.low, self.high)

    def hides(self, other: "_Mark") -> bool:
        """Whether the markers overlap, or the intervals would look like one."""
        apart = abs(self.x - other.x)
        is_one_mark = abs(self.y - other.y) < _MARKER and apart < _MARKER
        return is_one_mark or (apart < _BAR and self.low < other.high and other.low < self.high)


def _show_names_as_they_are(ax: Axes) -> None:
    """Take what stands between dollars in a name or a value for no formula."""
    legend = ax.get_legend()
    for text in (ax.title, *ax.texts, *(legend.get_texts() if legend else ())):
        text.set_parse_math(False)


def _size(figure: Figure, ax: Axes) -> tuple[float, float]:
    extent = ax.get_window_extent()
    return extent.width / figure.dpi, extent.height / figure.dpi


def _legend_size(figure: Figure, ax: Axes) -> tuple[float, float]:
    legend = ax.get_legend()
    if legend is None:
        return 0.0, 0.0
    extent = legend.get_window_extent(FigureCanvasAgg(figure).get_renderer())
    return extent.width / figure.dpi, extent.height / figure.dpi


def _title_height(figure: Figure, ax: Axes) -> float:
    renderer = FigureCanvasAgg(figure).get_renderer()
    return (ax.title.get_window_extent(renderer).y1 - ax.get_window_extent(renderer).y1) / figure.dpi


def _limits(lengths: Sequence[int], use_log: bool) -> tuple[float, float]:
    first, last = lengths[0], lengths[-1]
    if first == last:
        return first - 1, last + 1
    if use_log:
        factor = (last / first) ** _MARGIN
        return first / factor, last * factor
    return first - _MARGIN * (last - first), last + _MARGIN * (last - first)


def _shares(lengths: Sequence[int], use_log: bool) -> list[float]:
    """Return where each length stands between the first (0) and the last (1)."""
    places = [math.log2(length) if use_log else length for length in lengths]
    span = (places[-1] - places[0]) or 1
    return [(place - places[0]) / span for place in places]


def _with_room(shares: Sequence[float], labels: Sequence[str]) -> list[int]:
    """Return which labels can be written without touching: the last always, the others from the left."""

    def room(one: int, other: int) -> float:
        return _CHARACTER * ((len(labels[one]) + len(labels[other])) / 2 + 1)

    last = len(labels) - 1
    shown: list[int] = []
    for i in range(last):
        if all(abs(shares[i] - shares[j]) >= room(i, j) for j in [*shown[-1:], last]):
            shown.append(i)
    return [*shown, last]

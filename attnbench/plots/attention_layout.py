"""Where the panels of a heatmap stand: each with the room that its words need, the caption below.

Words are measured as they are drawn, so that none is cut off, whatever their length.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from attnbench.plots.attention_panel import COLOURS, SCALE

# All in inches.
_EDGE, _BETWEEN = 0.12, 0.25
_BAR_WIDTH, _BAR_HEIGHT, _BAR_ROOM = 0.12, 1.9, 0.75
_NARROWEST = 5.4
_CAPTION_CHARACTER, _CAPTION_LINE = 0.057, 0.145
_CAPTION_POINTS = 7.5
_TICKS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class _Room:
    """What a panel takes, in inches: itself, and its words and title on each side."""

    width: float
    height: float
    left: float
    right: float
    below: float
    above: float

    @property
    def whole_width(self) -> float:
        return self.left + self.width + self.right

    @property
    def whole_height(self) -> float:
        return self.above + self.height + self.below


def place_heatmaps(figure: Figure, rows: Sequence[Sequence[Axes]], caption: str, bar_label: str) -> Figure:
    """Size the figure for rows of panels, and add the colour bar on the right and the caption below."""
    rooms = _aligned([[_measure(figure, ax) for ax in row] for row in rows])
    heights = [max(room.whole_height for room in row) for row in rooms]
    panels_width = max(sum(room.whole_width + _BETWEEN for room in row) for row in rooms)
    width = max(_NARROWEST, _EDGE + panels_width + _BAR_ROOM)
    lines = textwrap.wrap(caption, int((width - 2 * _EDGE) / _CAPTION_CHARACTER), break_on_hyphens=False)
    below = 2 * _EDGE + len(lines) * _CAPTION_LINE
    tall = max(sum(heights) + _BETWEEN * (len(rows) - 1), rooms[0][0].above + _BAR_HEIGHT)
    figure.set_size_inches(width, below + tall + _EDGE)
    top = below + tall
    _add_bar(figure, _EDGE + panels_width, top - max(room.above for room in rooms[0]), bar_label)
    for row, row_rooms, row_height in zip(rows, rooms, heights, strict=True):
        _place_row(figure, row, row_rooms, top)
        top -= row_height + _BETWEEN
    edge = (_EDGE / width, _EDGE / (below + tall + _EDGE))
    figure.text(*edge, "\n".join(lines), fontsize=_CAPTION_POINTS, color="#333333", parse_math=False)
    return figure


def _aligned(rooms: Sequence[Sequence[_Room]]) -> list[list[_Room]]:
    """Give the panels of a column as much room on their left and right, where rows have as many panels."""
    if len({len(row) for row in rooms}) > 1:
        return [list(row) for row in rooms]
    lefts = [max(room.left for room in column) for column in zip(*rooms, strict=True)]
    ends = [max(room.width + room.right for room in column) for column in zip(*rooms, strict=True)]
    return [
        [
            replace(room, left=left, right=end - room.width)
            for room, left, end in zip(row, lefts, ends, strict=True)
        ]
        for row in rooms
    ]


def _measure(figure: Figure, ax: Axes) -> _Room:
    renderer = FigureCanvasAgg(figure).get_renderer()
    panel, whole = ax.get_window_extent(renderer), ax.get_tightbbox(renderer)
    assert whole is not None
    inches = [
        panel.width,
        panel.height,
        panel.x0 - whole.x0,
        whole.x1 - panel.x1,
        panel.y0 - whole.y0,
        whole.y1 - panel.y1,
    ]
    return _Room(*(length / figure.dpi for length in inches))


def _place_row(figure: Figure, row: Sequence[Axes], rooms: Sequence[_Room], top: float) -> None:
    """Set panels side by side, their upper edges at one height."""
    width, height = figure.get_size_inches()
    above, left = max(room.above for room in rooms), _EDGE
    for ax, room in zip(row, rooms, strict=True):
        bottom = top - above - room.height
        ax.set_position(
            ((left + room.left) / width, bottom / height, room.width / width, room.height / height)
        )
        left += room.whole_width + _BETWEEN


def _add_bar(figure: Figure, left: float, top: float, label: str) -> None:
    """Add the colour bar at a place in inches, its upper end given."""
    width, height = figure.get_size_inches()
    place = (left / width, (top - _BAR_HEIGHT) / height, _BAR_WIDTH / width, _BAR_HEIGHT / height)
    bar = figure.colorbar(
        ScalarMappable(SCALE, COLOURS), cax=figure.add_axes(place, label="scale"), ticks=_TICKS
    )
    bar.ax.set_yticklabels([f"{tick:g}" for tick in _TICKS])
    bar.ax.tick_params(labelsize=6.5, length=2)
    bar.ax.minorticks_off()
    bar.set_label(label, fontsize=7)

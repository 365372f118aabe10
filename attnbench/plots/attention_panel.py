"""The panels of a heatmap, words against words, shaded by how much each looked at each, and where they stand.

Words are measured as they are drawn, so that none is cut off, whatever their length.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from attnbench.inspection.attention_example import Numbers
from attnbench.plots.attention_rows import WrittenWord
from attnbench.plots.layout import EDGE, add_panel, wrap_caption, write_caption

# One scale for every figure. By the square root, so that a share of a hundredth is not white.
SCALE = PowerNorm(0.5, 0, 1)
COLOURS = matplotlib.colormaps["Blues"].with_extremes(bad="#eeeeee")
GOLD, WRONG, GIVEN = "#E69F00", "#C00000", "#777777"

# Inches. Labels of 6.5 points need no more than the smallest cell.
_LARGEST_CELL, _CELLS_TOGETHER, _SMALLEST_CELL = 0.2, 8.0, 0.125
_LARGEST_SIDE = 25.0
_BETWEEN = 0.25
_BAR_WIDTH, _BAR_HEIGHT, _BAR_ROOM = 0.12, 1.9, 0.75
_NARROWEST = 5.4
_TICKS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
_LARGEST_LETTERS, _LETTERS_PER_CELL = 8.0, 52.0  # points; points per inch
_MOST_NUMBERS = 8

Stretches = Sequence[tuple[int, int, int]]


@dataclass(frozen=True)
class Matrix:
    """What a panel shows.

    Attributes:
        shares: (rows, columns), each 0 to 1; a row that is not a number was never written.
        rows: its words.
        columns: the words looked at.
        sure: row, first and last column of each gold stretch.
        possible: the same where a look is right but need not be.
    """

    shares: Numbers
    rows: Sequence[WrittenWord]
    columns: Sequence[str]
    sure: Stretches = ()
    possible: Stretches = ()


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


def cell_side(words: int) -> float:
    """Return the inches of a cell where so many words are to be written along a side."""
    side = min(_LARGEST_CELL, max(_SMALLEST_CELL, _CELLS_TOGETHER / words))
    return min(side, _LARGEST_SIDE / words)


def label_step(cell: float) -> int:
    """Return 1 where every word is written beside cells of this side, 2 where every second is, and so on."""
    return math.ceil(_SMALLEST_CELL / cell - 1e-6)


def add_matrix(figure: Figure, matrix: Matrix, cell: float) -> Axes:
    """Add axes for a matrix, of their final size, and draw it without words."""
    rows, columns = matrix.shares.shape
    ax = add_panel(figure, columns * cell, rows * cell)
    return draw_matrix(ax, matrix)


def draw_matrix(ax: Axes, matrix: Matrix) -> Axes:
    """Draw the shares, and outlines around gold positions: whole around sure ones, dashed around possible ones."""
    rows, columns = matrix.shares.shape
    # Unsmoothed also in SVG, where whatever shows it enlarges the image.
    ax.imshow(matrix.shares, norm=SCALE, cmap=COLOURS, aspect="auto", interpolation="none")
    lines = [((column - 0.5, -0.5), (column - 0.5, rows - 0.5)) for column in range(1, columns)]
    lines += [((-0.5, row - 0.5), (columns - 0.5, row - 0.5)) for row in range(1, rows)]
    ax.add_collection(LineCollection(lines, colors="0.88", linewidths=0.3), autolim=False)
    for stretches, style in ((matrix.possible, "dashed"), (matrix.sure, "solid")):
        boxes = [Rectangle((first - 0.5, row - 0.5), last - first + 1, 1) for row, first, last in stretches]
        outlines = PatchCollection(
            boxes, facecolors="none", edgecolors=GOLD, linewidths=1.3, linestyles=style, zorder=3
        )
        ax.add_collection(outlines, autolim=False)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(color="0.6", linewidth=0.6)
    ax.xaxis.tick_top()
    ax.tick_params(length=0, pad=2)
    return ax


def write_words(ax: Axes, matrix: Matrix, cell: float) -> Axes:
    """Write the words beside rows and above columns: wrong ones red, given ones grey.

    Where cells are too small for that, every second, third … word.
    """
    step = label_step(cell)
    size = min(_LARGEST_LETTERS, _LETTERS_PER_CELL * cell * step)
    columns, rows = range(0, len(matrix.columns), step), range(0, len(matrix.rows), step)
    # Letters fit above a cell as they are; words do not.
    rotation = 90 if max(map(len, matrix.columns)) > 1 else 0
    ax.set_xticks(columns, [matrix.columns[i] for i in columns], rotation=rotation, fontsize=size)
    ax.set_yticks(rows, [matrix.rows[i].label for i in rows], fontsize=size)
    for label, row in zip(ax.get_yticklabels(), rows, strict=True):
        _colour(label, matrix.rows[row])
    for label in chain(ax.get_xticklabels(), ax.get_yticklabels()):
        label.set_parse_math(False)  # a word may be a dollar
    return ax


def _colour(label: Text, word: WrittenWord) -> None:
    if word.is_wrong:
        label.set(color=WRONG, fontweight="bold")
    elif word.is_given:
        label.set_color(GIVEN)


def missing_letters(words: Iterable[str]) -> str:
    """Return the letters of the words that the font of the figures lacks, each once, in their order."""
    font = get_font(findfont(FontProperties()))
    letters = dict.fromkeys("".join(words))
    return "".join(letter for letter in letters if not font.get_char_index(ord(letter)))


@contextmanager
def boxes_for_missing_letters() -> Iterator[None]:
    """Draw letters that the font lacks as boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        yield


def number_words(ax: Axes) -> Axes:
    """Write numbers of positions, counted from 1, in place of words."""
    axes: tuple[tuple[Callable[..., object], tuple[float, float]], ...] = (
        (ax.set_xticks, ax.get_xlim()),
        (ax.set_yticks, ax.get_ylim()),
    )
    for set_ticks, ends in axes:
        count = round(abs(ends[1] - ends[0]))
        step = next(each for each in _round_steps() if count <= each * _MOST_NUMBERS)
        numbers = [number for number in range(1, count + 1) if number == 1 or number % step == 0]
        set_ticks([number - 1 for number in numbers], [str(number) for number in numbers], fontsize=6.5)
    return ax


def _round_steps() -> Iterable[int]:
    return (digit * 10**power for power in range(9) for digit in (1, 2, 5))


def place_heatmaps(figure: Figure, rows: Sequence[Sequence[Axes]], caption: str, bar_label: str) -> Figure:
    """Size the figure for rows of panels, and add the colour bar on the right and the caption below."""
    rooms = _aligned([[_measure(figure, ax) for ax in row] for row in rows])
    heights = [max(room.whole_height for room in row) for row in rooms]
    panels_width = max(sum(room.whole_width + _BETWEEN for room in row) for row in rooms)
    width = max(_NARROWEST, EDGE + panels_width + _BAR_ROOM)
    lines, caption_height = wrap_caption(caption, width)
    below = 2 * EDGE + caption_height
    tall = max(sum(heights) + _BETWEEN * (len(rows) - 1), rooms[0][0].above + _BAR_HEIGHT)
    figure.set_size_inches(width, below + tall + EDGE)
    top = below + tall
    _add_bar(figure, EDGE + panels_width, top - max(room.above for room in rooms[0]), bar_label)
    for row, row_rooms, row_height in zip(rows, rooms, heights, strict=True):
        _place_row(figure, row, row_rooms, top)
        top -= row_height + _BETWEEN
    write_caption(figure, lines)
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
    panel, drawn = ax.get_window_extent(renderer), ax.get_tightbbox(renderer)
    assert drawn is not None
    # Before matplotlib 3.11.2 a label longer than its axis is not part of what is drawn.
    labels = [axis.label for axis in (ax.xaxis, ax.yaxis) if ax.axison and axis.label.get_text()]
    whole = Bbox.union([drawn, *(label.get_window_extent(renderer) for label in labels)])
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
    above, left = max(room.above for room in rooms), EDGE
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

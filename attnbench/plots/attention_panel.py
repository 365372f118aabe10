"""One panel of a heatmap: words against words, shaded by how much each looked at each."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import matplotlib
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from attnbench.inspection.portrait import Numbers
from attnbench.plots.attention_rows import WrittenWord
from attnbench.plots.layout import add_panel

# One scale for every figure. By the square root, so that a share of a hundredth is not white.
SCALE = PowerNorm(0.5, 0, 1)
COLOURS = matplotlib.colormaps["Blues"].with_extremes(bad="#eeeeee")
GOLD, WRONG, GIVEN = "#E69F00", "#C00000", "#777777"

# Inches. Labels of 6.5 points need no more than the smallest cell.
_LARGEST_CELL, _CELLS_TOGETHER, _SMALLEST_CELL = 0.2, 8.0, 0.125
_LARGEST_SIDE = 25.0
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

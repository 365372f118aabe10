"""Where the panels of a figure stand, with room for the legends beside them and the caption below.

Matplotlib's layout engines shrink panels to make room; here the panels keep their size and the figure grows.
"""

import textwrap
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# All in inches.
_PANEL_WIDTH, _PANEL_HEIGHT = 4.4, 2.7
_LEFT, _RIGHT = 0.72, 0.15
_BOTTOM, _BETWEEN_ROWS = 0.55, 0.45
_CAPTION_CHARACTER, _CAPTION_LINE = 0.057, 0.145
_CAPTION_POINTS = 7.5
_EDGE = 0.12


def add_panel(figure: Figure, panel_width: float = _PANEL_WIDTH, panel_height: float = _PANEL_HEIGHT) -> Axes:
    """Add axes of a size in inches; `place_panels` puts them where they belong."""
    width, height = figure.get_size_inches()
    return figure.add_axes((0, 0, panel_width / width, panel_height / height), label=str(len(figure.axes)))


def place_panels(figure: Figure, grid: Mapping[tuple[int, int], Axes], caption: str) -> None:
    """Size the figure for panels at (row, column) and their legends, and write the caption under them."""
    for ax in grid.values():
        _show_names_as_they_are(ax)
    panels = {place: _size(figure, ax) for place, ax in grid.items()}
    legends = {place: _legend_size(figure, ax) for place, ax in grid.items()}
    above = _EDGE + max(_title_height(figure, ax) for ax in grid.values())
    widths = [
        max(_LEFT + panels[place][0] + legends[place][0] + _RIGHT for place in grid if place[1] == column)
        for column in sorted({column for _, column in grid})
    ]
    heights = [
        max(max(panels[place][1], legends[place][1]) for place in grid if place[0] == row)
        for row in sorted({row for row, _ in grid})
    ]
    lines = textwrap.wrap(caption, int((sum(widths) - 2 * _EDGE) / _CAPTION_CHARACTER))
    below = _BOTTOM + _EDGE + len(lines) * _CAPTION_LINE
    width, height = sum(widths), above + sum(heights) + _BETWEEN_ROWS * (len(heights) - 1) + below
    figure.set_size_inches(width, height)
    for (row, column), ax in grid.items():
        left = sum(widths[:column]) + _LEFT
        bottom = below + sum(heights[row + 1 :]) + _BETWEEN_ROWS * (len(heights) - 1 - row)
        ax.set_position(
            (left / width, bottom / height, panels[row, column][0] / width, heights[row] / height)
        )
    written = figure.text(_EDGE / width, _EDGE / height, "\n".join(lines), color="#333333", parse_math=False)
    written.set_fontsize(_CAPTION_POINTS)


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

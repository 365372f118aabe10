"""What a figure shows, read from what was drawn."""

from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from attnbench.plots.style import model_style


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def caption(figure: Figure) -> str:
    return " ".join(figure.texts[0].get_text().split())


def sentences(words: str) -> int:
    return words.count(". ") + 1


def points_of(ax: Axes, model: str) -> list[tuple[float, float, bool]]:
    """The single points of a model: x, y, hollow or not."""
    style = model_style(model)
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]), line.get_markerfacecolor() == "white")
        for line in ax.get_lines()
        if line.get_marker() == style.marker and same_color(line.get_color(), style.colour)
    ]


def arrows(ax: Axes) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """The starts and ends of the arrows."""
    return [(text.xyann, text.xy) for text in ax.texts if text.arrow_patch is not None]


def assert_nothing_overlaps(figure: Figure) -> None:
    """Nothing leaves the figure, and no legend, panel or text covers another; the caption has three sentences."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [ax.get_legend().get_window_extent(renderer) for ax in figure.axes if ax.get_legend()]
    boxes += [ax.get_window_extent(renderer) for ax in figure.axes]
    boxes += [text.get_window_extent(renderer) for text in figure.texts]
    titles = [ax.title.get_window_extent(renderer) for ax in figure.axes]
    for box in [*boxes, *titles]:
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert sentences(caption(figure)) <= 3

"""The figures of a sweep: panels put together, with room for legends and captions, and saved."""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnbench.analysis.arms import Metrics
from attnbench.plots.layout import add_panel, place_panels
from attnbench.plots.length import draw_accuracy, draw_bits, draw_bleu
from attnbench.plots.points import Panel, split_panels
from attnbench.report.captions import figure_caption
from attnbench.runs.files import write_atomically

Draw = Callable[[Axes, Panel], Axes]

_FIGURES: Mapping[str, Mapping[str, Draw]] = {
    "accuracy_vs_length": {
        score: partial(draw_accuracy, score=score) for score in ("token_accuracy", "teacher_forced_accuracy")
    },
    "bits_vs_length": {"bits_recovered": draw_bits},
    "bleu_vs_length": {"bleu": draw_bleu},
}
_DPI = 150


def draw_sweep_figures(metrics: Metrics, curve: pd.DataFrame, breakdown: pd.DataFrame) -> dict[str, Figure]:
    """Draw the figures that a sweep has scores for, by the names of their files.

    `accuracy_vs_length` has free-running above teacher-forced accuracy, `bits_vs_length` and `bleu_vs_length`
    are there where any arm has the score. Each task and protocol has a column of its own.
    """
    panels = split_panels(metrics, curve, breakdown)
    figures = {}
    for name, draws in _FIGURES.items():
        with_score = [panel for panel in panels if any(panel.arms_with(score) for score in draws)]
        if with_score:
            figures[name] = _draw_figure(with_score, draws)
    return figures


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PNG and SVG and return their paths; equal figures give equal files."""
    paths = []
    for suffix, options in (("png", {"dpi": _DPI}), ("svg", {"metadata": {"Date": None}})):
        data = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "attnbench"}):
            figure.savefig(data, format=suffix, **options)
        paths.append(stem.with_name(f"{stem.name}.{suffix}"))
        write_atomically(paths[-1], data.getvalue())
    return paths


def _draw_figure(panels: Sequence[Panel], draws: Mapping[str, Draw]) -> Figure:
    """Draw a row of panels for each score that some panel has, and a column for each panel."""
    scores = [score for score in draws if any(panel.arms_with(score) for panel in panels)]
    figure = Figure(dpi=_DPI)
    grid = {
        (scores.index(score), column): draws[score](add_panel(figure), panel)
        for column, panel in enumerate(panels)
        for score in scores
        if panel.arms_with(score)
    }
    for (row, column), ax in grid.items():
        if (row - 1, column) in grid:
            ax.set_title("")
        if (row + 1, column) in grid:
            ax.set_xlabel("")
    place_panels(figure, grid, figure_caption(panels, scores))
    return figure

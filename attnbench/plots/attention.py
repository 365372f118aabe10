"""The heatmap of one example: the words that one run wrote, or two, against the words of the source."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnbench.plots.attention_caption import heatmap_caption, most_words
from attnbench.plots.attention_panel import Matrix, add_matrix, cell_side, place_heatmaps, write_words
from attnbench.plots.attention_rows import (
    DrawnArm,
    Kind,
    gold_rows,
    gold_stretches,
    possible_alone,
    shares_of,
    shortened,
    written_words,
)

_TITLES = {"weights": "{}: where it looked", "gradient": "{}: gradient of each answer"}
_GRADIENT_ALONE = "{}: gradient of each answer\n(it has no attention weights over the source)"
_WITHOUT = {
    "weights": "{} has no attention weights\nover the source: it looks at no single\n"
    "word. Below: what moved its answers.",
    "gradient": "{} has no embedding of the source\nthat we know of: no gradients.",
}
_TITLE_POINTS, _LABEL_POINTS = 10, 8


def draw_heatmap(arms: Sequence[DrawnArm], about: str) -> Figure:
    """Draw one example under one arm, or under several side by side.

    An arm by itself shows its weights, or where it has none its gradients. As soon as one of several has no weights,
    all show gradients too, so that like can be held against like.

    Args:
        arms: each with its portrait of the same example.
        about: which example this is, such as "Test example 3 of reverse, 10 symbols".
    """
    kinds = _kinds(arms)
    figure, cell = Figure(dpi=150), cell_side(most_words(arms))
    rows = [[_add_panel(figure, arm, kind, cell) for arm in arms] for kind in kinds]
    return place_heatmaps(figure, rows, heatmap_caption(arms, kinds, about), "share of the row")


def _kinds(arms: Sequence[DrawnArm]) -> list[Kind]:
    """Return what is drawn, a row of panels for each."""
    return [kind for kind in ("weights", "gradient") if any(arm.kind == kind for arm in arms)]


def _add_panel(figure: Figure, arm: DrawnArm, kind: Kind, cell: float) -> Axes:
    shares = shares_of(arm.portrait, kind)
    if shares is None:
        return _add_empty_panel(figure, arm, kind, cell)
    matrix = answer_matrix(arm, shares)
    ax = write_words(add_matrix(figure, matrix, cell), matrix, cell)
    return name_panel(ax, (_TITLES[kind] if arm.has_weights else _GRADIENT_ALONE).format(arm.name))


def answer_matrix(arm: DrawnArm, shares: np.ndarray) -> Matrix:
    """Return the matrix of written words against source words, with its gold positions."""
    portrait = arm.portrait
    return Matrix(
        shares=shares,
        rows=written_words(portrait),
        columns=[shortened(word) for word in portrait.source],
        sure=gold_stretches(gold_rows(portrait.sure, portrait)),
        possible=gold_stretches(gold_rows(possible_alone(portrait), portrait)),
    )


def name_panel(ax: Axes, title: str, columns: str = "source words", rows: str = "words it wrote") -> Axes:
    """Write the title and what the axes are."""
    ax.set_title(title, fontsize=_TITLE_POINTS, loc="left", parse_math=False)
    ax.xaxis.set_label_position("top")
    ax.set_xlabel(columns, fontsize=_LABEL_POINTS, loc="left")
    ax.set_ylabel(rows, fontsize=_LABEL_POINTS, loc="top")
    return ax


def _add_empty_panel(figure: Figure, arm: DrawnArm, kind: Kind, cell: float) -> Axes:
    """Say in the place of a panel why there is none."""
    empty = np.full((len(written_words(arm.portrait)), len(arm.portrait.source)), np.nan)
    ax = add_matrix(figure, Matrix(empty, [], []), cell)
    ax.set_axis_off()
    for artist in [*ax.collections, *ax.images]:
        artist.set_visible(False)
    words = _WITHOUT[kind].format(arm.name)
    ax.text(0, 1, words, transform=ax.transAxes, va="top", fontsize=_LABEL_POINTS, parse_math=False)
    return ax

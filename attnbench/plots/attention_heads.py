"""Every layer and head as small multiples, under their mean, whose words are written."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnbench.plots.attention import answer_matrix, name_panel
from attnbench.plots.attention_caption import maps_caption
from attnbench.plots.attention_panel import (
    Matrix,
    add_matrix,
    cell_side,
    number_words,
    place_heatmaps,
    write_words,
)
from attnbench.plots.attention_rows import DrawnArm, WrittenWord, shortened, with_missing_rows

_SMALL_CELL, _SMALL_SIDE = 0.16, 2.0  # inches
_SMALLEST_WORDS = 0.125  # inches: in smaller cells stand numbers
_SMALL_TITLE = 8
_NUMBERED = "Their numbers count its words from 1."

_HEADS = (
    "Rows: the words it wrote, running freely. Columns: the words of the source. Above the mean over all layers and "
    "heads, below each of them."
)
_SELF = (
    "Self-attention of the encoder: rows are the source words as they are read, columns the source words that each "
    "looks at. Layer 1 reads the words themselves. Above the mean over all layers and heads, below each of them."
)


def draw_heads(arm: DrawnArm, about: str) -> Figure | None:
    """Draw how each layer and head looked at the source as words were written; None for arms with one weight each.

    Args:
        arm: with its portrait.
        about: which example this is.
    """
    maps = arm.portrait.heads
    if maps is None:
        return None
    together = np.stack(
        [np.stack([with_missing_rows(each, arm.portrait) for each in layer]) for layer in maps]
    )
    mean = answer_matrix(arm, together.mean(axis=(0, 1)))
    panels = [[answer_matrix(arm, each) for each in layer] for layer in together]
    caption = maps_caption([arm], [_HEADS, *_numbering(mean)], about)
    return _draw(mean, panels, f"{arm.name}: mean of layers and heads", "words it wrote", caption)


def draw_self_attention(arm: DrawnArm, about: str) -> Figure | None:
    """Draw how the encoder's source words looked at each other; None for arms whose encoder is recurrent.

    Args:
        arm: with its portrait.
        about: which example this is.
    """
    maps = arm.portrait.encoder
    if maps is None:
        return None
    mean = _source_matrix(arm, maps.mean(axis=(0, 1)))
    panels = [[_source_matrix(arm, each) for each in layer] for layer in maps]
    caption = maps_caption([arm], [_SELF, *_numbering(mean)], about, has_answers=False)
    title = f"{arm.name}: source words look at source words"
    return _draw(mean, panels, title, "source words as they are read", caption)


def _source_matrix(arm: DrawnArm, shares: np.ndarray) -> Matrix:
    words = [shortened(word) for word in arm.portrait.source]
    return Matrix(shares, [WrittenWord(word, is_given=False, is_wrong=False) for word in words], words)


def _words(matrix: Matrix) -> int:
    return max(len(matrix.rows), len(matrix.columns))


def _small_cell(matrix: Matrix) -> float:
    return min(_SMALL_CELL, _SMALL_SIDE / _words(matrix))


def _numbering(mean: Matrix) -> list[str]:
    return [] if _small_cell(mean) >= _SMALLEST_WORDS else [_NUMBERED]


def _draw(mean: Matrix, panels: Sequence[Sequence[Matrix]], title: str, rows: str, caption: str) -> Figure:
    """Draw the mean, and a row of small panels for each layer."""
    figure = Figure(dpi=150)
    words = _words(mean)
    large = add_matrix(figure, mean, cell_side(words))
    name_panel(write_words(large, mean, cell_side(words)), title, rows=rows)
    small = _small_cell(mean)
    grid = [
        [
            _add_small_panel(figure, matrix, small, f"layer {layer + 1}, head {head + 1}")
            for head, matrix in enumerate(of_layer)
        ]
        for layer, of_layer in enumerate(panels)
    ]
    return place_heatmaps(figure, [[large], *grid], caption, "share of the row")


def _add_small_panel(figure: Figure, matrix: Matrix, cell: float, title: str) -> Axes:
    ax = add_matrix(figure, matrix, cell)
    if cell >= _SMALLEST_WORDS:
        write_words(ax, matrix, cell)
    else:
        number_words(ax)
    ax.set_title(title, fontsize=_SMALL_TITLE, loc="left")
    return ax

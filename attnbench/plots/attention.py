"""The heatmaps of one example: the words that one run wrote, or two, against the words of the source.

Beside them, of arms that have them, every layer and head as small multiples under their mean, whose words are
written; and what stands under each figure: whose it is, what rows and columns are, what outlines and red words mean.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnbench.formatting import sentence, shortened
from attnbench.plots.attention_panel import (
    Matrix,
    add_matrix,
    cell_side,
    label_step,
    number_words,
    place_heatmaps,
    write_words,
)
from attnbench.plots.attention_rows import (
    LONGEST_WORD,
    DrawnArm,
    Kind,
    WrittenWord,
    gold_rows,
    gold_stretches,
    possible_alone,
    shares_of,
    with_missing_rows,
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
_SMALL_CELL, _SMALL_SIDE = 0.16, 2.0  # inches
_SMALLEST_WORDS = 0.125  # inches: in smaller cells stand numbers
_SMALL_TITLE = 8

# Parts of the three sentences of a caption: whose example it is, what is drawn, what the marks mean.
_AXES = "rows: the words it wrote, running freely; columns: the words of the source"
_SELF = "self-attention of the encoder, rows: the source words as they are read; columns: those that each looks at"
_HEADS = "above: the mean over all layers and heads; below: each of them"
_KINDS = {
    "weights": "weights: how a written word shares its attention over the source",
    "gradient": "gradient: how strongly a source word moves the answer, |∂ log p / ∂ embedding|",
}
_REACH = "of the first {} words alone"
_NUMBERED = "numbers count the words from 1"
_THINNED = "there are too many words to write all of them"
_SCALE = "colour: the share of a row, by its square root"
_SURE = "outlined: holds the answer"
_POSSIBLE = "dashed: may hold it"
_WRONG = "red: wrong, with what was expected in brackets (– is nothing)"
_OPEN = "…: no room or no word was left"
_GIVEN = "[grey]: told to the decoder"


def draw_heatmap(arms: Sequence[DrawnArm], about: str) -> Figure:
    """Draw one example under one arm, or under several side by side.

    An arm by itself shows its weights, or where it has none its gradients. As soon as one of several has no weights,
    all show gradients too, so that like can be held against like.

    Args:
        arms: of the same example.
        about: which example this is, such as "Test example 3 of reverse, 10 symbols".
    """
    kinds = _kinds(arms)
    figure, cell = Figure(dpi=150), cell_side(_most_words(arms))
    rows = [[_add_panel(figure, arm, kind, cell) for arm in arms] for kind in kinds]
    return place_heatmaps(figure, rows, _heatmap_caption(arms, kinds, about), "share of the row")


def _kinds(arms: Sequence[DrawnArm]) -> list[Kind]:
    """Return what is drawn, a row of panels for each."""
    return [kind for kind in ("weights", "gradient") if any(arm.kind == kind for arm in arms)]


def _add_panel(figure: Figure, arm: DrawnArm, kind: Kind, cell: float) -> Axes:
    shares = shares_of(arm.example, kind)
    if shares is None:
        return _add_empty_panel(figure, arm, kind, cell)
    matrix = _answer_matrix(arm, shares)
    ax = write_words(add_matrix(figure, matrix, cell), matrix, cell)
    return _name_panel(ax, (_TITLES[kind] if arm.has_weights else _GRADIENT_ALONE).format(arm.name))


def _answer_matrix(arm: DrawnArm, shares: np.ndarray) -> Matrix:
    """Return the matrix of written words against source words, with its gold positions."""
    example = arm.example
    return Matrix(
        shares=shares,
        rows=written_words(example),
        columns=[shortened(word, LONGEST_WORD) for word in example.source],
        sure=gold_stretches(gold_rows(example.sure, example)),
        possible=gold_stretches(gold_rows(possible_alone(example), example)),
    )


def _name_panel(ax: Axes, title: str, columns: str = "source words", rows: str = "words it wrote") -> Axes:
    """Write the title and what the axes are."""
    ax.set_title(title, fontsize=_TITLE_POINTS, loc="left", parse_math=False)
    ax.xaxis.set_label_position("top")
    ax.set_xlabel(columns, fontsize=_LABEL_POINTS, loc="left")
    ax.set_ylabel(rows, fontsize=_LABEL_POINTS, loc="top")
    return ax


def _add_empty_panel(figure: Figure, arm: DrawnArm, kind: Kind, cell: float) -> Axes:
    """Say in the place of a panel why there is none."""
    empty = np.full((len(written_words(arm.example)), len(arm.example.source)), np.nan)
    ax = add_matrix(figure, Matrix(empty, [], []), cell)
    ax.set_axis_off()
    for artist in [*ax.collections, *ax.images]:
        artist.set_visible(False)
    words = _WITHOUT[kind].format(arm.name)
    ax.text(0, 1, words, transform=ax.transAxes, va="top", fontsize=_LABEL_POINTS, parse_math=False)
    return ax


def draw_heads(arm: DrawnArm, about: str) -> Figure | None:
    """Draw how each layer and head looked at the source as words were written; None for arms with one weight each.

    Args:
        arm: with its example.
        about: which example this is.
    """
    maps = arm.example.heads
    if maps is None:
        return None
    together = np.stack(
        [np.stack([with_missing_rows(each, arm.example) for each in layer]) for layer in maps]
    )
    mean = _answer_matrix(arm, together.mean(axis=(0, 1)))
    panels = [[_answer_matrix(arm, each) for each in layer] for layer in together]
    caption = _maps_caption([arm], [_AXES, _HEADS, *_numbering(mean)], about)
    return _draw_maps(mean, panels, f"{arm.name}: mean of layers and heads", "words it wrote", caption)


def draw_self_attention(arm: DrawnArm, about: str) -> Figure | None:
    """Draw how the encoder's source words looked at each other; None for arms whose encoder is recurrent.

    Args:
        arm: with its example.
        about: which example this is.
    """
    maps = arm.example.encoder
    if maps is None:
        return None
    mean = _source_matrix(arm, maps.mean(axis=(0, 1)))
    panels = [[_source_matrix(arm, each) for each in layer] for layer in maps]
    caption = _maps_caption([arm], [_SELF, _HEADS, *_numbering(mean)], about, has_answers=False)
    title = f"{arm.name}: source words look at source words"
    return _draw_maps(mean, panels, title, "source words as they are read", caption)


def _source_matrix(arm: DrawnArm, shares: np.ndarray) -> Matrix:
    words = [shortened(word, LONGEST_WORD) for word in arm.example.source]
    return Matrix(shares, [WrittenWord(word, is_given=False, is_wrong=False) for word in words], words)


def _words_along(matrix: Matrix) -> int:
    return max(len(matrix.rows), len(matrix.columns))


def _small_cell(matrix: Matrix) -> float:
    return min(_SMALL_CELL, _SMALL_SIDE / _words_along(matrix))


def _numbering(mean: Matrix) -> list[str]:
    return [] if _small_cell(mean) >= _SMALLEST_WORDS else [_NUMBERED]


def _draw_maps(
    mean: Matrix, panels: Sequence[Sequence[Matrix]], title: str, rows: str, caption: str
) -> Figure:
    """Draw the mean, and a row of small panels for each layer."""
    figure = Figure(dpi=150)
    words = _words_along(mean)
    large = add_matrix(figure, mean, cell_side(words))
    _name_panel(write_words(large, mean, cell_side(words)), title, rows=rows)
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


def _heatmap_caption(arms: Sequence[DrawnArm], kinds: Sequence[Kind], about: str) -> str:
    """Explain what a heatmap draws, and nothing that it does not.

    Args:
        arms: drawn.
        kinds: what is drawn of them.
        about: which example this is.
    """
    reached = [arm.example.with_gradient for arm in arms if arm.example.with_gradient is not None]
    limit = f", {_REACH.format(min(reached))}" if reached else ""
    drawn = [_KINDS[kind] + (limit if kind == "gradient" else "") for kind in kinds]
    return _maps_caption(arms, [_AXES, *drawn], about)


def _maps_caption(arms: Sequence[DrawnArm], what: Sequence[str], about: str, has_answers: bool = True) -> str:
    """Explain a figure of maps in three sentences; docs/figures.md has the rest.

    Args:
        arms: drawn.
        what: rows, columns and panels.
        about: which example this is.
        has_answers: whether its rows are the words written.
    """
    runs = [f"{arm.name}: run {arm.run_id}" for arm in arms]
    thinned = _THINNED if label_step(cell_side(_most_words(arms))) > 1 else ""
    marks = _marks(arms) if has_answers else []
    return " ".join(
        filter(None, [sentence(about, *runs), sentence(*what, _SCALE, thinned), sentence(*marks)])
    )


def _marks(arms: Sequence[DrawnArm]) -> list[str]:
    """Explain outlines and colours, of those that are there."""
    rows = [row for arm in arms for row in written_words(arm.example)]
    sure = [arm.example.sure for arm in arms]
    possible = [possible_alone(arm.example) for arm in arms]
    is_there = {
        _SURE: any(each is not None and each.any() for each in sure),
        _POSSIBLE: any(each is not None and each.any() for each in possible),
        _WRONG: any(row.is_wrong for row in rows),
        _OPEN: any(each.kind in ("cut_off", "filler") for arm in arms for each in arm.example.aligned),
        _GIVEN: any(row.is_given for row in rows),
    }
    return [words for words, is_said in is_there.items() if is_said]


def _most_words(arms: Sequence[DrawnArm]) -> int:
    """Return how many words the longest side of any panel has."""
    return max(max(len(arm.example.source), len(written_words(arm.example)), 1) for arm in arms)

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.colors import same_color
from matplotlib.image import imread

from attnbench.plots.attention import draw_heads, draw_heatmap, draw_self_attention
from attnbench.plots.attention_panel import GOLD, SCALE, WRONG
from attnbench.plots.attention_rows import DrawnArm
from attnbench.plots.layout import save_figure
from tests.plots.attention_examples import attention_example, long_attention_example, numbers
from tests.plots.drawn import caption, sentences

ABOUT = "Test example 7 of reverse, 3 tokens"


def arm(drawn=None, name="luong general"):
    return DrawnArm(
        name, f"reverse-{name.replace(' ', '_')}-L3-h64-s0-12345678", drawn or attention_example()
    )


def panels(figure):
    return [ax for ax in figure.axes if ax.images and ax.get_visible() and ax.axison]


def outlines(ax):
    """Boxes around gold as (row, first column, last column), sure ones and possible ones."""
    collections = [each for each in ax.collections if isinstance(each, PatchCollection)]
    found = {}
    for each in collections:
        style = "sure" if each.get_linestyle()[0][1] is None else "possible"
        boxes = [path.get_extents() for path in each.get_paths()]
        found[style] = [(round(box.y0 + 0.5), round(box.x0 + 0.5), round(box.x1 - 0.5)) for box in boxes]
    return found


def test_written_words_stand_beside_the_rows_and_source_words_above_the_columns():
    (ax,) = panels(draw_heatmap([arm()], ABOUT))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["c", "a (b)", "a"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "c"]
    np.testing.assert_array_equal(ax.images[0].get_array(), attention_example().weights)


def test_wrong_words_are_red_and_no_others():
    (ax,) = panels(draw_heatmap([arm()], ABOUT))
    assert [same_color(label.get_color(), WRONG) for label in ax.get_yticklabels()] == [False, True, False]


def test_gold_positions_are_outlined():
    (ax,) = panels(draw_heatmap([arm()], ABOUT))
    assert outlines(ax)["sure"] == [(0, 2, 2), (1, 1, 1), (2, 0, 0)]
    possible = np.array([[0, 1, 1], [0, 1, 0], [1, 0, 0]], dtype=bool)
    (ax,) = panels(draw_heatmap([arm(attention_example(possible=possible))], ABOUT))
    assert outlines(ax)["possible"] == [(0, 1, 1)]
    colours = [each.get_edgecolor()[0] for each in ax.collections if isinstance(each, PatchCollection)]
    assert all(same_color(colour, GOLD) for colour in colours)


def test_there_is_one_scale_from_0_to_1():
    figures = [draw_heatmap([arm()], ABOUT), draw_heads(arm(long_attention_example(4, 2, 2)), ABOUT)]
    norms = {ax.images[0].norm for figure in figures for ax in panels(figure)}
    assert norms == {SCALE}
    assert (SCALE.vmin, SCALE.vmax) == (0, 1)


def test_an_arm_without_weights_says_so_and_shows_gradients():
    figure = draw_heatmap([arm(attention_example(weights=None), "fixed")], ABOUT)
    (ax,) = panels(figure)
    assert ax.get_title(loc="left") == (
        "fixed: gradient of each answer\n(it has no attention weights over the source)"
    )
    np.testing.assert_array_equal(ax.images[0].get_array(), attention_example().gradients)
    assert "gradient: how strongly" in caption(figure)
    assert "weights:" not in caption(figure)


def test_beside_an_arm_without_weights_both_show_gradients():
    figure = draw_heatmap([arm(), arm(attention_example(weights=None), "fixed")], ABOUT)
    titles = [ax.get_title(loc="left").splitlines()[0] for ax in panels(figure)]
    assert titles == [
        "luong general: where it looked",
        "luong general: gradient of each answer",
        "fixed: gradient of each answer",
    ]
    words = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert any("fixed has no attention weights" in each for each in words)
    looked, beside, *_ = panels(figure)
    assert looked.get_position().x0 == pytest.approx(beside.get_position().x0)


def test_two_arms_with_weights_stand_side_by_side():
    figure = draw_heatmap([arm(), arm(name="bahdanau")], ABOUT)
    assert [ax.get_title(loc="left") for ax in panels(figure)] == [
        "luong general: where it looked",
        "bahdanau: where it looked",
    ]


def test_an_arm_of_which_nothing_is_known_is_drawn_in_words():
    figure = draw_heatmap([arm(attention_example(weights=None, gradients=None), "mine")], ABOUT)
    assert panels(figure) == []
    assert "mine has no embedding of the source" in figure.axes[0].texts[0].get_text()


def test_the_caption_explains_what_is_there_and_nothing_else():
    text = caption(draw_heatmap([arm()], ABOUT))
    for part in (
        ABOUT,
        "run reverse-luong_general-L3-h64-s0-12345678",
        "running freely",
        "Outlined:",
        "red:",
    ):
        assert part in text
    assert "[grey]" not in text.lower()
    assert "dashed" not in text.lower()
    plain = caption(draw_heatmap([arm(attention_example(expected=(), sure=None))], ABOUT))
    assert "outlined" not in plain.lower()
    assert "red:" not in plain.lower()


def test_every_layer_and_head_has_a_panel_under_their_mean():
    drawn = long_attention_example(4, layers=2, heads=3)
    for draw, maps in ((draw_heads, drawn.heads), (draw_self_attention, drawn.encoder)):
        large, *small = panels(draw(arm(drawn), ABOUT))
        np.testing.assert_allclose(large.images[0].get_array(), maps.mean(axis=(0, 1)))
        np.testing.assert_array_equal(small[4].images[0].get_array(), maps[1, 1])
        assert [ax.get_title(loc="left") for ax in small] == [
            f"layer {layer}, head {head}" for layer in (1, 2) for head in (1, 2, 3)
        ]


def test_arms_with_one_weight_for_each_word_have_no_heads():
    assert draw_heads(arm(), ABOUT) is None
    assert draw_self_attention(arm(), ABOUT) is None


def test_small_panels_count_the_words_where_they_have_no_room_for_them():
    few, many = (draw_heads(arm(long_attention_example(words, 1, 2)), ABOUT) for words in (10, 40))
    assert [label.get_text() for label in panels(few)[1].get_xticklabels()][:2] == ["word0", "word1"]
    assert [label.get_text() for label in panels(many)[1].get_xticklabels()] == [
        "1",
        "5",
        *map(str, range(10, 41, 5)),
    ]
    assert "numbers count the words from 1" in caption(many)
    assert "numbers count" not in caption(few)


def words_written(figure):
    """Every visible label, title, caption and number of the figure."""
    texts = list(figure.texts)
    for ax in figure.axes:
        if ax.axison:
            texts += [*ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label]
        texts += [ax.title, ax._left_title, *ax.texts]
    return [text for text in texts if text.get_text().strip() and text.get_visible()]


def assert_readable(figure):
    """Assert that no two words touch, none leaves the figure or lies on a panel, and the caption is short."""
    assert sentences(caption(figure)) <= 3
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [text.get_window_extent(renderer) for text in words_written(figure)]
    shown = panels(figure)
    assert boxes
    for box in [*boxes, *(ax.get_window_extent(renderer) for ax in figure.axes)]:
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1
    x0, y0, x1, y1 = np.array([box.extents for box in boxes]).T
    is_touching = (x0 <= x1[:, None]) & (x0[:, None] <= x1) & (y0 <= y1[:, None]) & (y0[:, None] <= y1)
    assert is_touching.sum() == len(boxes)  # each touches itself
    for box in boxes:
        assert not any(box.overlaps(ax.get_window_extent(renderer)) for ax in shown)


def single(words, **changes):
    return draw_heatmap([arm(long_attention_example(words), **changes)], ABOUT)


def beside(words):
    without = long_attention_example(words)
    object.__setattr__(without, "weights", None)
    return draw_heatmap([arm(long_attention_example(words)), arm(without, "fixed")], ABOUT)


def heads(words):
    return draw_heads(arm(long_attention_example(words, 2, 4), "transformer"), ABOUT)


def self_attention(words):
    return draw_self_attention(arm(long_attention_example(words, 2, 4), "transformer"), ABOUT)


@pytest.mark.parametrize("words", [1, 2, 10, 41, 120])
@pytest.mark.parametrize("draw", [single, beside, heads, self_attention])
def test_no_word_touches_another_or_is_cut_off(draw, words):
    assert_readable(draw(words))


@pytest.mark.parametrize("words", [10, 120])
def test_every_word_is_written(words):
    (ax,) = panels(single(words))
    assert len(ax.get_xticklabels()) == len(ax.get_yticklabels()) == words
    assert min(label.get_fontsize() for label in ax.get_xticklabels()) >= 6.5


def test_of_a_thousand_words_some_are_written_and_the_caption_says_so():
    figure = draw_heatmap(
        [
            arm(
                attention_example(
                    source=tuple(f"w{i}" for i in range(1000)), weights=np.eye(3, 1000), sure=None
                )
            )
        ],
        ABOUT,
    )
    (ax,) = panels(figure)
    assert len(ax.get_xticklabels()) == 200
    assert "too many words to write all of them" in caption(figure)
    assert max(figure.get_size_inches()) < 30
    assert_readable(figure)


@pytest.mark.parametrize(
    "source", [("$x$", "_a", "\\frac"), ("i" * 200, "Donaudampfschiff", "W" * 30), ("猫", "a", "b")]
)
def test_words_are_drawn_as_they_are(source, tmp_path):
    from attnbench.plots.attention_panel import boxes_for_missing_letters

    with boxes_for_missing_letters():
        figure = draw_heatmap([arm(attention_example(source=source, weights=numbers(np.eye(3))))], ABOUT)
        assert_readable(figure)
        save_figure(figure, tmp_path / "heatmap")


def test_a_figure_of_120_words_has_a_file_of_reasonable_size(tmp_path):
    png, svg = save_figure(single(120), tmp_path / "heatmap")
    height, width, _ = imread(png).shape
    assert max(height, width) < 3000
    assert png.stat().st_size < 2_000_000
    assert svg.stat().st_size < 2_000_000


def test_equal_attention_examples_give_equal_files(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save_figure(single(10), tmp_path / folder / "heatmap")
    for name in ("heatmap.png", "heatmap.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_attention_examples_are_drawn_without_torch():
    code = (
        "import sys, attnbench.plots.attention, attnbench.report.text_heatmap; print('torch' in sys.modules)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "False"

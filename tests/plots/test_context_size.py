import math
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from attnbench.analysis.breakdown import breakdown_table
from attnbench.analysis.capacity import context_size_table
from attnbench.plots.context_size import (
    context_size_caption,
    draw_context_size,
    draw_context_size_figure,
)
from attnbench.plots.style import model_style
from tests.metrics_rows import curve_rows, metrics_of
from tests.plots.drawn import arrows, assert_nothing_overlaps, caption, legend, points_of

# Without chance: the means pass one half at 8, at 16 and never.
AT_8, AT_16 = {4: [1.0], 16: [0.0]}, {4: [1.0], 64: [0.0]}
NEVER, DOWN, NOT_LEARNT = {4: [1.0], 64: [1.0]}, {4: [0.3], 64: [0.2]}, {4: [0.0], 64: [0.0]}


def arm(accuracies, model="fixed", hidden_size=16, per_symbol=0, **values):
    rows = curve_rows(accuracies, model=model, hidden_size=hidden_size, chance_accuracy=0.0, **values)
    if per_symbol:
        return [row | {"context_size": per_symbol * row["length"]} for row in rows]
    return [row | {"context_size": values.get("context_size", hidden_size)} for row in rows]


def sizes_of(*arms):
    metrics = metrics_of([row for rows in arms for row in rows])
    return context_size_table(metrics, breakdown_table(metrics))


def draw(*arms):
    ax = Figure(figsize=(9, 6)).add_subplot()
    assert draw_context_size(ax, sizes_of(*arms)) is ax
    return ax


def joins(ax, model):
    """The lines between points of a model."""
    colour = model_style(model).colour
    return [
        line
        for line in ax.get_lines()
        if same_color(line.get_color(), colour)
        and line.get_linestyle() != "None"
        and len(line.get_xdata()) == 2
    ]


def test_points_stand_at_their_context_size_and_length():
    ax = draw(arm(AT_8), arm(AT_16, "bahdanau", per_symbol=16))
    assert points_of(ax, "fixed") == [(pytest.approx(16), pytest.approx(8), False)]
    assert points_of(ax, "bahdanau") == [(pytest.approx(16 * 16), pytest.approx(16), False)]


def test_both_axes_are_log_with_plain_numbers():
    ax = draw(arm(AT_8), arm(NEVER, "bahdanau", per_symbol=16))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "16",
        "32",
        "64",
        "128",
        "256",
        "512",
        "1024",
    ]
    # None beyond 64, where there are only arrows.
    assert [label.get_text() for label in ax.get_yticklabels()] == ["8", "16", "32", "64"]
    assert ax.get_xlabel() == "context size at L50 (numbers that cross from encoder to decoder)"
    assert ax.get_ylabel() == "L50, free-running (symbols)"
    assert ax.get_title() == "reverse: one model per length"


def test_ticks_of_a_wide_axis_are_thinned():
    ax = draw(arm(AT_8), arm(AT_8, "linear", context_size=2**24))
    assert len(ax.get_xticks()) <= 11


def test_hidden_sizes_of_an_arm_are_joined_and_grow():
    ax = draw(arm(AT_8), arm(AT_16, hidden_size=64), arm(NEVER, hidden_size=256))
    (line,) = joins(ax, "fixed")
    assert line.get_xdata() == pytest.approx([16, 64])
    assert line.get_ydata() == pytest.approx([8, 16])
    assert legend(ax)[1:5] == [" ", "hidden 16", "hidden 64", "hidden 256"]
    sizes = [entry.get_markersize() for entry in ax.get_legend().get_lines()[2:5]]
    assert sizes == sorted(set(sizes))


def test_one_hidden_size_needs_no_entry():
    assert legend(draw(arm(AT_8))) == ["fixed"]


def test_censored_points_are_arrows_and_never_joined():
    ax = draw(arm(NEVER), arm(NEVER, hidden_size=64), arm(DOWN, "uniform", hidden_size=32))
    assert not joins(ax, "fixed")
    starts_and_ends = arrows(ax)
    assert [start for start, _ in starts_and_ends] == [(16, 64), (32, 4), (64, 64)]
    assert [end[1] > start[1] for start, end in starts_and_ends] == [True, False, True]
    assert all(length > 64 for _, length, _ in points_of(ax, "fixed"))
    assert legend(ax)[-2:] == ["L50 beyond the longest tested", "L50 before the shortest tested"]


def test_intervals_are_vertical_bars():
    # The seeds pass 0.5 at log2 lengths 2.5, 3 and 3.5: mean 3, deviation 0.5, so 3 ± 4.30265 · 0.5 / √3.
    ax = draw(arm({4: [1.0] * 3, 8: [0.0, 0.5, 1.0], 16: [0.0] * 3}))
    margin = 4.30265 * 0.5 / math.sqrt(3)
    (bar,) = [collection for collection in ax.collections if collection.get_segments()]
    ((start, end),) = bar.get_segments()
    assert (start[0], end[0]) == (pytest.approx(16), pytest.approx(16))
    assert (start[1], end[1]) == pytest.approx((2 ** (3 - margin), 2 ** (3 + margin)), rel=1e-5)


def test_points_that_the_budget_ended_are_hollow():
    ax = draw(arm(AT_8, stop_reason="budget"), arm(AT_16, "uniform"))
    assert points_of(ax, "fixed")[0][2]
    assert not points_of(ax, "uniform")[0][2]
    assert legend(ax)[-1] == "ended by the budget"


def test_arms_without_learning_or_context_are_not_drawn():
    ax = draw(arm(AT_8), arm(NOT_LEARNT, "uniform"), arm(AT_8, "blind", context_size=0))
    assert legend(ax) == ["fixed"]
    assert not points_of(ax, "uniform") + points_of(ax, "blind")


def test_a_panel_without_points_says_so():
    ax = draw(arm(NOT_LEARNT))
    assert [text.get_text() for text in ax.texts] == ["no arm to draw"]
    assert ax.get_legend() is None


def test_variants_differ_in_line_and_label():
    variants = [
        arm(accuracies, "slots", size, context_size=number * size, variant=variant)
        for number, variant in ((5, ""), (9, "model.slots=8"))
        for size, accuracies in ((16, AT_8), (32, AT_16))
    ]
    ax = draw(*variants)
    assert legend(ax)[:2] == ["slots", "slots, slots=8"]
    assert len({str(line.get_linestyle()) for line in joins(ax, "slots")}) == 2
    assert not ax.texts


def test_variants_that_no_line_tells_apart_have_letters():
    ax = draw(
        arm(AT_8, "slots", context_size=80),
        arm(NEVER, "slots", context_size=144, variant="model.slots=8"),
        arm(AT_8),
    )
    assert legend(ax)[:3] == ["fixed", "slots (a)", "slots, slots=8 (b)"]
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["a", "b"]


def test_tasks_and_protocols_have_panels_of_their_own():
    mixed = {"protocol": "mixed", "train_min_length": 4, "train_max_length": 16}
    figure = draw_context_size_figure(sizes_of(arm(AT_8), arm(AT_8, task="copy"), arm(AT_8, **mixed)))
    assert "in “reverse: mixed lengths”: trained on lengths 4–16." in caption(figure)
    assert [ax.get_title() for ax in figure.axes] == [
        "copy: one model per length",
        "reverse: mixed lengths",
        "reverse: one model per length",
    ]


def test_lengths_in_different_units_never_share_an_axis():
    characters = arm(AT_16, length_unit="characters", variant="task.length_unit=characters")
    figure = draw_context_size_figure(sizes_of(arm(AT_8), characters))
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "L50, free-running (characters)",
        "L50, free-running (symbols)",
    ]
    assert [points_of(ax, "fixed")[0][:2] for ax in figure.axes] == [(16, 16), (16, 8)]


EVERYTHING = [
    rows
    for hidden in (16, 32, 64)
    for rows in (
        *(arm(AT_8, model, hidden) for model in ("fixed", "fixed_init", "transformer_fixed")),
        arm(AT_16, "slots", hidden, context_size=5 * hidden),
        arm(AT_16, "linear", hidden, context_size=hidden * hidden + 2 * hidden),
        arm(NOT_LEARNT, "luong_location", hidden),
        arm(DOWN, "blind", hidden, context_size=0),
        arm(DOWN, "uniform", hidden, context_size=2 * hidden),
        *(
            arm(NEVER, model, hidden, per_symbol=hidden)
            for model in (
                "bahdanau",
                "luong_dot",
                "luong_general",
                "luong_concat",
                "multihead",
                "transformer",
            )
        ),
    )
]


@pytest.mark.parametrize("arms", [EVERYTHING, [arm(AT_8)], [arm(NOT_LEARNT)]], ids=["all", "one", "none"])
def test_nothing_leaves_the_figure_and_no_legend_covers_a_panel(arms):
    figure = draw_context_size_figure(sizes_of(*arms, *(arm(AT_8, task="copy") for _ in arms[:1])))
    assert_nothing_overlaps(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for ax in figure.axes:
        ticks = [label.get_window_extent(renderer) for label in ax.get_xticklabels()]
        assert not any(a.overlaps(b) for a, b in combinations(ticks, 2))


SPREAD = {4: [1.0] * 3, 8: [0.0, 0.5, 1.0], 16: [0.0] * 3}


def caption_of(*arms):
    return context_size_caption([sizes_of(*arms)])


def test_threshold_seeds_and_budget_are_stated():
    caption = caption_of(arm(SPREAD))
    assert "mean accuracy of 3 seeds, free-running," in caption
    assert "bars: 95 % Student t interval of the seeds' own L50." in caption
    assert caption.endswith("All arms: hidden size 16, at most 1,500 training steps.")
    assert "of 1 to 3 seeds" in caption_of(arm(SPREAD), arm(AT_8, "uniform"))


def test_missing_intervals_are_explained():
    assert "there is no interval of one seed." in caption_of(arm(AT_8))
    assert "where seeds are equal or one is censored." in caption_of(arm({4: [1.0] * 2, 16: [0.0] * 2}))
    assert "(none where a seed is censored" in caption_of(arm(SPREAD), arm(AT_8, "uniform"))
    assert "interval" not in caption_of(arm(NEVER))


def test_a_point_outside_its_interval_is_explained():
    outside = {4: [0.501] * 9 + [0.95], 8: [0.499] * 9 + [0.45]}
    assert "may lie outside" in caption_of(arm(outside))
    assert "may lie outside" not in caption_of(arm(SPREAD))


def test_arms_are_named_as_not_drawn_only_where_there_are_any():
    assert "Not drawn" not in caption_of(arm(AT_8))
    full = caption_of(
        arm(AT_8, stop_reason="budget"),
        arm(AT_16, hidden_size=32),
        arm(NEVER, "bahdanau", per_symbol=16),
        arm(NOT_LEARNT, "uniform"),
    )
    assert "Not drawn" in full


def test_arms_that_are_not_drawn_are_named_with_the_reason():
    caption = caption_of(
        arm(AT_8),
        arm(AT_8, hidden_size=32),
        arm(NOT_LEARNT, "uniform"),
        arm(AT_16, "uniform", hidden_size=32),
        arm(DOWN, "blind", context_size=0),
        arm(NOT_LEARNT, "blind", hidden_size=32, context_size=0),
        arm(AT_8, "slots", context_size=None),
    )
    assert (
        "Not drawn: blind at hidden size 16: no context, which a log axis cannot show (L50 < 4); "
        "blind at hidden size 32: no context, which a log axis cannot show (not learnt); "
        "slots: size of the context unknown (L50 8); uniform at hidden size 16: not learnt."
    ) in caption


def test_arms_with_one_reason_are_named_together_and_without_sizes_where_all_are_missing():
    arms = [arm(NOT_LEARNT, model, size) for model in ("uniform", "slots") for size in (16, 32)]
    assert "Not drawn: uniform and slots: not learnt." in caption_of(arm(AT_8), *arms)


def test_panels_say_where_an_arm_is_missing():
    panels = [sizes_of(arm(AT_8), arm(NOT_LEARNT, "uniform")), sizes_of(arm(AT_8, task="copy"))]
    caption = context_size_caption(panels)
    assert "Not drawn in “reverse: one model per length”: uniform: not learnt." in caption
    assert "copy" not in caption


def test_what_all_arms_share_is_named():
    caption = caption_of(
        arm(AT_8, variant="model.cell=gru", steps=None),
        arm(AT_8, hidden_size=32, variant="model.cell=gru", steps=None),
    )
    assert caption.endswith("All arms: model.cell=gru.")

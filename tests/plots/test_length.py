import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from attnbench.plots.length import draw_accuracy, draw_bits, draw_bleu
from attnbench.plots.style import model_style
from tests.metrics_rows import curve_rows
from tests.plots.sweeps import FALLING, STAYING, panels_of, text_rows, two_arms

FIXED = model_style("fixed")


def draw(rows, function=draw_accuracy, **options):
    (panel,) = panels_of(rows)
    ax = Figure(figsize=(6, 4)).add_subplot()
    assert function(ax, panel, **options) is ax
    return ax


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def points_of(ax, model):
    """The lines of markers of a model: x, y and whether they are hollow."""
    marker, colour = model_style(model).marker, model_style(model).colour
    return [
        (line.get_xdata().tolist(), line.get_ydata().tolist(), line.get_markerfacecolor() == "white")
        for line in ax.get_lines()
        if line.get_marker() == marker and same_color(line.get_color(), colour)
    ]


def test_the_mean_has_a_point_at_each_length():
    ((x, y, hollow),) = points_of(draw(two_arms()), "fixed")
    assert x == [4, 8, 16, 32]
    assert y == pytest.approx([2.98 / 3, 0.9, 0.6, 0.3])
    assert not hollow


def test_each_seed_is_a_faint_line_and_a_single_seed_is_none():
    faint = [line for line in draw(two_arms()).get_lines() if line.get_alpha() == 0.3]
    assert len(faint) == 2 * 3
    one = draw(curve_rows({4: [1.0], 8: [0.5]}))
    assert not [line for line in one.get_lines() if line.get_alpha()]


def test_intervals_are_bars_from_low_to_high():
    ax = draw(curve_rows({4: [0.5, 0.6, 0.7], 8: [0.2, 0.2, 0.2]}))
    (bars,) = [collection for collection in ax.collections if collection.get_segments()]
    ((start, end),) = bars.get_segments()
    assert (start[0], end[0]) == (4, 4)
    assert (start[1], end[1]) == pytest.approx((0.6 - 0.248414, 0.6 + 0.248414), abs=1e-6)


def test_chance_is_drawn_over_the_whole_axis_and_named():
    ax = draw(two_arms())
    (chance,) = [line for line in ax.get_lines() if str(line.get_label()).startswith("chance")]
    assert set(chance.get_ydata()) == {0.0625}
    assert (chance.get_xdata()[0], chance.get_xdata()[-1]) == ax.get_xlim()
    assert "chance (0.0625)" in legend(ax)


def test_chance_that_changes_with_length_is_named_without_a_number():
    rows = curve_rows({4: [1.0]}, chance_accuracy=0.25) + curve_rows({8: [1.0]}, chance_accuracy=0.125)
    assert "chance" in legend(draw(rows))


def test_variants_with_other_chances_have_lines_of_their_own():
    rows = two_arms() + two_arms(variant="task.vocabulary_size=2", chance_accuracy=0.5)
    assert {"chance (0.0625)", "chance (0.5)"} < set(legend(draw(rows)))


def test_a_breakdown_is_marked_with_its_number_where_the_mean_crosses():
    # From 0.6 at 16 to 0.3 at 32 through 0.53125: at 16 · 2 ** (0.06875 / 0.3) = 18.75.
    ax = draw(two_arms())
    (mark,) = [line for line in ax.get_lines() if line.get_marker() == "|"]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx((18.754, 0.53125), abs=1e-3)
    assert [text.get_text() for text in ax.texts] == ["L50 18.8"]
    assert same_color(ax.texts[0].get_color(), FIXED.colour)


def test_the_legend_says_where_an_arm_breaks_down_or_that_it_does_not():
    fixed, attention, *_ = legend(draw(two_arms()))
    assert fixed.startswith("fixed\nL50 18.8 [")
    assert attention == "luong general\nno breakdown up to 32"


def test_arms_that_did_not_learn_or_broke_before_the_shortest_say_so():
    rows = curve_rows({4: [0.06], 8: [0.06]}, model="blind") + curve_rows({4: [0.4], 8: [0.3]})
    ax = draw(rows)
    assert legend(ax)[:2] == ["blind\nnot learnt", "fixed\nbelow 0.53 already at 4"]
    assert not ax.texts


def test_points_where_a_run_was_ended_by_its_budget_are_hollow():
    rows = two_arms()
    for row in rows:
        if row["model"] == "fixed" and row["length"] == 16 and row["seed"] == 2:
            row["stop_reason"] = "budget"
    ax = draw(rows)
    filled, hollow = sorted(points_of(ax, "fixed"), key=lambda points: points[2])
    assert (filled[0], filled[2]) == ([4, 8, 32], False)
    assert (hollow[0], hollow[2]) == ([16], True)
    assert [points[2] for points in points_of(ax, "luong_general")] == [False]


def test_teacher_forced_accuracy_is_drawn_from_its_own_column():
    rows = two_arms(teacher_forced_accuracy=0.8)
    ax = draw(rows, score="teacher_forced_accuracy")
    assert points_of(ax, "fixed")[0][1] == [0.8] * 4
    assert ax.get_ylabel() == "teacher-forced token accuracy"


def test_axes_are_named_with_units():
    ax = draw(two_arms())
    assert ax.get_xlabel() == "input length (symbols)"
    assert ax.get_ylabel() == "free-running token accuracy"
    assert ax.get_title() == "reverse: one model per length"


def test_lengths_beyond_the_train_range_are_shaded_and_named():
    rows = two_arms(protocol="extrapolation", train_min_length=4, train_max_length=16)
    ax = draw(rows)
    (region,) = ax.patches
    assert (region.get_x(), region.get_x() + region.get_width()) == pytest.approx((16, ax.get_xlim()[1]))
    assert "trained up to 16" in [text.get_text() for text in ax.texts]


def test_hidden_sizes_share_the_colour_and_differ_in_line_and_label():
    rows = curve_rows(FALLING) + curve_rows(STAYING, hidden_size=128)
    ax = draw(rows)
    entries = ax.get_legend().get_lines()[:2]
    assert [text.split("\n")[0] for text in legend(ax)[:2]] == ["fixed, hidden 64", "fixed, hidden 128"]
    assert same_color(entries[0].get_color(), entries[1].get_color())
    assert entries[0].get_linestyle() != entries[1].get_linestyle()


def test_bits_have_their_ceiling():
    rows = [
        row | {"bits_recovered": 4 * row["length"] / 2, "bits_available": 4 * row["length"]}
        for row in two_arms()
    ]
    ax = draw(rows, draw_bits)
    (ceiling,) = [line for line in ax.get_lines() if line.get_label() == "bits available"]
    assert ceiling.get_linestyle() == "--"
    assert ceiling.get_ydata().tolist() == [16, 32, 64, 128]
    assert legend(ax) == ["fixed", "luong general", "bits available"]
    assert ax.get_ylim()[0] == 0


def test_negative_bits_are_shown():
    ax = draw(two_arms(bits_recovered=-3.0), draw_bits)
    assert ax.get_ylim()[0] < -3


def test_bleu_is_drawn_by_buckets():
    ax = draw(text_rows(seeds=2), draw_bleu)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1–10", "11–20", "21–40"]
    assert points_of(ax, "bahdanau")[0][1] == pytest.approx([27.0, 24.5, 19.5])
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("BLEU", "input length (source words)")
    assert ax.get_ylim()[0] == 0


def test_one_length_can_be_drawn():
    ax = draw(curve_rows({8: [0.9, 0.8]}))
    assert points_of(ax, "fixed")[0][0] == [8]

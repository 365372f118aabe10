import subprocess
import sys

import pytest
from matplotlib.colors import same_color, to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread

from attnbench.plots.layout import save_figure
from attnbench.plots.length import draw_accuracy, draw_bits, draw_bleu, draw_length_figures, length_caption
from attnbench.plots.style import model_style
from tests.metrics_rows import curve_rows
from tests.plots.drawn import assert_nothing_overlaps, legend
from tests.plots.sweeps import ACCURACIES, FALLING, STAYING, panels_of, text_rows, two_arms

FIXED = model_style("fixed")


def draw(rows, function=draw_accuracy, **options):
    (panel,) = panels_of(rows)
    ax = Figure(figsize=(6, 4)).add_subplot()
    assert function(ax, panel, **options) is ax
    return ax


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


def test_of_two_seeds_no_bars_are_drawn():
    assert bars_of(draw(curve_rows({4: [1.0, 0.8], 8: [0.9, 0.7]}))) == []
    assert bars_of(draw(curve_rows({4: [1.0, 0.8, 0.9], 8: [0.9, 0.7, 0.8]}))) != []


def bars_of(ax):
    return [
        each
        for each in ax.collections
        if len(each.get_paths()) > 0 and "LineCollection" in type(each).__name__
    ]


def test_of_real_text_the_grey_line_is_that_of_the_commonest_word():
    rows = [row | {"token_accuracy": 0.1, "chance_accuracy": 0.286} for row in text_rows(seeds=3)]
    entries = [text.get_text() for text in draw(rows).get_legend().get_texts()]
    assert "always the commonest\nword of the training (0.286)" in entries
    assert not any("chance" in each for each in entries)


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


def test_a_breakdown_is_marked_where_the_mean_crosses():
    # From 0.6 at 16 to 0.3 at 32 through 0.53125: at 16 · 2 ** (0.06875 / 0.3) = 18.75.
    ax = draw(two_arms())
    (mark,) = [line for line in ax.get_lines() if line.get_marker() == "|"]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx((18.754, 0.53125), abs=1e-3)
    assert same_color(mark.get_color(), FIXED.colour)
    assert legend(ax)[0].startswith("fixed\nL50 18.8")
    assert not ax.texts


def test_the_legend_says_where_an_arm_breaks_down_or_that_it_does_not():
    fixed, attention, *_ = legend(draw(two_arms()))
    assert fixed.startswith("fixed\nL50 18.8 [")
    assert fixed.endswith("],\nbetween tested 16 and 32")
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


CEILINGS = {4: 1.0, 8: 1.0, 16: 0.71, 32: 0.49}


def channel_rows(bits=32, ceilings=CEILINGS, model="fixed", **values):
    """An arm whose context has so many bits, on a task of 4 bits a symbol."""
    return [
        row
        | {
            "channel_bits": bits,
            "accuracy_ceiling": ceilings[row["length"]],
            "bits_available": 4.0 * row["length"],
            "bits_recovered": min(4.0 * row["length"], 0.8 * bits),
        }
        for row in curve_rows(FALLING, model=model, **values)
    ]


def line_of(ax, label):
    (line,) = [line for line in ax.get_lines() if str(line.get_label()).startswith(label)]
    return line


def test_the_ceiling_of_known_bits_is_drawn_beside_the_first_tokens_kept():
    ax = draw(channel_rows() + curve_rows(STAYING, model="luong_general"))
    ceiling, kept = line_of(ax, "ceiling of 32 bits"), line_of(ax, "first 8 tokens kept")
    assert ceiling.get_xdata().tolist() == kept.get_xdata().tolist() == [4, 8, 16, 32]
    assert ceiling.get_ydata().tolist() == [1.0, 1.0, 0.71, 0.49]
    # Half and a quarter of the tokens, and a sixteenth of the rest.
    assert kept.get_ydata().tolist() == pytest.approx([1, 1, 0.5 + 0.5 / 16, 0.25 + 0.75 / 16])
    assert [label for label in legend(ax) if "bits" in label or "kept" in label] == [
        "ceiling of 32 bits",
        "first 8 tokens kept,\nthe rest guessed",
    ]


def test_the_bits_that_cross_are_drawn_in_the_figure_of_bits():
    ax = draw(channel_rows(), draw_bits)
    assert line_of(ax, "ceiling of 32 bits").get_ydata().tolist() == [16, 32, 32, 32]
    assert not any("kept" in label for label in legend(ax))


def test_two_channels_have_two_ceilings_and_arms_of_one_channel_share_theirs():
    less = {4: 1.0, 8: 0.71, 16: 0.49, 32: 0.35}
    rows = (
        channel_rows()
        + channel_rows(model="fixed_init")
        + channel_rows(16, less, variant="model.context_bits=16")
    )
    ax = draw(rows)
    assert [label for label in legend(ax) if label.startswith("ceiling")] == [
        "ceiling of 32 bits",
        "ceiling of 16 bits",
    ]
    looks = {line_of(ax, f"ceiling of {bits} bits").get_linestyle() for bits in (16, 32)}
    assert len(looks) == 2


def test_a_ceiling_that_nothing_on_the_axis_can_reach_is_not_drawn():
    rows = channel_rows(512, dict.fromkeys(CEILINGS, 1.0))
    for function in (draw_accuracy, draw_bits):
        assert not any("ceiling" in label or "kept" in label for label in legend(draw(rows, function)))


def test_without_the_columns_there_is_no_ceiling():
    assert not any("ceiling" in label or "kept" in label for label in legend(draw(two_arms())))


def test_ceilings_overlap_nothing():
    for figure in figures_of(channel_rows() + curve_rows(STAYING, model="luong_general")).values():
        assert_nothing_overlaps(figure)


def test_the_caption_tells_ceilings_of_known_bits_and_of_real_numbers():
    real = "the ceiling of real-valued contexts (32 bits a number) lies beyond the axis"
    known = "ceiling: what no code of so many bits exceeds (rate–distortion)"
    caption = length_caption(panels_of(channel_rows()), ACCURACIES)
    assert known in caption
    assert real not in caption
    # A figure without a ceiling needs no word on those that lie beyond it.
    caption = length_caption(panels_of(two_arms()), ACCURACIES)
    assert known not in caption
    assert real not in caption

    def beside_a_ceiling(**values):
        rows = channel_rows() + curve_rows(STAYING, model="luong_general", **values)
        return length_caption(panels_of(rows), ACCURACIES)

    assert known in beside_a_ceiling()
    assert real in beside_a_ceiling()
    # One number of 32 bits, and 33 bits to know; or nothing that crosses.
    for size in (1, 0):
        assert real not in beside_a_ceiling(context_size=size, bits_available=33.0)
    assert real not in length_caption(panels_of(text_rows()), ["bleu"])


def test_negative_bits_are_shown():
    ax = draw(two_arms(bits_recovered=-3.0), draw_bits)
    assert ax.get_ylim()[0] < -3


def test_bleu_is_drawn_by_buckets():
    ax = draw(text_rows(seeds=2), draw_bleu)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1–10", "11–20", "21–40"]
    assert points_of(ax, "bahdanau")[0][1] == pytest.approx([27.0, 24.5, 19.5])
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("BLEU", "input length (source words)")
    assert ax.get_ylim()[0] == 0
    assert legend(ax)[1] == "bahdanau\nabove half of its best up to 40"


def test_half_of_the_best_bucket_is_named_in_legend_and_caption():
    rows = [row | {"bleu": row["bleu"] - (8 if row["length"] == 40 else 0)} for row in text_rows()]
    ax = draw(rows, draw_bleu)
    assert legend(ax)[0] == "fixed\nhalf of its best at 27.9,\nbetween tested 20 and 40 (one seed)"
    caption = length_caption(panels_of(rows), ["bleu"])
    assert (
        "half: the length beyond its best bucket at which less than half of an arm's best is left" in caption
    )
    assert "L50" not in caption


def test_one_length_can_be_drawn():
    ax = draw(curve_rows({8: [0.9, 0.8]}))
    assert points_of(ax, "fixed")[0][0] == [8]


def figures_of(rows):
    return draw_length_figures(panels_of(rows))


def colour_of(figure, model):
    (entry,) = [line for line in _entries(figure.axes[0]) if line.get_label().startswith(model)]
    return to_hex(entry.get_color()), entry.get_marker()


def _entries(ax):
    lines, texts = ax.get_legend().get_lines(), ax.get_legend().get_texts()
    for line, text in zip(lines, texts, strict=True):
        line.set_label(text.get_text())
    return lines


def test_a_synthetic_sweep_has_accuracy_and_bits():
    figures = figures_of(two_arms())
    assert list(figures) == ["accuracy_vs_length", "bits_vs_length"]
    free, forced = figures["accuracy_vs_length"].axes
    assert (free.get_ylabel(), forced.get_ylabel()) == (
        "free-running token accuracy",
        "teacher-forced token accuracy",
    )
    assert free.get_ylim() == forced.get_ylim()


def test_real_text_has_bleu_and_no_bits():
    figures = figures_of(text_rows())
    assert list(figures) == ["accuracy_vs_length", "bleu_vs_length"]
    assert [ax.get_ylabel() for ax in figures["accuracy_vs_length"].axes] == ["teacher-forced token accuracy"]


def test_tasks_and_protocols_have_columns_of_their_own():
    rows = two_arms() + two_arms(protocol="mixed", train_min_length=4, train_max_length=32) + text_rows()
    figures = figures_of(rows)
    assert len(figures["accuracy_vs_length"].axes) == 2 + 2 + 1
    assert len(figures["bits_vs_length"].axes) == 2
    assert len(figures["bleu_vs_length"].axes) == 1


def test_an_arm_looks_the_same_in_every_figure_whatever_the_other_arms():
    alone = figures_of(curve_rows(FALLING))
    among = figures_of(two_arms(task="copy") + curve_rows(FALLING, model="blind", task="copy"))
    looks = {colour_of(f, "fixed") for figures in (alone, among) for f in figures.values()}
    assert len(looks) == 1


def test_no_rows_have_no_figures():
    assert figures_of([]) == {}


CROWDED = [
    two_arms(),
    text_rows(seeds=2),
    two_arms(protocol="extrapolation", train_min_length=4, train_max_length=16) + two_arms(),
    [
        row
        for size in (16, 32, 64, 128, 256)
        for model in ("fixed", "fixed_init", "uniform")
        for row in curve_rows(FALLING, model=model, hidden_size=size, variant="model.cell=gru")
    ],
]


@pytest.mark.parametrize("rows", CROWDED, ids=["two arms", "text", "two protocols", "fifteen arms"])
def test_nothing_leaves_the_figure_and_no_legend_covers_a_panel(rows):
    for figure in figures_of(rows).values():
        assert_nothing_overlaps(figure)


def test_a_figure_is_saved_as_png_and_svg(tmp_path):
    figure = figures_of(two_arms())["accuracy_vs_length"]
    paths = save_figure(figure, tmp_path / "accuracy_vs_length")
    assert [path.name for path in paths] == ["accuracy_vs_length.png", "accuracy_vs_length.svg"]
    height, width, _ = imread(paths[0]).shape
    assert (width, height) == pytest.approx(figure.get_size_inches() * 150, abs=1)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_equal_sweeps_give_equal_files(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name, figure in figures_of(two_arms()).items():
            save_figure(figure, tmp_path / folder / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 4
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_drawing_needs_neither_pyplot_nor_torch_nor_a_display():
    code = (
        "import sys, attnbench.plots.length, attnbench.report.summary\n"
        "print(sorted({'matplotlib.pyplot', 'torch', 'tkinter'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={})
    assert done.stdout == "[]\n"


def test_dollars_in_names_are_no_formula(tmp_path):
    named = {"task": "cost in $\\frac{", "variant": "task.field=$x$;model.cell=$\\nothing$"}
    for name, figure in figures_of(two_arms(**named)).items():
        assert len(save_figure(figure, tmp_path / name)) == 2
        assert "cost in $" in (tmp_path / f"{name}.svg").read_text()


def test_bits_have_a_ceiling_only_where_those_available_are_known():
    for available, is_there in ((24.0, True), (None, False)):
        figure = draw_length_figures(panels_of(two_arms(bits_available=available)))["bits_vs_length"]
        assert ("bits available" in legend(figure.axes[0])) == is_there

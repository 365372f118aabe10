import pytest

from attnbench.analysis.capacity import capacity_table
from attnbench.plots.capacity import draw_capacity_figure
from attnbench.plots.points import split_panels
from tests.metrics_rows import metrics_row
from tests.plots.drawn import assert_nothing_overlaps, caption, legend, points_of
from tests.plots.sweeps import sweep_of

# Of 4 bits a symbol: all, nearly all, then 40, 42, 44, 42 and 41 by seed, 41.84 in the mean.
LEVEL = {
    4: [16] * 5,
    8: [29, 30, 31, 30, 30],
    16: [40, 42.2, 44, 42, 41],
    32: [40.2, 42, 44, 42, 41],
    64: [40, 42, 44, 42.2, 41],
}
FULL = {length: [4 * length, 4 * length, 4 * length - 0.1] for length in (4, 8, 16, 32, 64)}


def arm(bits, model="fixed", hidden_size=64, per_symbol=0, **values):
    return [
        metrics_row(
            model=model,
            hidden_size=hidden_size,
            length=length,
            seed=seed,
            bits_recovered=value,
            bits_available=4.0 * length,
            **({"context_size": per_symbol * length if per_symbol else hidden_size} | values),
        )
        for length, by_seed in bits.items()
        for seed, value in enumerate(by_seed)
    ]


def scaled(bits, factor):
    return {length: [factor * value for value in by_seed] for length, by_seed in bits.items()}


def draw(*arms):
    sweep = sweep_of([row for rows in arms for row in rows])
    return draw_capacity_figure(split_panels(*sweep), capacity_table(sweep.metrics))


def test_a_plateau_is_a_band_over_its_lengths_named_in_the_legend():
    (ax,) = draw(arm(LEVEL), arm(FULL, "bahdanau", per_symbol=64)).axes
    fixed, attention, ceiling = legend(ax)
    assert fixed.startswith("fixed\nlevels off: at least 41.8 bits [40.")
    assert fixed.endswith("0.65 per number")
    assert attention == "bahdanau\nholds at least 95 % at the longest"
    assert ceiling == "bits available"
    (band,) = [each for each in ax.collections if len(each.get_paths()) == 1 and each.get_alpha() == 0.18]
    box = band.get_paths()[0].get_extents()
    assert (box.x0, box.x1) == (16, 64)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stop_reason": "budget"}, "runs at its level ended by budget"),
        ({"per_symbol": 64}, "its context is not of one size"),
        (
            {"protocol": "extrapolation", "train_min_length": 4, "train_max_length": 8},
            "beyond its training: no capacity",
        ),
    ],
)
def test_the_legend_says_why_a_level_is_no_capacity(values, words):
    (ax,) = draw(arm(LEVEL, **values)).axes
    assert legend(ax)[0] == f"fixed\n{words}"


def test_without_a_plateau_the_legend_and_the_caption_say_so():
    figure = draw(arm({4: [16, 16], 8: [20, 21], 16: [30, 31]}))
    assert legend(figure.axes[0])[0] == "fixed\ntoo few lengths or seeds to level off"
    assert "no arm has a plateau" in caption(figure)
    assert "what the numbers could hold" not in caption(figure)


def test_one_hidden_size_has_no_panel_of_sizes():
    figure = draw(arm(LEVEL))
    assert len(figure.axes) == 1
    assert "capacity learned at this size and budget" in caption(figure)
    assert "--figure memory" not in caption(figure)


def test_hidden_sizes_stand_at_their_context_size_and_plateau():
    figure = draw(arm(LEVEL), arm(scaled(LEVEL, 0.5), hidden_size=32))
    _, ax = figure.axes
    assert points_of(ax, "fixed") == [
        (32, pytest.approx(20.92, abs=0.01), False),
        (64, pytest.approx(41.84, abs=0.01), False),
    ]
    (line,) = [each for each in ax.get_lines() if len(each.get_xdata()) == 2]
    assert line.get_xdata() == pytest.approx([32, 64])
    assert "--figure memory" in caption(figure)


def test_what_does_not_level_off_is_an_arrow_at_the_most_it_held():
    _, ax = draw(
        arm(LEVEL), arm(LEVEL, hidden_size=32), arm(FULL, "bahdanau", hidden_size=32, per_symbol=32)
    ).axes
    ((x, y, _),) = points_of(ax, "bahdanau")
    assert (x, y) == (64 * 32, pytest.approx(256, abs=0.1))
    (arrow,) = [text for text in ax.texts if text.arrow_patch is not None]
    assert arrow.xy == (x, y)
    assert legend(ax)[-1] == "at least: no plateau in the tested lengths"


def test_an_arm_without_a_context_is_named_below():
    zero = {length: [0.1, 0.0, -0.1] for length in (4, 8, 16, 32)}
    blind = [arm(zero, "blind", size, context_size=0) for size in (32, 64)]
    figure = draw(arm(LEVEL), arm(LEVEL, hidden_size=32), *blind)
    assert not points_of(figure.axes[1], "blind")
    assert "not drawn below, since no number crosses: blind;" in caption(figure)
    assert not any("-0.0" in text for text in legend(figure.axes[0]))


def test_sizes_of_arms_without_a_context_make_no_panel():
    zero = {length: [0.1, 0.0, -0.1] for length in (4, 8, 16, 32)}
    figure = draw(*(arm(zero, "blind", size, context_size=0) for size in (32, 64)))
    assert len(figure.axes) == 1
    assert "no number crosses" not in caption(figure)


def test_bars_of_few_seeds_do_not_stretch_the_panel():
    (ax,) = draw(arm({4: [0, 16], 8: [0, 32]})).axes
    bottom, top = ax.get_ylim()
    assert -2 < bottom < top < 36


def test_arms_without_bits_are_left_out():
    text = arm(LEVEL, task="translation")
    text = [row | {"bits_recovered": None, "bits_available": None} for row in text]
    assert [ax.get_title() for ax in draw(arm(LEVEL), text).axes] == ["reverse: one model per length"]


def test_nothing_leaves_the_figure_and_nothing_overlaps():
    arms = [
        arm(scaled(bits, size / 64 if bits is LEVEL else 1), model, size, per_symbol)
        for model, bits, per_symbol in (("fixed", LEVEL, 0), ("fixed_init", LEVEL, 0), ("bahdanau", FULL, 8))
        for size in (16, 32, 64)
    ]
    figure = draw(*arms, arm(LEVEL, task="copy"))
    assert_nothing_overlaps(figure)

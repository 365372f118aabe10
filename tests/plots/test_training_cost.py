import pytest

from attnbench.analysis.training_cost import seed_training_costs, training_cost_table
from attnbench.plots.training_cost import draw_training_cost_figure
from tests.metrics_rows import metrics_of, metrics_row
from tests.plots.drawn import arrows, assert_nothing_overlaps, caption, legend, points_of


def arm(costs, model="fixed", steps=1000, stop_reason="budget", **values):
    """Runs of one arm: at each length the steps to 90 of each seed, None where it never arrived."""
    own = {"model": model, "steps": steps, "stop_reason": stop_reason}
    return [
        metrics_row(length=length, seed=seed, steps_to_90=cost, **(own | values))
        for length, by_seed in costs.items()
        for seed, cost in enumerate(by_seed)
    ]


CLIMBING = {4: [200, 200, 300], 8: [800, 900, 1000], 16: [None, None, 900], 32: [None, None, None]}
FLAT = {length: [100, 200, 200] for length in (4, 8, 16, 32)}


def draw(*arms):
    metrics = metrics_of([row for rows in arms for row in rows])
    return draw_training_cost_figure(training_cost_table(metrics), seed_training_costs(metrics))


def test_points_stand_at_the_step_by_which_half_had_arrived():
    (ax,) = draw(arm(CLIMBING)).axes
    assert points_of(ax, "fixed")[:2] == [
        (pytest.approx(4), pytest.approx(200), False),
        (pytest.approx(8), pytest.approx(900), False),
    ]
    assert (ax.get_ylabel(), ax.get_xlabel()) == (
        "steps until 0.9 of the way to perfect",
        "input length (symbols)",
    )


def test_what_never_arrived_stands_on_an_arrow_at_the_budget():
    (ax,) = draw(arm(CLIMBING)).axes
    assert [start for start, _ in arrows(ax)] == [(16, 1000), (32, 1000)]
    assert all(steps > 1000 for _, steps, _ in points_of(ax, "fixed")[2:])
    assert legend(ax) == ["fixed", "budget (1,000 steps)", "most seeds had not arrived"]


def test_seeds_are_faint_dots():
    (ax,) = draw(arm(CLIMBING)).axes
    dots = [line.get_ydata() for line in ax.get_lines() if line.get_marker() == "."]
    assert [list(steps) for steps in dots] == [[200, 200, 300], [800, 900, 1000]]


def test_a_point_that_some_seeds_never_reached_is_hollow():
    (ax,) = draw(arm({4: [100, 200, None], 8: [300, 300, 300]})).axes
    assert [hollow for _, _, hollow in points_of(ax, "fixed")] == [True, False]
    assert "some seeds had not arrived" in legend(ax)


def test_each_budget_has_its_line_and_its_arrows():
    figure = draw(arm({16: [None, None]}), arm({16: [None, None]}, variant="training.steps=4000", steps=4000))
    (ax,) = figure.axes
    assert [start for start, _ in arrows(ax)] == [(16, 1000), (16, 4000)]
    assert legend(ax)[:3] == ["fixed (a)", "fixed, steps=4000 (b)", "budget (1,000 and 4,000 steps)"]


def test_a_run_that_levelled_off_early_stands_with_those_that_used_their_budget_up():
    (ax,) = draw(arm({8: [None]}), arm({8: [None]}, "uniform", steps=700, stop_reason="plateau")).axes
    ((start, _),) = arrows(ax)
    assert start == (8, 1000)


def test_points_at_one_cost_are_dodged():
    (ax,) = draw(arm(FLAT), arm(FLAT, "uniform")).axes
    assert points_of(ax, "fixed")[0][0] == pytest.approx(4)
    assert points_of(ax, "uniform")[0][0] > 4


def test_the_caption_says_how_fine_costs_are_and_what_is_not_drawn():
    mixed = {"protocol": "mixed", "train_min_length": 4, "train_max_length": 32}
    text = caption(draw(arm(CLIMBING), arm({4: [100]}, **mixed)))
    assert "training.evaluate_every" in text
    assert "at least half of 3 seeds had arrived" in text
    assert "fewer than half of the seeds had arrived when training ended" in text
    assert "one run learns all lengths: reverse: mixed lengths" in text
    assert "All arms: hidden size 64; not drawn" in text


def test_tasks_have_panels_of_their_own():
    titles = [ax.get_title() for ax in draw(arm(FLAT), arm(FLAT, task="copy")).axes]
    assert titles == ["copy: one model per length", "reverse: one model per length"]


def test_lengths_in_different_units_never_share_an_axis():
    characters = arm(FLAT, length_unit="characters", variant="task.length_unit=characters")
    axes = draw(arm(FLAT), characters).axes
    assert [ax.get_xlabel() for ax in axes] == ["input length (characters)", "input length (symbols)"]
    assert [legend(ax)[0] for ax in axes] == ["fixed", "fixed"]


EVERYTHING = [
    arm(CLIMBING if model.startswith(("fixed", "s", "u", "l")) else FLAT, model)
    for model in (
        "fixed_init",
        "fixed",
        "uniform",
        "slots",
        "linear",
        "luong_location",
        "bahdanau",
        "multihead",
    )
]


@pytest.mark.parametrize(
    "arms", [EVERYTHING, [arm({4: [None]})], [arm({4: [100]})]], ids=["all", "none", "one"]
)
def test_nothing_leaves_the_figure_and_nothing_overlaps(arms):
    figure = draw(*arms, *(arm(FLAT, task="copy") for _ in arms[:1]))
    assert_nothing_overlaps(figure)
    for ax in figure.axes:
        left, right = ax.get_xlim()
        bottom, top = ax.get_ylim()
        for model in ("fixed", "uniform", "bahdanau"):
            assert all(left < x < right and bottom < y < top for x, y, _ in points_of(ax, model))

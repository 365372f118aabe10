import pytest

from attnbench.analysis.breakdown import breakdown_table
from attnbench.analysis.law import find_laws
from attnbench.analysis.tobit import Estimate
from attnbench.analysis.training_cost import find_price_laws, seed_training_costs, training_cost_table
from attnbench.plots.law import PriceRows, draw_law_figure, exponent_text
from tests.metrics_rows import law_rows, metrics_of
from tests.plots.drawn import arrows, assert_nothing_overlaps, caption, legend, points_of, sentences

STEPS, SIZES, LENGTHS = (500, 1000, 2000, 4000), (16, 32, 64), (4, 8, 16, 24)


def planted(steps, size):
    """8.2 tokens at 500 steps and 16 units, 25 at 4,000 and 64."""
    return 0.2 * steps + 0.5 * size - 0.75


def rows_of(steps=STEPS, sizes=SIZES, law=planted, seeds=3, lengths=LENGTHS, **values):
    rows = law_rows(steps, sizes, law, seeds, lengths, **values)
    return [row | {"steps_to_90": min(20 * row["length"], 300)} for row in rows]


def draw(*arms):
    metrics = metrics_of([row for rows in arms for row in rows])
    prices = PriceRows(training_cost_table(metrics), seed_training_costs(metrics), find_price_laws(metrics))
    return draw_law_figure(find_laws(metrics, breakdown_table(metrics)), prices)


def test_one_panel_has_a_line_for_each_size_and_one_a_line_for_each_budget():
    against_steps, against_size, price = draw(rows_of()).axes
    assert (against_steps.get_xlabel(), against_size.get_xlabel()) == (
        "training steps (budget)",
        "hidden size",
    )
    assert (against_steps.get_title(), against_steps.get_ylabel()) == (
        "reverse: fixed",
        "L50, free-running (symbols)",
    )
    assert legend(against_steps)[:3] == ["hidden 16", "hidden 32", "hidden 64"]
    assert legend(against_size)[:4] == ["500 steps", "1,000 steps", "2,000 steps", "4,000 steps"]
    assert {ax.get_xscale() for ax in (against_steps, against_size)} == {"log"}
    assert {ax.get_yscale() for ax in (against_steps, against_size)} == {"log"}
    lines = [line for line in against_steps.get_lines() if len(line.get_xdata()) == 4]
    assert len(lines) == 3
    # A power law is a line on these axes.
    first, *_, last = lines[0].get_ydata()
    assert (last / first) ** (1 / 3) == pytest.approx(2**0.2, rel=0.03)
    assert any("length^d, d = " in text for text in legend(price))


def test_cells_held_out_are_hollow_over_the_interval_in_which_they_were_expected():
    ax = draw(rows_of()).axes[0]
    marks = [line for line in ax.get_lines() if len(line.get_xdata()) == 1]
    hollow = [line for line in marks if line.get_markerfacecolor() == "white"]
    # Four cells of the size 64 and two more of 4,000 steps.
    assert (len(marks), len(hollow)) == (12, 6)
    assert "left out of the fit" in legend(ax)
    assert sum(bars.get_linewidth()[0] == 6 for bars in ax.collections) == 6


def test_an_interval_that_spans_the_panel_is_not_drawn():
    shorter = rows_of(seeds=2, law=lambda *at: planted(*at) - 0.5)
    longer = rows_of(seeds=2, law=lambda *at: planted(*at) + 0.5)
    mixed = [row for rows, seed in ((shorter, 0), (longer, 1)) for row in rows if row["seed"] == seed]
    apart, alike = (draw(rows).axes[0].collections for rows in (mixed, rows_of(seeds=2)))
    assert any(bars.get_linewidth()[0] == 1 for bars in alike)
    assert not any(bars.get_linewidth()[0] == 1 for bars in apart)


def test_bounds_are_arrows_from_the_length_that_they_are():
    figure = draw(rows_of(lengths=(10, 12, 16)))
    ends = [(end[1], start) for start, end in arrows(figure.axes[0])]
    assert {length for length, _ in ends} == {10, 16}
    assert all(start[1] > 0 for length, start in ends if length == 16)
    assert {"beyond the longest tested", "before the shortest tested"} <= set(legend(figure.axes[0]))


def test_of_one_size_the_caption_says_what_is_missing_and_the_rest_is_drawn():
    figure = draw(rows_of(sizes=(32,)))
    against_steps, against_size, _ = figure.axes
    assert "No exponent of the hidden size, of which there is one alone" in caption(figure)
    assert "steps^b" in " ".join(legend(against_steps))
    assert "no exponent" in legend(against_size)
    assert len([line for line in against_size.get_lines() if len(line.get_xdata()) == 1]) == 4


def test_fewer_than_three_cells_are_joined_and_the_caption_says_why_there_is_no_exponent():
    figure = draw(rows_of(steps=(500, 1000), sizes=(32,)))
    assert "2 of 2 cells broke down within the tested lengths, and 3 are the least" in caption(figure)
    assert "no exponent" in legend(figure.axes[0])


def test_an_arm_that_does_not_break_down_has_no_row_but_a_sentence_and_its_price():
    figure = draw(rows_of(), rows_of(law=lambda steps, size: 20, model="luong_general"))
    assert len(figure.axes) == 3
    assert "no cell broke down: luong general" in caption(figure).lower()
    assert any(text.startswith("luong general") for text in legend(figure.axes[2]))
    assert points_of(figure.axes[0], "luong_general") == []


def test_each_arm_that_breaks_down_and_each_task_has_a_row():
    figure = draw(rows_of(), rows_of(model="fixed_init"), rows_of(task="copy"))
    titles = [ax.get_title() for ax in figure.axes]
    assert [title for title in titles if ": f" in title] == [
        "copy: fixed",
        "reverse: fixed init",
        "reverse: fixed",
    ]
    assert titles.count("reverse: one model per length") == titles.count("copy: one model per length") == 1


def test_the_caption_says_how_many_cells_held_out_lie_where_they_were_expected():
    figure = draw(rows_of(lengths=(4, 8, 16, 32)))
    assert "where 6 of 6 measured ones lie" in caption(figure)
    assert "bound" not in caption(figure)
    assert not any("not tested" in text for text in legend(figure.axes[0]))
    assert sentences(caption(figure)) <= 3


def test_the_caption_counts_bounds_apart_and_says_where_nothing_measured_was_held_out():
    some = caption(draw(rows_of(lengths=(4, 8, 12, 16))))
    assert "censored ones as bounds" in some
    assert "where 1 of 1 measured ones lie; 5 bounds do not contradict their bars" in some
    jump = rows_of(
        law=lambda steps, size: planted(steps, size) + (0.5 if steps > 11.5 or size > 5.5 else -0.3),
        seeds=2,
        lengths=(4, 8, 12, 16),
        spread=0.2,
    )
    wide = draw(jump)
    assert "where none was measured: nothing was tested; 6 bounds do not contradict their bars" in caption(
        wide
    )
    assert any("not tested" in text for text in legend(wide.axes[0]))
    wrong = draw(rows_of(law=lambda steps, size: planted(steps, size) + 3 * (steps > 11.5 or size > 5.5)))
    assert "where none was measured; 4 of 6 bounds contradict their bars" in caption(wrong)


def test_filled_cells_of_a_size_without_breakdowns_are_said_not_to_be_fitted():
    figure = draw(rows_of(sizes=(32, 4096)))
    assert "4 filled cells are not fitted, since no breakdown is known at their size or budget" in caption(
        figure
    )


def test_an_exponent_is_written_with_its_interval():
    nan = float("nan")
    assert exponent_text(Estimate(0.214, 0.18, 0.2451)) == "0.21 [0.18, 0.25]"
    assert exponent_text(Estimate(-0.001, nan, nan)) == "0.00"


MANY = [
    rows_of(steps=[250 * 2**n for n in range(8)], sizes=[8 * 2**n for n in range(6)]),
    rows_of(model="fixed_init", law=lambda steps, size: planted(steps, size) - 1),
    rows_of(model="bahdanau", law=lambda steps, size: 20),
]


@pytest.mark.parametrize(
    "arms",
    [MANY[:3], [rows_of(sizes=(32,), seeds=1)], [rows_of(steps=(500,))]],
    ids=["many", "one size and seed", "one budget"],
)
def test_nothing_leaves_the_figure_and_nothing_overlaps(arms):
    figure = draw(*arms)
    assert_nothing_overlaps(figure)
    for ax in figure.axes:
        left, right = ax.get_xlim()
        bottom, top = ax.get_ylim()
        assert all(left < x < right and bottom < y < top for x, y, _ in points_of(ax, "fixed"))

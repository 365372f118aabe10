from dataclasses import replace

import numpy as np
import pytest

from attnbench.plots.attention_rows import DrawnArm
from attnbench.report.text_heatmap import shaded_lines
from tests.plots.attention_examples import attention_example, long_attention_example


def shaded(width=80, **changes):
    drawn = attention_example(**changes)
    return [line.plain for line in shaded_lines(DrawnArm("luong general", "run", drawn), width)]


def test_a_small_example_by_hand():
    _, heading, *rows, legend = shaded()
    assert heading.split() == ["a", "b", "c"]
    assert rows == [
        "    c  ·  ░ [█] c (3) 90%",
        "a (b)  █ [░] ░  a (1) 83% elsewhere",
        "    a [█] ·  ·  a (1) 100%",
    ]
    assert "a (b)" not in legend
    assert "[ ] holds the answer" in legend


def test_an_end_mark_is_explained_where_there_is_one():
    assert "<eos>" not in shaded()[-1]
    assert "<eos>: the end mark" in shaded(written=("c", "a", "<eos>"))[-1]


def test_source_words_stand_above_their_columns_letter_under_letter():
    lines = shaded(source=("to", "be", "x"))
    assert [line[6:] for line in lines[1:3]] == [" t  b    ", " o  e  x "]


def test_words_that_do_not_fit_follow_below():
    lines = [
        line.plain for line in shaded_lines(DrawnArm("transformer", "run", long_attention_example(120)), 80)
    ]
    assert [line for line in lines if line.startswith("source words")]
    assert max(len(line) for line in lines[:-1]) <= 80
    assert sum(line.count("word5") for line in lines) > 0


@pytest.mark.parametrize("has_colour", [True, False])
def test_narrow_cells_mark_the_answer_by_colour_and_without_colours_all_have_brackets(has_colour):
    long = DrawnArm("a", "run", long_attention_example(30))
    *lines, legend = [line.plain for line in shaded_lines(long, 80, has_colour)]
    assert sum(line.count("[") for line in lines) == (0 if has_colour else 30)
    assert ("yellow" in legend, "[ ] holds the answer" in legend) == (has_colour, not has_colour)
    assert max(map(len, lines)) <= 80


def test_without_an_answer_to_mark_cells_may_be_narrow_without_colours():
    long = DrawnArm("a", "run", long_attention_example(30))
    unknown = DrawnArm("a", "run", replace(long.example, sure=None))
    assert [*shaded_lines(unknown, 80, False)] == [*shaded_lines(unknown, 80)]


@pytest.mark.parametrize("has_colour", [True, False])
@pytest.mark.parametrize("width", [1, 20, 40, 200])
def test_any_width_shows_every_cell(width, has_colour):
    drawn = long_attention_example(30)
    lines = [line.plain for line in shaded_lines(DrawnArm("a", "run", drawn), width, has_colour)]
    cells = sum(line.count(shade) for line in lines[1:-1] for shade in "·░▒▓█")
    assert cells == 30 * 30


def test_an_arm_without_weights_says_so_and_shades_gradients():
    lines = shaded(weights=None)
    assert "has no attention weights over the source" in lines[0]
    assert lines[2].split()[-2:] == ["(3)", "50%"]
    assert not any("elsewhere" in line for line in lines)


def test_where_nothing_is_known_a_line_says_so():
    (line,) = shaded(weights=None, gradients=None)
    assert "neither weights over the source nor an embedding" in line


def test_a_look_at_a_possible_position_is_not_elsewhere():
    possible = np.ones((3, 3), dtype=bool)
    assert not any("elsewhere" in line for line in shaded(possible=possible)[:-1])


def test_rows_of_words_that_were_not_written_are_empty():
    lines = shaded(written=("c",), is_given=(False,), weights=np.eye(3)[:1], gradients=None)
    assert lines[3].strip() == "– (b)    [ ]"

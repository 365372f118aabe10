import pytest
from rich.console import Console

from attnbench.report.summary import summary_table
from tests.metrics_rows import curve_rows
from tests.plots.sweeps import STAYING, panels_of, text_rows, two_arms


def lines_of(rows, width=100):
    console = Console(width=width, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(summary_table(panels_of(rows)))
    return [line.rstrip() for line in capture.get().splitlines()]


def line_with(lines, start):
    (line,) = [line for line in lines if line.strip().startswith(start)]
    return line.split()


def test_a_row_has_means_breakdown_context_and_runs_ended_by_budget():
    lines = lines_of(two_arms(stop_reason="budget"))
    assert line_with(lines, "arm") == ["arm", "4", "8", "16", "32", "L50", "context", "budget"]
    fixed = line_with(lines, "fixed")
    assert fixed[:6] == ["fixed", "0.99", "0.90", "0.60", "0.30", "18.8"]
    assert fixed[-2:] == ["64", "12/12"]
    assert line_with(lines, "luong general")[-4:] == [">", "32", "64", "12/12"]
    assert "between tested 16 and 32" in " ".join(" ".join(lines).split())


def test_the_title_says_task_protocol_seeds_and_unit():
    lines = lines_of(two_arms())
    assert lines[0] == "reverse: one model per length, 3 seeds"
    assert lines[1] == "Mean free-running token accuracy by input length (symbols)"


def test_seeds_have_a_column_where_they_differ():
    rows = two_arms() + curve_rows({4: [0.06], 32: [0.06]}, model="blind")
    lines = lines_of(rows)
    assert "seeds" in line_with(lines, "arm")
    assert line_with(lines, "blind") == ["blind", "0.06", "–", "–", "0.06", "not", "learnt", "1", "64", "0/2"]


def test_seeds_that_differ_between_lengths_are_a_range():
    rows = curve_rows({4: [0.9, 0.9, 0.9], 8: [0.8]}) + curve_rows({4: [1.0], 8: [1.0]}, model="bahdanau")
    lines = lines_of(rows)
    assert line_with(lines, "fixed")[-3] == "1–3"
    assert line_with(lines, "bahdanau")[-3] == "1"


def test_one_seed_each_is_not_called_the_same():
    other = curve_rows({4: [1.0], 8: [1.0]}, seeds=[1], model="bahdanau")
    rows = curve_rows({4: [0.9], 8: [0.8]}, seeds=[0])
    assert lines_of(rows)[0].endswith(", one seed")
    assert lines_of(rows + other)[0].endswith(", one seed each")


def test_context_that_grows_is_a_range():
    rows = [row | {"context_size": 64 * row["length"]} for row in curve_rows(STAYING)]
    assert line_with(lines_of(rows), "fixed")[-2] == "256–2048"


def test_of_a_channel_the_bits_are_told_instead_of_the_numbers():
    rows = [row | {"channel_bits": 16} for row in two_arms()]
    assert line_with(lines_of(rows), "fixed")[-3:-1] == ["16", "bits"]


def test_bleu_has_its_own_row_or_stands_alone():
    both = [row | {"token_accuracy": 0.5} for row in text_rows()]
    lines = lines_of(both)
    assert lines[1] == "Mean free-running token accuracy and BLEU by input length (source words)"
    assert line_with(lines, "fixed")[:4] == ["fixed", "0.50", "0.50", "0.50"]
    assert sum(line.strip().startswith("BLEU") for line in lines) == 2
    alone = lines_of(text_rows())
    assert line_with(alone, "arm")[:4] == ["arm", "1–10", "11–20", "21–40"]
    assert line_with(alone, "fixed BLEU")[:5] == ["fixed", "BLEU", "17.5", "15.0", "10.0"]
    assert alone[0].endswith("one seed")
    assert "half BLEU" in " ".join(line_with(alone, "arm"))
    assert line_with(alone, "fixed BLEU")[5:7] == [">", "40"]
    assert not any("L50" in line for line in alone)


def test_a_run_with_many_lengths_counts_once():
    rows = curve_rows(
        STAYING, protocol="mixed", train_min_length=4, train_max_length=32, stop_reason="budget"
    )
    assert line_with(lines_of(rows), "fixed")[-1] == "3/3"


def test_each_task_and_protocol_has_a_table():
    lines = lines_of(two_arms() + two_arms(task="copy"))
    assert [line for line in lines if line.endswith("3 seeds")] == [
        "copy: one model per length, 3 seeds",
        "reverse: one model per length, 3 seeds",
    ]


def test_more_lengths_than_fit_are_thinned_and_that_is_said():
    lines = lines_of(curve_rows({length: [1.0] for length in range(4, 65, 4)}))
    shown = line_with(lines, "arm")[1:-3]
    assert len(shown) == 8
    assert (shown[0], shown[-1]) == ("4", "64")
    assert any("8 of 16 lengths are shown" in line for line in lines)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_the_terminal_and_no_cell_is_cut(width):
    rows = two_arms(hidden_size=64) + two_arms(hidden_size=128)
    lines = lines_of(rows, width)
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)


def test_brackets_in_a_variant_are_no_markup():
    rows = curve_rows(STAYING) + curve_rows(STAYING, variant="model.sizes=[red]")
    assert any("fixed, sizes=[red]" in line for line in lines_of(rows))


def test_no_rows_give_an_empty_table():
    assert lines_of([]) == [] or set(lines_of([])) == {""}


def test_without_free_running_accuracy_or_bleu_another_score_stands_instead():
    lines = lines_of(two_arms(token_accuracy=None))
    assert lines[1] == "Mean teacher-forced token accuracy by input length (symbols)"
    assert line_with(lines, "fixed")[:2] == ["fixed", "0.99"]
    lines = lines_of(two_arms(token_accuracy=None, teacher_forced_accuracy=None))
    assert lines[1] == "Mean bits recovered by input length (symbols)"
    assert line_with(lines, "fixed")[:2] == ["fixed", "20.0"]


def test_an_arm_without_the_score_has_a_row_and_a_panel_without_any_says_so():
    lines = lines_of([*two_arms(), *curve_rows({4: [None]}, model="bahdanau")])
    assert line_with(lines, "bahdanau")[:3] == ["bahdanau", "–", "–"]
    lines = lines_of(curve_rows({4: [None]}, bits_recovered=None))
    assert [line for line in lines if line] == [
        "reverse: one model per length, one seed",
        "No row has a score.",
    ]


def test_of_runs_whose_end_is_not_known_none_is_said_to_have_been_ended_by_its_budget():
    lines = lines_of(curve_rows({4: [0.9]}, stop_reason=None))
    assert line_with(lines, "fixed")[-1] == "–"

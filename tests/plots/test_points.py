import math

import pytest

from attnbench.analysis.breakdown import Breakdown
from attnbench.plots.points import breakdown_cell, breakdown_note, length_text
from tests.metrics_rows import curve_rows, metrics_row
from tests.plots.sweeps import panels_of, text_rows, two_arms


def test_tasks_and_protocols_have_panels_of_their_own():
    ranges = {"train_min_length": 4, "train_max_length": 16}
    rows = two_arms() + two_arms(task="copy") + two_arms(protocol="extrapolation", **ranges)
    assert [(panel.task, panel.protocol) for panel in panels_of(rows)] == [
        ("copy", "per_length"),
        ("reverse", "extrapolation"),
        ("reverse", "per_length"),
    ]


def test_lengths_in_different_units_never_share_an_axis():
    rows = two_arms() + two_arms(length_unit="characters", variant="task.length_unit=characters")
    panels = panels_of(rows)
    assert [panel.length_unit for panel in panels] == ["characters", "symbols"]
    assert [len(panel.arms) for panel in panels] == [2, 2]


@pytest.mark.parametrize(
    ("protocol", "title"),
    [
        ("per_length", "reverse: one model per length"),
        ("mixed", "reverse: mixed lengths"),
        ("extrapolation", "reverse: extrapolation"),
    ],
)
def test_titles_say_task_and_protocol_and_headings_the_train_range_too(protocol, title):
    (panel,) = panels_of(two_arms(protocol=protocol, train_min_length=4, train_max_length=16))
    assert panel.title == title
    assert panel.heading == (title if protocol == "per_length" else f"{title}, trained on 4–16")
    assert panel.train_ends == ([16] if protocol == "extrapolation" else [])


def test_an_arm_has_its_own_rows_and_no_others():
    (panel,) = panels_of(two_arms())
    fixed, attention = panel.arms
    assert (fixed.arm.model, attention.arm.model) == ("fixed", "luong_general")
    assert set(fixed.metrics["model"]) == {"fixed"}
    assert fixed.points("token_accuracy")["length"].tolist() == [4, 8, 16, 32]
    assert len(fixed.seed_lines("token_accuracy")) == 3
    assert fixed.breakdown("token_accuracy").censored == ""
    assert attention.breakdown("token_accuracy").censored == "above"


def test_an_arm_without_a_score_has_neither_points_nor_breakdown():
    (panel,) = panels_of(two_arms(bleu=None, chance_accuracy=None))
    assert panel.arms_with("bleu") == []
    assert panel.arms[0].seed_lines("bleu") == []
    assert panel.arms[0].breakdown("token_accuracy") is None


def test_budget_lengths_are_those_where_any_run_was_ended_by_it():
    rows = [metrics_row(length=n, seed=s, stop_reason="plateau") for n in (4, 8, 16) for s in (0, 1)]
    rows[3]["stop_reason"] = "budget"
    rows[4]["stop_reason"] = None
    (panel,) = panels_of(rows)
    assert panel.arms[0].budget_lengths("token_accuracy") == {8}


def test_buckets_are_written_whole():
    (panel,) = panels_of(text_rows())
    assert panel.length_labels("bleu") == {10: "1–10", 20: "11–20", 40: "21–40"}
    assert panel.length_unit == "source words"


def test_single_lengths_are_written_plainly():
    (panel,) = panels_of(curve_rows({4: [1.0], 8: [1.0]}))
    assert panel.length_labels("token_accuracy") == {4: "4", 8: "8"}


def test_seeds_are_drawn_from_the_same_buckets_as_their_mean():
    rows = text_rows() + [row | {"length_min": 1, "bleu": 99.0} for row in text_rows() if row["length"] == 20]
    (panel,) = panels_of(rows)
    assert panel.length_labels("bleu") == {10: "1–10", 20: "11–20", 40: "21–40"}
    assert panel.arms[0].seed_lines("bleu")[0]["bleu"].tolist() == [17.5, 15.0, 10.0]


def test_no_rows_have_no_panels():
    assert panels_of([]) == []


def breakdown(**values):
    found = {"length": 14.21, "low": 12.9, "high": 15.64, "threshold": "L50", "accuracy_threshold": 0.53125}
    found |= {"censored": "", "seeds": 3, "seeds_above": 0, "seeds_below": 0, "seeds_not_learnt": 0}
    return Breakdown(**found | values)


BETWEEN = "between tested 8 and 16"
NO_INTERVAL = {"low": math.nan, "high": math.nan}


@pytest.mark.parametrize(
    ("values", "cell", "note"),
    [
        ({}, "14.2 [12.9, 15.6], between tested 8 and 16", f"L50 14.2 [12.9, 15.6],\n{BETWEEN}"),
        (
            {"length": 20.0},
            "20 [12.9, 15.6], between tested 16 and 32",
            "L50 20 [12.9, 15.6],\nbetween tested 16 and 32 (point outside)",
        ),
        (
            {"length": 16.0},
            "16 [12.9, 15.6], at tested 16",
            "L50 16 [12.9, 15.6], at tested 16 (point outside)",
        ),
        (NO_INTERVAL | {"seeds": 1}, f"14.2, {BETWEEN}", f"L50 14.2,\n{BETWEEN} (one seed)"),
        (NO_INTERVAL, f"14.2, {BETWEEN}", f"L50 14.2,\n{BETWEEN} (all seeds equal)"),
        (
            NO_INTERVAL | {"seeds_above": 1},
            f"14.2, {BETWEEN}",
            f"L50 14.2,\n{BETWEEN} (1 of 3 seeds beyond 32)",
        ),
        (
            NO_INTERVAL | {"seeds_below": 2},
            f"14.2, {BETWEEN}",
            f"L50 14.2,\n{BETWEEN} (2 of 3 seeds before 4)",
        ),
        (
            NO_INTERVAL | {"seeds_above": 1, "seeds_not_learnt": 1},
            f"14.2, {BETWEEN}",
            f"L50 14.2,\n{BETWEEN} (1 of 3 seeds beyond 32, 1 of 3 seeds did not learn)",
        ),
        (
            NO_INTERVAL | {"length": 32.0, "censored": "above", "seeds_above": 3},
            "> 32",
            "no breakdown up to 32",
        ),
        (
            NO_INTERVAL | {"length": 32.0, "censored": "above", "seeds_above": 2},
            "> 32",
            "no breakdown up to 32, 1 of 3 seeds fell",
        ),
        (NO_INTERVAL | {"length": 4.0, "censored": "below"}, "< 4", "below 0.53 already at 4"),
        (NO_INTERVAL | {"length": math.nan, "censored": "not_learnt"}, "not learnt", "not learnt"),
    ],
)
def test_a_breakdown_in_words(values, cell, note):
    assert breakdown_cell(breakdown(**values), [4, 8, 16, 32]) == cell
    assert breakdown_note(breakdown(**values), [4, 8, 16, 32]) == note


def test_a_unit_stands_behind_the_length_alone():
    cell = breakdown_cell(breakdown(), [8, 16], "tokens")
    assert cell == "14.2 tokens [12.9, 15.6], between tested 8 and 16"


@pytest.mark.parametrize(
    ("length", "text"), [(4.0, "4"), (9.967, "9.97"), (14.21, "14.2"), (128.4, "128"), (1000, "1000")]
)
def test_lengths_have_three_digits_or_are_whole(length, text):
    assert length_text(length) == text


def test_an_interval_that_ends_beyond_the_longest_tested_says_so():
    open_ended = breakdown(high=math.nan, threshold="half")
    assert breakdown_cell(open_ended, [4, 8, 16, 32]) == f"14.2 [12.9, > 32], {BETWEEN}"
    above = breakdown(length=32.0, high=math.nan, threshold="half", censored="above", seeds_above=3)
    assert breakdown_cell(above, [4, 32]) == "> 32 [12.9, > 32]"
    assert breakdown_note(above, [4, 32]) == "above half of its best up to 32 [12.9, > 32]"

import math

import pytest

from attnbench.analysis.breakdown import breakdown_table, l50_by_arm, seed_crossings
from attnbench.analysis.rates import runs_at_chance
from tests.metrics_rows import curve_rows, metrics_of

AT_CHANCE = 0.06
SLOW = {"variant": "training.learning_rate=0.001", "learning_rate": 1e-3}
FAST = {"variant": "training.learning_rate=0.03", "learning_rate": 3e-2}


def stuck_of(rows, tuning=()):
    metrics = metrics_of(rows)
    found = runs_at_chance(metrics, tuning)
    return {
        (str(metrics.arms[arm].variant), length, seed)
        for arm, length, seed in found.itertuples(index=False, name=None)
    }


def breakdowns_of(rows, tuning=()):
    found = l50_by_arm(breakdown_table(metrics_of(rows), tuning))
    return {str(arm.variant): each for arm, each in found.items()}


def tuning_row(accuracy, rate="0.001", length="16", **values):
    """A row of tuning.csv: what a rate came to on validation data."""
    return {
        "task": "reverse",
        "model": "fixed",
        "variant": "",
        "protocol": "per_length",
        "hidden_size": "64",
        "train_min_length": length,
        "train_max_length": length,
        "seed": "0",
        "learning_rate": rate,
        "validation_token_accuracy": accuracy,
    } | values


COLLAPSED = {4: [1.0, 1.0], 8: [0.9, 0.9], 16: [AT_CHANCE, AT_CHANCE]}
LEARNING = {4: [1.0, 1.0], 8: [0.9, 0.9], 16: [0.7, 0.7]}


def test_a_run_at_chance_is_not_learnt_where_another_rate_leaves_it():
    rows = curve_rows(COLLAPSED, **FAST) + curve_rows(LEARNING, **SLOW)
    assert stuck_of(rows) == {(FAST["variant"], 16, 0), (FAST["variant"], 16, 1)}


def test_where_no_other_rate_leaves_chance_it_is_a_breakdown():
    rows = curve_rows(COLLAPSED, **FAST) + curve_rows(COLLAPSED, **SLOW)
    assert stuck_of(rows) == set()
    assert stuck_of(curve_rows(COLLAPSED)) == set()
    assert breakdowns_of(rows)[FAST["variant"]].censored == ""


def test_another_arm_or_length_is_no_other_rate():
    other = curve_rows(LEARNING, **SLOW, model="uniform") + curve_rows({32: [0.7, 0.7]}, **SLOW)
    assert stuck_of(curve_rows(COLLAPSED, **FAST) + other) == set()


def test_another_seed_at_the_same_rate_is_no_other_rate():
    rows = curve_rows({16: [AT_CHANCE, 0.9]}, **FAST)
    assert stuck_of(rows) == set()
    assert stuck_of(rows + curve_rows({16: [0.5]}, **SLOW)) == {(FAST["variant"], 16, 0)}


def test_the_arm_gives_no_l50_where_its_fall_is_a_rate_that_does_not_learn():
    found = breakdowns_of(curve_rows(COLLAPSED, **FAST) + curve_rows(LEARNING, **SLOW))
    assert (found[FAST["variant"]].censored, found[FAST["variant"]].seeds_not_learnt) == ("not_learnt", 2)
    assert math.isnan(found[FAST["variant"]].length)
    assert found[SLOW["variant"]].censored == "above"


def test_one_seed_at_chance_is_left_out_of_the_mean_and_takes_the_interval():
    # The others fall from .9 at 8 to .2 at 16: half way (.53125) lies .36875 / .7 of an octave beyond 8.
    rows = curve_rows({8: [0.9] * 3, 16: [0.2, 0.2, AT_CHANCE]}, **FAST) + curve_rows({16: [0.3]}, **SLOW)
    found = breakdowns_of(rows)[FAST["variant"]]
    assert found.length == pytest.approx(8 * 2 ** (0.36875 / 0.7))
    assert (found.censored, found.seeds, found.seeds_not_learnt) == ("", 3, 1)
    assert math.isnan(found.low)


def test_a_length_between_that_was_not_learnt_hides_the_fall():
    hidden = {4: [0.9], 8: [AT_CHANCE], 16: [0.2]}
    rows = curve_rows(hidden, **FAST) + curve_rows({8: [0.5]}, **SLOW)
    assert breakdowns_of(rows)[FAST["variant"]].censored == "not_learnt"
    # Where the arm holds at longer inputs nothing is hidden, nor where it has fallen before.
    held = curve_rows({4: [0.9], 8: [AT_CHANCE], 16: [0.9]}, **FAST) + curve_rows({8: [0.5]}, **SLOW)
    assert breakdowns_of(held)[FAST["variant"]].censored == "above"
    fallen = curve_rows({4: [0.9], 8: [0.2], 16: [AT_CHANCE]}, **FAST) + curve_rows({16: [0.5]}, **SLOW)
    assert breakdowns_of(fallen)[FAST["variant"]].censored == ""


def test_the_shortest_length_that_was_not_learnt_is_no_breakdown_below_it():
    rows = curve_rows({4: [AT_CHANCE], 8: [0.3]}, **FAST) + curve_rows({4: [0.9]}, **SLOW)
    assert breakdowns_of(rows)[FAST["variant"]].censored == "not_learnt"


def test_a_seeds_own_curve_is_censored_too():
    rows = curve_rows(COLLAPSED, **FAST) + curve_rows(LEARNING, **SLOW)
    own = {str(arm.variant): crossings for arm, crossings in seed_crossings(metrics_of(rows)).items()}
    assert {each.censored for each in own[FAST["variant"]].values()} == {"not_learnt"}


def test_rates_that_were_tuned_count_as_others():
    rows = curve_rows(COLLAPSED)
    chosen = tuning_row("0.06", rate="0.005")
    assert stuck_of(rows, [chosen, tuning_row("0.9")]) == {("", 16, 0), ("", 16, 1)}
    assert breakdowns_of(rows, [chosen, tuning_row("0.9")])[""].censored == "not_learnt"
    assert stuck_of(rows, [chosen, tuning_row("0.07")]) == set()
    assert stuck_of(rows, [tuning_row("0.9", rate="0.005")]) == set()
    assert stuck_of(rows, [tuning_row("0.9", length="8")]) == set()
    assert stuck_of(rows, [tuning_row("0.9", model="uniform")]) == set()
    assert stuck_of(rows, [tuning_row("")]) == set()


def test_one_model_of_many_lengths_is_stuck_only_where_it_is_at_all_of_them():
    ranges = {"protocol": "mixed", "train_min_length": 4, "train_max_length": 16}
    learning = curve_rows(LEARNING, **SLOW, **ranges)
    assert stuck_of(curve_rows(COLLAPSED, **FAST, **ranges) + learning) == set()
    nothing = {length: [AT_CHANCE] for length in (4, 8, 16)}
    assert len(stuck_of(curve_rows(nothing, **FAST, **ranges) + learning)) == 3


def test_no_rows_have_no_runs():
    assert runs_at_chance(metrics_of([])).empty

import pandas as pd
import pytest

from attnbench.analysis.training_cost import (
    TRAINING_COST_COLUMNS,
    find_price_laws,
    seed_training_costs,
    training_cost_table,
)
from tests.metrics_rows import metrics_of, metrics_row


def runs(steps_to_90, length=8, **values):
    """One run for each seed, of 64 000 tokens a second over 10 s and 1000 steps: 640 tokens and .01 s a step."""
    own = {"steps": 1000, "train_seconds": 10.0, "tokens_per_second": 64_000.0, "stop_reason": "budget"}
    return [
        metrics_row(length=length, seed=seed, steps_to_90=steps, **(own | values))
        for seed, steps in enumerate(steps_to_90)
    ]


def only_row(rows):
    (row,) = training_cost_table(metrics_of(rows)).to_dict("records")
    return row


def test_the_price_is_the_step_by_which_half_the_seeds_had_arrived():
    assert only_row(runs([300, 100, 200]))["steps"] == 200
    assert only_row(runs([300, 100, 200, 400]))["steps"] == 200
    assert only_row(runs([300]))["steps"] == 300


def test_runs_that_never_arrived_are_later_than_all_others():
    row = only_row(runs([300, None, 500]))
    assert (row["steps"], row["steps_fastest"], row["seeds_censored"]) == (500, 300, 1)
    assert pd.isna(row["steps_slowest"])
    assert only_row(runs([300, None]))["steps"] == 300


def test_where_more_than_half_never_arrived_there_is_no_price():
    row = only_row(runs([300, None, None]))
    assert pd.isna(row["steps"])
    assert pd.isna(row["target_tokens"])
    assert pd.isna(row["seconds"])
    assert (row["seeds"], row["seeds_censored"], row["trained_steps"]) == (3, 2, 1000)


def test_a_run_that_levelled_off_early_counts_as_never_arrived_too():
    rows = [
        *runs([900]),
        *(row | {"seed": 1, "run_id": "b"} for row in runs([None], steps=400, stop_reason="plateau")),
    ]
    row = only_row(rows)
    assert (row["steps"], row["ended_plateau"], row["ended_budget"], row["ended_solved"]) == (900, 1, 1, 0)


def test_tokens_and_seconds_are_those_of_the_steps():
    row = only_row(runs([200, 100, 300]))
    assert (row["target_tokens"], row["seconds"]) == (200 * 640, pytest.approx(2.0))


def test_lengths_are_rows_of_their_own():
    table = training_cost_table(metrics_of(runs([100], length=4) + runs([700], length=8)))
    assert table["length"].tolist() == [4, 8]
    assert table["steps"].tolist() == [100, 700]


def test_one_run_for_all_lengths_has_one_price_without_a_length():
    rows = [
        row
        for length in (4, 8)
        for row in runs([500, 600], length, protocol="mixed", train_min_length=4, train_max_length=8)
    ]
    row = only_row(rows)
    assert (row["steps"], row["seeds"], row["ended_budget"]) == (500, 2, 2)
    assert pd.isna(row["length"])


def test_budgets_are_arms_of_their_own():
    table = training_cost_table(
        metrics_of(runs([None]) + runs([2500], variant="training.steps=6000", steps=6000))
    )
    assert table["trained_steps"].tolist() == [1000, 6000]
    assert table["seeds_censored"].tolist() == [1, 0]


def test_the_prices_of_seeds_are_those_that_arrived():
    found = seed_training_costs(metrics_of(runs([300, None, 500])))
    assert list(zip(found["seed"], found["steps"], found["length"], strict=True)) == [
        (0, 300, 8),
        (2, 500, 8),
    ]


def test_rows_that_do_not_say_how_long_they_trained_have_no_price():
    table = training_cost_table(metrics_of(runs([None], steps=None)))
    assert table.empty
    assert list(table.columns) == list(TRAINING_COST_COLUMNS)
    assert seed_training_costs(metrics_of([])).empty


def price_law(costs, **values):
    (law,) = find_price_laws(
        metrics_of([row for length, own in costs.items() for row in runs(own, length, **values)])
    )
    return law


def test_the_price_of_a_length_has_an_exponent():
    law = price_law({4: [40, 44, 36], 8: [160, 150, 170], 16: [640, 600, 680]})
    assert law.exponent.value == pytest.approx(2, abs=0.05)
    assert law.exponent.low < 2 < law.exponent.high
    assert law.steps_at(8) == pytest.approx(160, rel=0.05)


def test_a_price_that_does_not_grow_has_an_exponent_around_zero():
    law = price_law({4: [100, 110, 90], 8: [90, 100, 110], 16: [110, 90, 100], 32: [100, 110, 90]})
    assert law.exponent.low < 0 < law.exponent.high
    assert abs(law.exponent.value) < 0.05


def test_runs_that_never_arrived_are_dearer_than_their_budget_and_not_left_out():
    law = price_law({4: [60, 62, 58], 8: [240, 250, 230], 16: [960, 950, None], 32: [None] * 3})
    assert law.exponent.value == pytest.approx(2, abs=0.1)
    assert (law.lengths, law.arrived) == ([4, 8, 16, 32], [4, 8, 16])


def test_fewer_than_three_learnt_lengths_have_no_exponent_of_the_price():
    law = price_law({4: [60], 8: [240], 16: [None]})
    assert law.exponent is None
    assert law.reason == "half of the seeds learnt 2 of 3 lengths, and 3 are the least"


def test_the_price_is_that_of_the_largest_budget():
    costs = {4: [10, 11], 8: [40, 41], 16: [160, 161]}
    small = [
        row for length in costs for row in runs([None, None], length, variant="training.steps=500", steps=500)
    ]
    large = [
        row
        for length, own in costs.items()
        for row in runs(own, length, variant="training.steps=2000", steps=2000)
    ]
    (law,) = find_price_laws(metrics_of(small + large))
    assert law.training_steps == 2000
    assert law.exponent.value == pytest.approx(2, abs=0.05)

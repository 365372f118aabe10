import math
from dataclasses import replace

import pytest

from attnbench.analysis.breakdown import Crossing, breakdown_table
from attnbench.analysis.larger_budget import budgets_of
from attnbench.analysis.law import find_laws
from attnbench.analysis.law_tables import LAW_CELL_COLUMNS, LAW_COLUMNS, law_cell_table, law_table
from tests.metrics_rows import curve_rows, law_rows, metrics_of

STEPS, SIZES = (500, 1000, 2000, 4000, 8000), (16, 32, 64, 128)


def planted(steps, size):
    """L50 grows as steps^.2 hidden^.5: 9.5 tokens at 500 steps and 16 units, 46 at 8,000 and 128."""
    return 0.2 * steps + 0.5 * size - 0.55


def laws_of(rows):
    metrics = metrics_of(rows)
    return find_laws(metrics, breakdown_table(metrics))


def only_law(rows):
    (law,) = laws_of(rows)
    return law


@pytest.fixture(scope="module")
def law():
    return only_law(law_rows(STEPS, SIZES, planted))


def test_a_planted_law_comes_back_and_says_what_it_has_not_seen(law):
    assert law.exponent("steps").value == pytest.approx(0.2, abs=0.02)
    assert law.exponent("hidden_size").value == pytest.approx(0.5, abs=0.03)
    assert law.exponent("steps").low < 0.2 < law.exponent("steps").high
    assert {(cell.training_steps, cell.arm.hidden_size) for cell in law.held_out} == {
        (steps, size) for steps in STEPS for size in SIZES if steps == 8000 or size == 128
    }
    assert not set(law.fitted) & set(law.held_out)
    assert sum(law.is_within(cell) for cell in law.held_out) >= 7
    assert not any(bend.excludes_zero for bend in law.curvature.values())
    assert law.reason == ""


def test_what_is_held_out_moves_nothing(law):
    rows = law_rows(STEPS, SIZES, planted)
    changed = [
        row | {"token_accuracy": 1.0} if row["steps"] == 8000 or row["hidden_size"] == 128 else row
        for row in rows
    ]
    other = only_law(changed)
    assert other.exponent("steps").value == pytest.approx(law.exponent("steps").value, abs=1e-9)
    assert (
        sum(other.is_within(cell) for cell in other.held_out)
        == 0
        < sum(law.is_within(cell) for cell in law.held_out)
    )


def test_a_breakdown_that_does_not_depend_on_steps_has_an_exponent_around_zero():
    law = only_law(law_rows(STEPS, SIZES, lambda steps, size: 0.5 * size + 1.5))
    steps = law.exponent("steps")
    assert abs(steps.value) < 0.02
    assert steps.low < 0 < steps.high
    assert law.exponent("hidden_size").excludes_zero


def test_censored_cells_are_bounds_and_not_lengths():
    # Most L50 of the sizes 64 and 128 lie beyond 24 tokens, two of the size 16 ahead of 12.
    law = only_law(law_rows(STEPS, SIZES, planted, lengths=(12, 16, 24)))
    assert (law.count("above"), law.count("below")) == (8, 2)
    assert law.exponent("steps").value == pytest.approx(0.2, abs=0.04)
    assert law.exponent("hidden_size").value == pytest.approx(0.5, abs=0.06)
    row = law_table([law], []).iloc[0]
    assert (row["cells"], row["censored"], row["above"], row["below"]) == (20, 10, 8, 2)


def test_a_bound_that_is_held_out_is_no_miss_where_its_interval_reaches_beyond_it():
    law = only_law(law_rows(STEPS, SIZES, planted, lengths=(4, 8, 12, 16, 24)))
    beyond = [cell for cell in law.held_out if cell.found.censored == "above"]
    assert beyond
    assert not any(cell.is_measured for cell in beyond)
    assert all(law.is_within(cell) for cell in beyond)


def crossed(*lengths):
    """Crossings of seeds: a length, a bound such as ">24" or "<4", or None where it did not learn."""
    censored = {">": "above", "<": "below"}
    return {
        seed: Crossing(math.nan, 0.5, "not_learnt")
        if length is None
        else Crossing(float(str(length).strip("<>")), 0.5, censored.get(str(length)[0], ""))
        for seed, length in enumerate(lengths)
    }


@pytest.mark.parametrize(
    ("lengths", "bounds", "is_measured"),
    [
        ((4, 16), (8, 8), True),
        ((4, 16, None), (8, 8), True),
        ((4, ">16"), (8, math.inf), False),
        (("<4", 16), (0, 8), False),
        (("<4", ">16"), (0, math.inf), False),
        ((None, None), (0, math.inf), False),
    ],
)
def test_a_cell_is_judged_by_the_mean_of_its_seeds_a_bound_where_one_of_them_is(
    law, lengths, bounds, is_measured
):
    cell = replace(law.cells[0], seeds=crossed(*lengths))
    assert cell.bounds == pytest.approx(bounds)
    assert cell.is_measured == is_measured


def test_measured_cells_and_bounds_are_counted_apart():
    law = only_law(law_rows(STEPS, SIZES, planted, lengths=(4, 8, 12, 16, 24)))
    found = law.trial(law.held_out)
    measured = [cell for cell in law.held_out if cell.is_measured]
    assert 0 < found.measured == len(measured) < found.cells == 8
    assert found.measured_within == sum(law.is_within(cell) for cell in measured)
    assert found.bounds == found.bounds_within == 8 - len(measured)
    widths = sorted(each.high / each.low for each in map(law.prediction, law.held_out))
    assert found.width == pytest.approx((widths[3] + widths[4]) / 2)
    assert law.trial([]) is None
    row = law_table([law], []).iloc[0]
    assert (row["held_out"], row["held_out_measured"], row["held_out_within"]) == (8, len(measured), 8)
    assert row["held_out_measured_within"] == found.measured_within
    assert row["interval_width"] == pytest.approx(found.width)
    # Of size 128 every cell lies beyond 24 tokens.
    assert not law.is_tested("hidden_size")
    assert law_table([law], [])["tested"].tolist()[:2] == [len(measured), 0]


def test_a_bound_against_its_interval_tests_a_law():
    law = only_law(law_rows(STEPS, SIZES, lambda steps, size: planted(steps, size) + 3 * (size > 6.5)))
    found = law.trial(law.beyond("hidden_size"))
    assert (found.measured, found.contradicting) == (0, 5)
    assert law.is_tested("hidden_size")


def test_bounds_of_seeds_are_counted_where_the_mean_curve_has_a_length():
    law = only_law(law_rows(STEPS, SIZES, planted, lengths=(4, 6, 8, 12, 16, 24), spread=0.2))
    mixed = [cell for cell in law.cells if cell.is_fallen and cell.count("above")]
    assert mixed
    assert not any(cell.is_measured for cell in mixed)
    above = sum(cell.count("above") for cell in law.cells)
    assert law_table([law], []).iloc[0]["seeds_above"] == above
    cells = law_cell_table([law])
    assert cells["seeds_above"].sum() == above
    assert cells["is_measured"].tolist() == [cell.is_measured for cell in law.cells]


def test_cells_are_held_out_so_that_intervals_are_left():
    # Up to size 64 and 4,000 steps no more than three cells are measured with all seeds: a fit to them could not say
    # how far off it is.
    law = only_law(law_rows(STEPS, SIZES, lambda steps, size: 0.3 * steps + 0.6 * size - 4.5))
    within = [cell for cell in law.cells if cell.training_steps < 8000 and cell.arm.hidden_size < 128]
    assert sum(cell.is_fallen for cell in within) >= 3 >= sum(cell.is_measured for cell in within)
    assert {cell.training_steps for cell in law.held_out} == {8000}
    assert not math.isnan(law.exponent("steps").low)
    assert (law.is_tested("steps"), law.is_tested("hidden_size")) == (True, False)


def test_seeds_that_did_not_learn_are_counted_and_taken_as_below_the_shortest():
    def rows(stuck):
        return [
            row | {"token_accuracy": 0.0} if row["seed"] < stuck and row["steps"] <= 1000 else row
            for row in law_rows(STEPS, SIZES, planted)
        ]

    assert only_law(rows(0)).with_unlearnt == {}
    law = only_law(rows(2))
    assert law.exponent("steps").value == pytest.approx(0.2, abs=0.02)
    assert law.with_unlearnt["steps"] > law.exponent("steps").high
    table = law_table([law], [])
    assert table["seeds_not_learnt"].tolist() == [16] * 3
    assert table["exponent_with_unlearnt"].iloc[0] == pytest.approx(law.with_unlearnt["steps"])
    assert law.cells[0].shortest == 4


def test_the_ceiling_of_a_channel_is_where_it_lies_below_half_way():
    reach = {4: 1.0, 6: 1.0, 8: 1.0, 12: 0.9, 16: 0.7, 24: 0.49, 32: 0.4, 48: 0.3, 64: 0.2}
    rows = [
        row | {"channel_bits": 32, "accuracy_ceiling": reach[row["length"]]}
        for row in law_rows(STEPS, SIZES, planted)
    ]
    assert only_law(rows).ceiling == 24
    assert only_law(law_rows(STEPS, SIZES, planted)).ceiling == math.inf


def test_a_law_that_bends_is_found_out():
    law = only_law(
        law_rows(STEPS, SIZES, lambda steps, size: planted(steps, size) - 0.05 * (steps - 11) ** 2)
    )
    assert law.curvature["steps"].high < 0
    assert law.curvature["steps"].value == pytest.approx(-0.05, abs=0.01)
    assert not law.curvature["hidden_size"].excludes_zero


def test_of_one_size_there_is_an_exponent_of_steps_alone():
    law = only_law(law_rows(STEPS, [32], planted))
    assert law.axes == ["steps"]
    assert law.reason == "no exponent of the hidden size, of which there is one alone"
    assert law.exponent("steps").value == pytest.approx(0.2, abs=0.02)
    assert law.exponent("hidden_size") is None
    assert [cell.training_steps for cell in law.held_out] == [8000]


def test_of_one_budget_there_is_an_exponent_of_size_alone():
    law = only_law(law_rows([1000], SIZES, planted))
    assert law.axes == ["hidden_size"]
    assert law.reason == "no exponent of the budget, of which there is one alone"


def test_a_default_budget_is_one_budget_also_where_some_sizes_ended_before():
    rows = law_rows((1500,), SIZES, planted, variant="")
    early = [
        row | {"steps": 1100, "stop_reason": "plateau"} if row["hidden_size"] == 16 else row for row in rows
    ]
    law = only_law(early)
    assert (law.axes, law.reason) == (
        ["hidden_size"],
        "no exponent of the budget, of which there is one alone",
    )
    assert {cell.training_steps for cell in law.cells} == {1500}


def test_the_budget_of_an_arm_is_named_or_ended_a_run_or_is_the_default():
    arms = (
        (1500, {"model": "fixed"}),
        (600, {"model": "blind"}),
        (700, {"model": "luong_general", "stop_reason": "solved"}),
        (100, {"model": "slots", "stop_reason": "plateau", "variant": "training.steps=4000"}),
    )
    rows = [
        row
        for steps, values in arms
        for row in law_rows((steps,), (16,), planted, **{"variant": ""} | values)
    ]
    found = {arm.model: steps for arm, steps in budgets_of(metrics_of(rows)).items()}
    assert found == {"fixed": 1500, "blind": 600, "luong_general": 1500, "slots": 4000}


def test_the_bend_of_the_fitted_cells_is_told_apart_from_that_of_all():
    law = only_law(law_rows(STEPS, SIZES, lambda s, h: planted(s, h) + 0.5 * (h > 6.5) - 0.3 * (h < 4.5)))
    assert law.curvature_of_fitted["hidden_size"].high < 0 < law.curvature["hidden_size"].high
    assert set(law_table([law], [])["curvature_of_fitted"].dropna()) == {
        law.curvature_of_fitted[axis].value for axis in law.axes
    }


def test_sizes_whose_cells_are_all_bounds_give_no_exponent_and_are_not_taken_for_others():
    law = only_law(law_rows(STEPS, [32, 4096], planted))
    assert law.axes == ["steps"]
    assert law.reason == "no exponent of the hidden size, of which breakdowns are known of one alone"
    assert {cell.arm.hidden_size for cell in (*law.fitted, *law.held_out)} == {32}
    large = next(cell for cell in law.cells if cell.arm.hidden_size == 4096)
    assert law.prediction(large) is None


def test_fewer_than_three_cells_that_broke_down_give_no_exponent_and_say_why():
    law = only_law(law_rows([500, 1000], [32], planted))
    assert law.line is None
    assert law.reason == "2 of 2 cells broke down within the tested lengths, and 3 are the least"
    (row,) = law_table([law], []).to_dict("records")
    assert row["note"] == law.reason
    assert math.isnan(row["exponent"])
    assert law_cell_table([law])["length"].notna().all()


def test_nothing_is_held_out_where_too_little_would_remain():
    law = only_law(law_rows([500, 1000, 2000], [32], planted))
    assert law.line is not None
    assert law.held_out == []
    row = law_table([law], []).iloc[0]
    assert row["held_out"] == 0
    assert row["held_out_within"] is None or row.isna()["held_out_within"]


def test_budgets_and_sizes_that_go_together_give_no_exponent():
    rows = [
        row for steps, size in zip(STEPS, SIZES, strict=False) for row in law_rows([steps], [size], planted)
    ]
    law = only_law(rows)
    assert law.line is None
    assert "budget and size go together" in law.reason


def test_one_seed_has_exponents_without_intervals_and_nothing_to_test_held_out_cells_by():
    law = only_law(law_rows(STEPS, SIZES, planted, seeds=1))
    assert law.exponent("steps").value == pytest.approx(0.2, abs=0.03)
    assert math.isnan(law.exponent("steps").low)
    assert all(law.is_within(cell) is None for cell in law.held_out)
    assert law_table([law], []).iloc[0].isna()["held_out_within"]


def test_cells_that_learnt_nothing_are_left_out_and_counted():
    stuck = curve_rows(
        {4: [0.0] * 5, 8: [0.0] * 5}, variant="training.steps=100", hidden_size=16, chance_accuracy=0.0
    )
    law = only_law(law_rows(STEPS, SIZES, planted) + [row | {"steps": 100} for row in stuck])
    assert len(law.not_learnt) == 1
    assert len(law.cells) == 20
    assert law_table([law], []).iloc[0]["not_learnt"] == 1


def test_families_tasks_and_protocols_have_laws_of_their_own():
    rows = law_rows(STEPS, SIZES, planted) + law_rows(STEPS, SIZES, planted, task="copy")
    channel = law_rows([1000], SIZES, planted, variant="model.context_bits=32;training.steps=1000")
    laws = laws_of([*rows, *channel])
    assert [(law.family.task, str(law.family.variant)) for law in laws] == [
        ("copy", ""),
        ("reverse", ""),
        ("reverse", "model.context_bits=32"),
    ]


def test_arms_of_one_budget_and_size_have_no_law():
    assert laws_of(law_rows([1000], [32], planted)) == []
    table = law_table([], [])
    assert table.empty
    assert list(table.columns) == list(LAW_COLUMNS)
    assert list(law_cell_table([]).columns) == list(LAW_CELL_COLUMNS)


def test_the_tables_say_what_the_law_says(law):
    table, cells = law_table([law], []), law_cell_table([law])
    assert table["exponent_of"].tolist() == ["steps", "hidden_size", "constant"]
    exponents = dict(zip(table["exponent_of"], table["exponent"], strict=True))
    for row in cells.to_dict("records"):
        logs = math.log2(row["training_steps"]), math.log2(row["hidden_size"])
        said = exponents["constant"] + exponents["steps"] * logs[0] + exponents["hidden_size"] * logs[1]
        assert row["fitted"] == pytest.approx(2**said)
        assert row["predicted_low"] < row["fitted"] < row["predicted_high"]
        assert law.length_at(row["training_steps"], row["hidden_size"]) == pytest.approx(row["fitted"])
    assert table["held_out"].tolist() == [8, 8, 8] == [cells["is_held_out"].sum()] * 3
    assert (table["held_out_within"] == cells["is_within"].sum()).all()
    assert (table["low_over_seeds"] >= table["low"] - 1e-9).all()

"""Learning rates chosen by validation, and larger budgets around a breakdown."""

from dataclasses import replace

import pytest

from attnbench.errors import UserError
from attnbench.runs.spec import PlannedRun
from attnbench.sweeps.learning_rates import (
    TUNING_SEED,
    FoundBreakdown,
    TunedRate,
    at_rate,
    choose_rates,
    extending_runs,
    larger_budget_runs,
    lengths_around,
    parse_rates,
    reachable_rates,
    tuning_runs,
    with_budget,
    with_rates,
)
from attnbench.tasks.base import LengthRange
from tests.runs.tiny_runs import tiny_spec

SPECS = [tiny_spec(f"model={model}", f"seed={seed}") for model in ("fixed", "uniform") for seed in (7, 3)]
RUNS = [PlannedRun(spec, (3,)) for spec in SPECS]


def tuned(spec, rate, nats, accuracy=0.5, steps=4):
    return TunedRate(at_rate(spec, rate), nats, accuracy, steps)


def test_rates_are_read_sorted_and_once() -> None:
    assert parse_rates("1e-2, 1e-3,0.01") == [0.001, 0.01]


@pytest.mark.parametrize("text", ["", "1e-3", "1e-3,1e-3", "1e-3,x", "0,1e-3", "-1,1", "nan,1", "inf,1"])
def test_what_is_no_grid_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="at least two different learning rates"):
        parse_rates(text)


def test_every_arm_is_tried_at_every_rate_with_a_seed_of_no_result_and_never_tested() -> None:
    runs = tuning_runs(RUNS, [0.001, 0.01])
    found = [(run.spec.model.name, run.spec.seed, run.spec.training.learning_rate) for run in runs]
    assert found == [(name, 2_000_000_000, rate) for name in ("fixed", "uniform") for rate in (0.001, 0.01)]
    assert {run.lengths for run in runs} == {()}


def test_the_runs_that_choose_do_not_hang_on_the_seeds_of_the_sweep() -> None:
    assert tuning_runs(RUNS, [0.001, 0.01]) == tuning_runs(RUNS[1::2], [0.001, 0.01])


def test_beyond_an_edge_each_rate_is_as_far_on_as_the_two_outermost_lie_apart() -> None:
    assert reachable_rates([0.001, 0.002, 0.01]) == [
        *(0.000125, 0.00025, 0.0005),
        *(0.001, 0.002, 0.01),
        *(0.05, 0.25, 1.25),
    ]
    # As people read it: 1/30, 1/9 and 10/27 with six digits.
    assert reachable_rates([0.003, 0.01])[-3:] == [0.0333333, 0.111111, 0.37037]


@pytest.mark.parametrize(
    "grid", [[1e-300, 1e-200], [1e200, 1e300], [0.010000001, 0.010000002], [1.0, 1 + 2**-52]]
)
def test_no_rate_beyond_an_edge_is_none_or_one_that_was_tried(grid: list[float]) -> None:
    rates = reachable_rates(grid)
    assert rates == sorted(set(rates))
    assert set(grid) <= set(rates)
    assert all(0 < rate < float("inf") for rate in rates)


def test_the_lowest_validation_cross_entropy_is_chosen_for_all_seeds_of_an_arm() -> None:
    fixed, uniform = SPECS[1], SPECS[3]
    grid = [tuned(fixed, 0.001, 2.0), tuned(fixed, 0.003, 1.0), tuned(fixed, 0.01, 1.5)]
    grid += [tuned(uniform, 0.001, None), tuned(uniform, 0.003, 3.0), tuned(uniform, 0.01, 3.0)]
    chosen = choose_rates(grid)
    runs = with_rates(RUNS, chosen)
    assert [(run.spec.model.name, run.spec.seed) for run in runs] == [
        (spec.model.name, spec.seed) for spec in SPECS
    ]
    # Failed rates are out; of equals the lower is taken.
    assert [run.spec.training.learning_rate for run in runs] == [0.003, 0.003, 0.003, 0.003]
    assert {run.spec.variant for run in runs} == {spec.variant for spec in SPECS}


def test_of_the_rates_that_solved_the_work_the_one_with_the_fewest_steps_is_chosen() -> None:
    spec = SPECS[0]
    threshold = spec.training.solved_accuracy
    slow, fast = tuned(spec, 0.001, 0.01, 1.0, 900), tuned(spec, 0.01, 0.03, threshold, 300)
    unsolved = tuned(spec, 0.003, 0.0001, threshold - 1e-6, 200)
    assert list(choose_rates([slow, unsolved, fast]).values()) == [0.01]
    # Of as many steps the lower cross-entropy is better, then the lower rate.
    assert list(choose_rates([fast, tuned(spec, 0.02, 0.02, 1.0, 300)]).values()) == [0.02]
    assert list(choose_rates([fast, tuned(spec, 0.003, 0.03, 1.0, 300)]).values()) == [0.003]


def extended(*grid):
    """The rates that are tried next, where 0.003 and 0.01 were asked for."""
    return [run.spec.training.learning_rate for run in extending_runs(grid, [0.003, 0.01])]


def test_a_best_rate_inside_of_what_was_tried_asks_for_no_other() -> None:
    spec = SPECS[0]
    assert extended(tuned(spec, 0.003, 2.0), tuned(spec, 0.01, 1.0), tuned(spec, 0.0333333, 3.0)) == []
    # A rate that fails is a worse one.
    assert extended(tuned(spec, 0.003, 2.0), tuned(spec, 0.01, 1.0), tuned(spec, 0.0333333, None)) == []


def test_a_best_rate_at_an_edge_asks_for_the_next_beyond_it_three_times() -> None:
    spec = SPECS[0]
    grid = [tuned(spec, 0.003, 9.0), tuned(spec, 0.01, 8.0)]
    for nats, rate in zip((7.0, 6.0, 5.0), (0.0333333, 0.111111, 0.37037), strict=True):
        assert extended(*grid) == [rate]
        grid.append(tuned(spec, rate, nats))
    assert extended(*grid) == []
    below = [tuned(spec, 0.003, 8.0), tuned(spec, 0.01, 9.0)]
    for nats, rate in zip((7.0, 6.0, 5.0), (0.0009, 0.00027, 0.000081), strict=True):
        assert extended(*below) == [rate]
        below.append(tuned(spec, rate, nats))
    assert extended(*below) == []


def test_the_grids_of_arms_and_lengths_are_extended_apart_with_the_seed_of_the_tuning() -> None:
    longer = replace(SPECS[0], lengths=replace(SPECS[0].lengths, minimum=9, maximum=9))
    candidates = tuning_runs([*RUNS, PlannedRun(longer, (9,))], [0.003, 0.01])
    short, other, long = (candidates[place].spec for place in (0, 2, 4))
    tried = [
        tuned(short, 0.003, 1.0),
        tuned(short, 0.01, 2.0),
        tuned(long, 0.003, 2.0),
        tuned(long, 0.01, 1.0),
    ]
    tried += [tuned(other, rate, abs(rate - 0.01)) for rate in (0.003, 0.01, 0.0333333)]
    runs = extending_runs(tried, [0.003, 0.01])
    found = [(run.spec.model.name, run.spec.lengths.maximum, run.spec.training.learning_rate) for run in runs]
    assert found == [("fixed", 3, 0.0009), ("fixed", 9, 0.0333333)]
    assert {(run.spec.seed, run.lengths) for run in runs} == {(TUNING_SEED, ())}


def test_lengths_are_tuned_apart() -> None:
    longer = replace(SPECS[0], lengths=replace(SPECS[0].lengths, minimum=9, maximum=9))
    grid = [
        tuned(spec, rate, abs(rate - best))
        for spec, best in ((SPECS[0], 0.1), (longer, 0.2))
        for rate in (0.1, 0.2)
    ]
    assert sorted(choose_rates(grid).values()) == [0.1, 0.2]


def test_an_arm_that_no_rate_could_train_is_named() -> None:
    with pytest.raises(UserError, match=r"no rate of the grid could be trained for .*fixed"):
        choose_rates([tuned(SPECS[0], 0.1, None), tuned(SPECS[0], 0.2, None)])


TESTED = [4, 8, 16, 32, 64]


def found(length: float, censored: str = "", model: str = "fixed") -> FoundBreakdown:
    return FoundBreakdown(tiny_spec(f"model={model}").arm, length, censored)


@pytest.mark.parametrize(
    ("length", "censored", "lengths"),
    [
        (10.5, "", [8, 16, 32]),
        (16.0, "", [16, 32, 64]),
        (60.0, "", [32, 64]),
        (64, "above", []),
        (4, "below", [4, 8]),
        (4, "not_learnt", [4, 8]),
    ],
)
def test_the_lengths_around_a_breakdown(length: float, censored: str, lengths: list[int]) -> None:
    assert lengths_around(TESTED, found(length, censored)) == lengths


def test_budget_and_patience_grow_alike_and_stand_in_the_variant() -> None:
    spec = tiny_spec()
    longer = with_budget(spec, 4)
    steps, patience = spec.training.steps, spec.training.patience
    assert longer.training == replace(spec.training, steps=4 * steps, patience=4 * patience)
    parts = longer.variant.parts
    assert set(parts) - set(spec.variant.parts) == {
        f"training.steps={4 * steps}",
        f"training.patience={4 * patience}",
    }
    assert set(spec.variant.parts) - set(parts) == {f"training.steps={steps}"}
    assert parts == sorted(parts)
    assert longer.run_id != spec.run_id


def test_only_the_arm_that_broke_down_is_trained_longer_with_all_its_seeds() -> None:
    runs = [
        PlannedRun(tiny_spec(f"model={model}", f"seed={seed}", f"task.length={length}"), (length,))
        for model in ("fixed", "uniform")
        for seed in (0, 1)
        for length in TESTED
    ]
    longer = larger_budget_runs(runs, [found(20.0), found(64, "above", "uniform")], 3)
    assert sorted((run.spec.model.name, run.spec.seed, run.lengths) for run in longer) == [
        ("fixed", seed, (length,)) for seed in (0, 1) for length in (16, 32, 64)
    ]
    assert all(run.spec.lengths == LengthRange(run.lengths[0], run.lengths[0]) for run in longer)


def test_a_model_of_many_lengths_is_trained_longer_as_a_whole() -> None:
    run = PlannedRun(tiny_spec(), (4, 8, 16))
    assert [each.lengths for each in larger_budget_runs([run], [found(5.0)], 2)] == [(4, 8, 16)]

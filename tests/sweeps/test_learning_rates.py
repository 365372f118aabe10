"""Learning rates chosen by validation, and larger budgets around a breakdown."""

from dataclasses import replace

import pytest

from attnbench.errors import UserError
from attnbench.runs.spec import PlannedRun
from attnbench.sweeps.learning_rates import (
    FoundBreakdown,
    TunedRate,
    at_rate,
    choose_rates,
    larger_budget_runs,
    lengths_around,
    parse_rates,
    tuning_rows,
    tuning_runs,
    with_budget,
    with_rates,
)
from attnbench.tasks.base import LengthRange
from tests.runs.tiny_runs import tiny_spec

SPECS = [tiny_spec(f"model={model}", f"seed={seed}") for model in ("fixed", "uniform") for seed in (7, 3)]
RUNS = [PlannedRun(spec, (3,)) for spec in SPECS]


def tuned(spec, rate, nats):
    return TunedRate(at_rate(spec, rate), nats, 0.5, 4)


def test_rates_are_read_sorted_and_once() -> None:
    assert parse_rates("1e-2, 1e-3,0.01") == [0.001, 0.01]


@pytest.mark.parametrize("text", ["", "1e-3", "1e-3,1e-3", "1e-3,x", "0,1e-3", "-1,1", "nan,1", "inf,1"])
def test_what_is_no_grid_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="at least two different learning rates"):
        parse_rates(text)


def test_every_arm_is_tried_at_every_rate_with_its_first_seed_and_never_tested() -> None:
    runs = tuning_runs(RUNS, [0.001, 0.01])
    found = [(run.spec.model.name, run.spec.seed, run.spec.training.learning_rate) for run in runs]
    assert found == [(name, 3, rate) for name in ("fixed", "uniform") for rate in (0.001, 0.01)]
    assert {run.lengths for run in runs} == {()}


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


def test_a_chosen_rate_at_the_edge_of_the_grid_is_pointed_out() -> None:
    spec = SPECS[0]
    grid = [tuned(spec, 0.001, 1.0), tuned(spec, 0.003, 2.0), tuned(spec, 0.01, 3.0)]
    rows = tuning_rows(grid, choose_rates(grid))
    assert [(row["learning_rate"], row["chosen"], row["at_edge"]) for row in rows] == [
        (0.001, "true", "true"),
        (0.003, "false", "false"),
        (0.01, "false", "false"),
    ]
    assert [row["validation_nats"] for row in rows] == [1.0, 2.0, 3.0]


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

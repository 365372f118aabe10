"""Around a breakdown, and nowhere else, the runs get a larger budget."""

import pytest

from attnbench.runs.spec import PlannedRun
from attnbench.sweeps.learning_rates import FoundBreakdown, larger_budget_runs, lengths_around, with_budget
from attnbench.tasks.base import LengthRange
from tests.runs.tiny_runs import tiny_spec

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


def test_the_budget_stands_in_the_variant() -> None:
    spec = tiny_spec()
    longer = with_budget(spec, 4)
    assert longer.training.steps == 4 * spec.training.steps
    parts = longer.variant.parts
    assert f"training.steps={4 * spec.training.steps}" in parts
    assert parts == sorted(parts)
    assert set(spec.variant.parts) - set(parts) == {f"training.steps={spec.training.steps}"}
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

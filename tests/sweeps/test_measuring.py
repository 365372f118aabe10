import time
from dataclasses import replace

import pytest
import torch

from attnbench.config.compose import Configuration
from attnbench.runs.execute import make_trainer
from attnbench.sweeps import measuring
from attnbench.sweeps.measuring import Estimate, Speed, estimate, estimate_at_the_start, is_worth_measuring
from attnbench.sweeps.plan import SweepOptions, plan_sweep
from tests.commands import TINY

CPU = torch.device("cpu")


def planned(**words):
    words = {"lengths": "2,4,8", "seeds": "2", "overrides": TINY} | words
    return plan_sweep(Configuration(), SweepOptions(**words)).runs


@pytest.fixture
def measured(monkeypatch):
    """The cells that were measured; a step takes a second and a tenth per unit of length, an example a hundredth."""
    cells = []

    def measure(spec, device, seconds):
        length = (spec.lengths.minimum + spec.lengths.maximum) / 2
        cells.append((spec.model.name, spec.model.hidden_size, length))
        return Speed(length, 1 + length / 10, length / 100)

    monkeypatch.setattr(measuring, "_measure", measure)
    return cells


def test_the_shortest_and_the_longest_cell_of_every_arm_are_measured(measured):
    estimate(planned(overrides=(*TINY, "model.hidden_size=8,16")), CPU)
    arms = [(model, size) for model in ("fixed", "luong_general") for size in (8, 16)]
    assert sorted(measured) == sorted((*arm, length) for arm in arms for length in (2, 8))


def test_the_time_is_that_of_all_steps_validations_and_tests(measured):
    found = estimate(planned(models="fixed"), CPU)
    # 4 steps, 2 validations of 8 examples, a test of 8; twice, for there are two seeds.
    by_length = [4 * (1 + length / 10) + (16 + 8) * length / 100 for length in (2, 4, 8)]
    assert found.work_seconds == pytest.approx(2 * sum(by_length))
    assert found.longest_seconds == pytest.approx(max(by_length))


def test_a_test_beyond_the_trained_length_costs_in_proportion(measured):
    words = {"models": "fixed", "seeds": "1", "protocol": "extrapolation", "train_range": "4:4"}
    found = estimate(planned(lengths="4,8", **words), CPU)
    assert found.work_seconds == pytest.approx(4 * 1.4 + (16 + 8 + 2 * 8) * 0.04)


def test_workers_share_the_work_but_not_a_run():
    found = Estimate(work_seconds=100.0, longest_seconds=30.0, measured_seconds=1.0)
    assert [found.seconds(workers) for workers in (1, 2, 4, 100)] == [100, 50, 30, 30]


def test_nothing_left_takes_no_time():
    assert estimate([], CPU).seconds(2) == 0


def test_what_takes_too_long_to_measure_is_not_told():
    assert estimate(planned(), CPU, most_seconds=-1.0) is None


def test_an_arm_that_fails_at_once_is_not_told():
    run = planned(models="fixed", lengths="2", seeds="1")[0]
    training = replace(run.spec.training, learning_rate=1e38, warmup_steps=0)
    assert estimate([replace(run, spec=replace(run.spec, training=training))], CPU) is None


def test_runs_are_worth_measuring_that_take_many_times_its_steps():
    runs = planned(lengths="2", models="fixed", seeds="1")
    many = [
        replace(run, spec=replace(run.spec, training=replace(run.spec.training, steps=100))) for run in runs
    ]
    assert not is_worth_measuring(runs, {})
    assert is_worth_measuring(many, {})
    assert not is_worth_measuring(many, {run.spec.run_id: 99 for run in many})


@pytest.mark.parametrize(("steps", "most_seconds"), [(4, 1.5), (200_000, 4.0), (10**7, 10.0)])
def test_at_the_start_long_work_may_be_measured_for_longer(monkeypatch, steps, most_seconds):
    asked = []
    monkeypatch.setattr(measuring, "estimate", lambda *given: asked.append(given))
    (run,) = planned(lengths="2", models="fixed", seeds="1")
    training = replace(run.spec.training, steps=steps)
    runs = [replace(run, spec=replace(run.spec, training=training))]
    assert estimate_at_the_start(runs, CPU, {}) is None
    assert asked == [(runs, CPU, 0.5, most_seconds, {})]


def test_at_the_start_a_gpu_is_left_to_the_workers(monkeypatch):
    monkeypatch.setattr(measuring, "estimate", None)
    assert estimate_at_the_start(planned(), torch.device("cuda"), {}) is None


def test_a_cell_of_slow_steps_is_measured_by_one(monkeypatch):
    (run,) = planned(lengths="2", models="fixed", seeds="1")
    endless = replace(run.spec.training, steps=10**9, evaluate_every=10**9)
    trainer = make_trainer(replace(run.spec, training=endless), CPU)
    clock = iter(range(1000))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    assert measuring._step_seconds(trainer, 1000.0) >= 1.0
    assert trainer.step == 2


def test_real_steps_are_measured_in_a_moment_and_leave_the_threads_as_they_were():
    before = torch.get_num_threads()
    started = time.perf_counter()
    found = estimate(planned(), CPU, total_seconds=0.01)
    assert 0 < found.longest_seconds < found.work_seconds
    assert found.measured_seconds <= time.perf_counter() - started
    assert torch.get_num_threads() == before

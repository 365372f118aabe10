import time
from dataclasses import replace

import pytest
import torch

from attnbench.config.compose import Configuration
from attnbench.sweeps import measuring
from attnbench.sweeps.measuring import Estimate, Speed, estimate
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


def test_real_steps_are_measured_in_a_moment_and_leave_the_threads_as_they_were():
    before = torch.get_num_threads()
    started = time.perf_counter()
    found = estimate(planned(), CPU, total_seconds=0.01)
    assert 0 < found.longest_seconds < found.work_seconds
    assert found.measured_seconds <= time.perf_counter() - started
    assert torch.get_num_threads() == before

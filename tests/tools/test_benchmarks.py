"""What benchmarks time is what they say: a finished sweep as attnbench itself takes it, a step beside its floor."""

import time

import pytest

from attnbench.executors.slurm.records import JobRecords
from attnbench.runs.metrics_table import join_metrics
from attnbench.runs.store import RunStore
from tests.commands import attnbench
from tools.benchmarks.scale import (
    finish_all,
    hand_to_cluster,
    planned_sweep,
    prepare_all,
    sweep_words,
    train_one,
)
from tools.benchmarks.step import Sizes, time_by_turns
from tools.benchmarks.timing import ratio

SEEDS = 1


@pytest.fixture(scope="module")
def plan():
    return planned_sweep(SEEDS)


@pytest.fixture
def store(plan, tmp_path):
    store = RunStore(tmp_path / "results" / plan.name)
    prepare_all(store, plan)
    return store


def test_the_words_name_the_runs_that_are_made(plan, store, tmp_path):
    listed = attnbench(*sweep_words(SEEDS, tmp_path / "results"), "--dry-run", "--json").json
    assert listed["folder"] == str(store.path)
    assert [each["run_id"] for each in listed["runs"]] == [run.spec.run_id for run in plan.runs]
    assert {each["state"] for each in listed["runs"]} == {"waiting"}


def test_made_runs_are_done_and_whole_with_a_row_each(plan, store, tmp_path):
    finish_all(store, plan.runs[::2], train_one(tmp_path))
    done = {run.spec.run_id for run in plan.runs[::2]}
    assert {run_id for run_id, state in store.states().items() if state == "done"} == done
    metrics = join_metrics(store.collect())  # raises where a row is not what a run writes
    assert set(metrics["run_id"]) == done
    assert sorted(set(metrics["length"])) == sorted({run.lengths[0] for run in plan.runs[::2]})


def test_made_jobs_wait_in_the_queue(plan, store, tmp_path, monkeypatch):
    hand_to_cluster(store, plan.runs, tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    states = JobRecords(store.jobs_path).states([run.spec.run_id for run in plan.runs])
    assert list(states.values()) == ["pending"] * len(plan.runs)


@pytest.mark.slow(seconds=15)
@pytest.mark.parametrize("length", [4, 16])
def test_a_step_costs_little_more_than_twenty_lines_of_plain_torch(length):
    """By the time of the processor, which other work on the machine blurs little; 1.5 lets noise pass."""
    seconds = time_by_turns("luong_general", Sizes(64, length, 64), turns=7, clock=time.process_time)
    assert ratio(seconds["arm"], seconds["floor"]).median < 1.5

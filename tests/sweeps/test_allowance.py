import os

import pytest

from attnbench.executors import resources
from attnbench.executors.resources import (
    WORKER_BYTES,
    available_bytes,
    available_cores,
    suitable_workers,
)


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    """A machine of eight cores without limits."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(8), raising=False)
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    limit(monkeypatch)


def limit(monkeypatch, cpu=None, memory=None):
    monkeypatch.setattr(resources, "cpu_limit", lambda: cpu)
    monkeypatch.setattr(resources, "memory_limit", lambda: memory)


def test_without_limits_every_core_counts():
    assert available_cores() == 8


def test_cores_that_the_process_is_not_bound_to_do_not_count(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(3), raising=False)
    assert available_cores() == 3


@pytest.mark.parametrize(("quota", "cores"), [(0.5, 1), (2.0, 2), (2.5, 3), (64.0, 8)])
def test_a_part_of_a_core_counts_as_one(monkeypatch, quota, cores):
    limit(monkeypatch, cpu=quota)
    assert available_cores() == cores


@pytest.mark.parametrize(("given", "cores"), [("2", 2), ("16", 8), ("", 8), ("all", 8)])
def test_a_job_takes_the_cores_that_it_was_given(monkeypatch, given, cores):
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", given)
    assert available_cores() == cores


def test_memory_is_that_of_the_machine_or_the_limit(monkeypatch):
    there = available_bytes()
    limit(monkeypatch, memory=2**62)  # version 1 says so where there is none
    assert available_bytes() == there
    limit(monkeypatch, memory=1000)
    assert available_bytes() == 1000


@pytest.mark.parametrize(("memory", "workers"), [(1, 1), (3, 2), (5, 4), (100, 8)])
def test_there_are_as_many_workers_as_fit_beside_the_sweep_itself(monkeypatch, memory, workers):
    monkeypatch.setattr(resources, "available_bytes", lambda: memory * WORKER_BYTES)
    assert suitable_workers() == workers

"""How many cores and how much memory a process may take, and so how many workers."""

import os
from pathlib import Path

import pytest

from attnbench.executors import resources
from attnbench.executors.resources import (
    WORKER_BYTES,
    available_bytes,
    available_cores,
    cpu_limit,
    memory_limit,
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


class Machine:
    """A made-up /sys/fs/cgroup and /proc/self/cgroup."""

    def __init__(self, folder: Path) -> None:
        self.mount, self.membership = folder / "cgroup", folder / "self"
        self.membership.write_text("")

    def belongs(self, *lines: str) -> None:
        self.membership.write_text("".join(f"{line}\n" for line in lines))

    def says(self, file: str, text: str) -> None:
        path = self.mount / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    @property
    def limits(self) -> tuple[float | None, int | None]:
        return cpu_limit(self.mount, self.membership), memory_limit(self.mount, self.membership)


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_without_groups_has_no_limits(machine):
    machine.membership.unlink()
    assert machine.limits == (None, None)


def test_version_2_says_quota_and_period_in_microseconds(machine):
    machine.belongs("0::/job")
    machine.says("job/cpu.max", "250000 100000")
    machine.says("job/memory.max", "2147483648")
    assert machine.limits == (2.5, 2 * 2**30)


def test_max_is_no_limit(machine):
    machine.belongs("0::/job")
    machine.says("job/cpu.max", "max 100000")
    machine.says("job/memory.max", "max")
    assert machine.limits == (None, None)


def test_the_smallest_limit_on_the_way_up_holds(machine):
    machine.belongs("0::/slice/job/step")
    machine.says("slice/cpu.max", "100000 100000")
    machine.says("slice/job/cpu.max", "400000 100000")
    machine.says("slice/job/step/cpu.max", "max 100000")
    machine.says("slice/memory.max", "4096")
    machine.says("slice/job/memory.max", "8192")
    assert machine.limits == (1.0, 4096)


def test_limits_of_other_groups_do_not_count(machine):
    machine.belongs("0::/job")
    machine.says("other/cpu.max", "100000 100000")
    assert machine.limits == (None, None)


def test_a_container_that_does_not_see_its_own_path_goes_by_the_root(machine):
    machine.belongs("0::/docker/0123abc")
    machine.says("cpu.max", "150000 100000")
    machine.says("memory.max", "1024")
    assert machine.limits == (1.5, 1024)


def test_version_1_has_a_tree_for_each_controller(machine):
    machine.belongs("4:memory:/job", "2:cpu,cpuacct:/job", "1:name=systemd:/user")
    machine.says("cpu,cpuacct/job/cpu.cfs_quota_us", "300000")
    machine.says("cpu,cpuacct/job/cpu.cfs_period_us", "100000")
    machine.says("memory/job/memory.limit_in_bytes", "123456")
    assert machine.limits == (3.0, 123456)


def test_a_negative_quota_of_version_1_is_no_limit(machine):
    machine.belongs("2:cpu:/")
    machine.says("cpu/cpu.cfs_quota_us", "-1")
    machine.says("cpu/cpu.cfs_period_us", "100000")
    assert machine.limits == (None, None)


def test_both_versions_at_once_are_both_asked(machine):
    machine.belongs("2:cpu:/", "0::/")
    machine.says("cpu/cpu.cfs_quota_us", "300000")
    machine.says("cpu/cpu.cfs_period_us", "100000")
    machine.says("unified/cpu.max", "200000 100000")
    assert machine.limits == (2.0, None)

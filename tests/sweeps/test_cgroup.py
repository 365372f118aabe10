from pathlib import Path

import pytest

from attnbench.executors.resources import cpu_limit, memory_limit


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

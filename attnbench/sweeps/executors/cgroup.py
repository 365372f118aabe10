"""What the control groups of Linux allow this process: how containers, systemd and clusters share a machine.

A limit holds for everything below it, so every group from that of the process up to the root is asked. Source: the
kernel's documentation of cgroup-v1 (cpu.cfs_quota_us, memory.limit_in_bytes) and cgroup-v2 (cpu.max, memory.max).
"""

from collections.abc import Iterator
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def cpu_limit(mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> float | None:
    """Return how many cores' worth of time the process gets; None where nothing limits it."""
    limits = [_cpu_limit_of(group) for group in _groups("cpu", mount, membership)]
    return min((limit for limit in limits if limit is not None), default=None)


def memory_limit(mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> int | None:
    """Return how many bytes of memory the process and its siblings may take together; None where nothing limits it."""
    files = ("memory.max", "memory.limit_in_bytes")
    found = [_number(group / file) for group in _groups("memory", mount, membership) for file in files]
    return min((int(limit) for limit in found if limit is not None), default=None)


def _groups(controller: str, mount: Path, membership: Path) -> Iterator[Path]:
    """Yield the folders of the groups that the process is in, for a controller, from its own up to the root.

    In a container the path may be that outside of it, which is not to be seen there: then the root speaks for it.
    """
    for line in _read(membership).splitlines():
        _, controllers, path = line.split(":", maxsplit=2)
        if controllers and controller not in controllers.split(","):
            continue
        tops = [mount / controllers] if controllers else [mount, mount / "unified"]
        for top in tops:
            own = top / path.lstrip("/")
            yield from (each for each in (own, *own.parents) if each.is_relative_to(top))


def _cpu_limit_of(group: Path) -> float | None:
    quota, _, period = _read(group / "cpu.max").partition(" ")
    if quota and quota != "max":
        return float(quota) / float(period)
    quota_us, period_us = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    if quota_us is None or not period_us or quota_us < 0:
        return None
    return quota_us / period_us


def _number(file: Path) -> float | None:
    text = _read(file).strip()
    return None if text in ("", "max") else float(text)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""  # no Linux, or no such limit there

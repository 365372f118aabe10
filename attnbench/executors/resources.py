"""How many processes this machine, and whoever shares it out, has room for."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

# `scripts/bench memory` prints what one worker takes at the sizes of `quick`.
WORKER_BYTES = 600 * 2**20


def available_cores() -> int:
    """Return how many cores this process may use, a part of one counted as one."""
    bounds = [os.cpu_count() or 1, cpu_limit()]
    if hasattr(os, "sched_getaffinity"):
        bounds.append(len(os.sched_getaffinity(0)))
    # A cluster that does not bind its jobs to cores still says how many they were given.
    given = os.environ.get("SLURM_CPUS_ON_NODE", "")
    bounds.append(int(given) if given.isdigit() else None)
    return max(1, math.ceil(min(bound for bound in bounds if bound is not None)))


def available_bytes() -> int:
    """Return how much memory this process and its workers may take together."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(there, memory_limit() or there)


def suitable_workers() -> int:
    """Return how many workers this machine can take: one per core, if there is memory for them and the sweep."""
    room = available_bytes() // WORKER_BYTES - 1
    return max(1, min(available_cores(), room))


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

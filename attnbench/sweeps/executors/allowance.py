"""How much of this machine a sweep may use; a container or a job of a cluster may have less than there is."""

import math
import os

from attnbench.sweeps.executors.cgroup import cpu_limit, memory_limit

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

"""How the cost of work grows with its size; a ratio within one run, since times themselves depend on the machine."""

import time
from collections.abc import Callable

REPEATS = 3


def growth(work: Callable[[], object], tenfold: Callable[[], object]) -> float:
    """Return how many times longer ten times the work takes: about 10 where its cost is linear, 100 where quadratic."""
    return _fastest(tenfold) / _fastest(work)


def _fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)

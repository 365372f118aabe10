import gc
import math
import os
import shutil
import signal
import sys
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from attnbench.schema import trusting


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leave the modules and the ten thousand tests, which stay, out of what Python searches for garbage.

    That search took a quarter of the time of collecting them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Where there is a Slurm, add a process to one for each core: its tests mostly wait."""
    processes = yield
    return processes + (shutil.which("slurmctld") is not None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out tests one by one, in their order; those of Slurm go to one process, as they share one Slurm.

    `--dist loadgroup` would do the same, but xdist 3.8 does not see its groups under pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class OneByOne(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "slurm" if nodeid.startswith("tests/slurm/") else nodeid

    return OneByOne(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest where several processes share the tests: left for the end, it keeps one waiting."""
    if hasattr(config, "workerinput"):
        items.sort(key=_seconds, reverse=True)


def _seconds(item: pytest.Item) -> float:
    """Return about how long a test takes; those of Slurm, which mostly wait, go ahead of all that compute."""
    slow = item.get_closest_marker("slow")
    if item.get_closest_marker("slurm") is not None:
        return math.inf
    return 0.0 if slow is None else slow.kwargs.get("seconds", 5.0)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Test processes share the cores; tests that need no torch do not load it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _end_of_a_terminal_is_heard() -> None:
    """What tests start is told when a terminal closes, also where the tests themselves run under `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_person(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests, and the processes that they start, neither read nor fill the cache in anybody's home."""
    os.environ["ATTNBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _no_folder_is_trusted() -> Iterator[None]:
    """What a test trusts, for classes of a person's own, is not trusted by the next one."""
    with trusting(None):
        yield

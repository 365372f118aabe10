import os
import sys
from collections.abc import Iterator

import pytest

from attnbench.schema import trusting


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the slow tests where several processes share them: one left for the end keeps a process waiting."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Test processes share the cores; tests that need no torch do not load it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_person(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests, and the processes that they start, neither read nor fill the cache in anybody's home."""
    os.environ["ATTNBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _no_folder_is_trusted() -> Iterator[None]:
    """What a test trusts, for classes of a person's own, is not trusted by the next one."""
    with trusting(None):
        yield

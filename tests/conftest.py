import os
import sys
from collections.abc import Iterator

import pytest

from attnbench.schema import trusting


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

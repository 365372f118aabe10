import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Test processes share the cores; tests that need no torch do not load it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)

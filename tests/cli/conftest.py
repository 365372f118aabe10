import shutil

import pytest

import tests.configuration  # noqa: F401 compositions are kept
from tests.commands import TINY_SWEEP, attnbench


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture(scope="session")
def swept_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swept") / "results"
    finished = attnbench(*TINY_SWEEP, "--results", folder)
    assert finished.status == 0, finished.err
    return folder


@pytest.fixture
def swept(swept_once, results):
    """A finished sweep, `quick-reverse`: two arms at two lengths; the test may do to it what it likes."""
    shutil.copytree(swept_once, results)
    return results / "quick-reverse"

import functools
import shutil
from collections.abc import Iterator

import pytest

from attnbench.config import compose
from tests.commands import TINY_SWEEP, attnbench


@pytest.fixture(scope="session", autouse=True)
def _compositions_of_our_yaml_are_kept() -> Iterator[None]:
    """Hydra takes a tenth of a second for what is the same in every test; a person's own yaml is read anew."""
    original = compose._compose
    kept = functools.cache(lambda overrides: original(list(overrides), None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            compose,
            "_compose",
            lambda overrides, folder: original(overrides, folder) if folder else kept(tuple(overrides)),
        )
        yield


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

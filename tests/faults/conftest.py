import pytest

import tests.configuration  # noqa: F401 compositions are kept
from tests.commands import rows_of, without_times
from tests.faults.carrying_on import FOLDER, TWO_RUNS
from tests.faults.carrying_on import complete as _complete


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture(scope="session")
def expected(tmp_path_factory):
    """The rows of the two runs where nothing goes wrong."""
    results = tmp_path_factory.mktemp("undisturbed")
    _complete(TWO_RUNS, results)
    return without_times(rows_of(results / FOLDER / "metrics.csv"))

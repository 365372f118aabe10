from collections.abc import Sequence
from pathlib import Path

import pytest

from attnbench.executors.slurm import submission
from attnbench.executors.slurm.records import JobRecords
from attnbench.runs.folder import RunFolder
from tests.executors.fake_slurm import FakeSlurm, install
from tests.runs.tiny_runs import prepared, tiny_spec


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """The commands of a Slurm whose answers nobody waits for."""
    for name in ("POLL_SECONDS", "LOST_AFTER_SECONDS", "REFUSED_SECONDS"):
        monkeypatch.setattr(submission, name, 0.0)
    return install(tmp_path / "bin", monkeypatch)


@pytest.fixture
def folders(tmp_path: Path) -> Sequence[RunFolder]:
    """Five runs of a sweep that nobody has begun."""
    return [prepared(tmp_path / "sweep" / "runs", tiny_spec(f"seed={seed}")) for seed in range(5)]


@pytest.fixture
def book(tmp_path: Path) -> JobRecords:
    """The records of that sweep."""
    return JobRecords(tmp_path / "sweep" / "jobs")

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.jobs import PATIENCE_SECONDS, put_in_order

HERE = Path(__file__).parent
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")


def _free_port() -> int:
    """Return a port that nobody listens at, nor at the next: other tests on this machine may have a Slurm too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            with contextlib.suppress(OSError):
                second.bind(("127.0.0.1", port + 1))
                return port


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Slurm of one node that lives as long as the tests; its commands find it by the environment."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        pytest.skip(f"no Slurm here ({', '.join(absent)} missing): apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("the Slurm of the tests is started by root alone")
    folder = tmp_path_factory.mktemp("cluster")
    # munged, which is not root, has to reach its own folder.
    for each in (folder, *folder.parents):
        if each.is_relative_to(tmp_path_factory.getbasetemp().parent.parent) and each.owner() == "root":
            each.chmod(each.stat().st_mode | 0o055)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTNBENCH_TEST_SLURM_PORT", str(_free_port()))
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        patch.setenv("OMP_NUM_THREADS", "1")  # of the jobs too
        try:
            subprocess.run([HERE / "start", folder], check=True, timeout=PATIENCE_SECONDS)
            yield folder
        finally:
            subprocess.run([HERE / "stop", folder], check=False, timeout=PATIENCE_SECONDS)


@pytest.fixture
def results(cluster: Path, tmp_path: Path) -> Iterator[Path]:
    """A results folder, where nothing is left on Slurm of a test before, however that ended."""
    put_in_order()
    yield tmp_path / "results"
    put_in_order()

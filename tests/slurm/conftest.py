import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")
FIRST_PORT = 26817  # the controller's; its node takes the next


def _worker_number() -> int:
    """Say which process of pytest-xdist this is: each has a Slurm of its own."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


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
        patch.setenv("ATTNBENCH_TEST_SLURM_PORT", str(FIRST_PORT + 2 * _worker_number()))
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        try:
            subprocess.run([HERE / "start", folder], check=True, timeout=120)
            yield folder
        finally:
            subprocess.run([HERE / "stop", folder], check=False, timeout=120)

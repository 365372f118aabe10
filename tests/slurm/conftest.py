import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Slurm of one node that lives as long as the tests; its commands find it by the environment."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        pytest.skip(f"no Slurm here ({', '.join(absent)} missing): apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("the Slurm of the tests is started by root alone")
    folder = tmp_path_factory.mktemp("cluster")
    # munged refuses to work below a folder that only root may enter.
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        try:
            subprocess.run([HERE / "start", folder], check=True, timeout=120)
            yield folder
        finally:
            subprocess.run([HERE / "stop", folder], check=False, timeout=120)

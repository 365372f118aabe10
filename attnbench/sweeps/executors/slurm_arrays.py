"""Arrays of jobs, submitted through submitit."""

import contextlib
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attnbench.errors import storage_faults_named
from attnbench.sweeps.executors.slurm_commands import SlurmError, ask
from attnbench.sweeps.executors.slurm_job import Pack

ARRAY_SIZE = 1000


def largest_array() -> int:
    """Return how many jobs an array may have: a thousand, or fewer where the cluster says so."""
    try:
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", ask(["scontrol", "show", "config"]), re.MULTILINE)
    except SlurmError:
        return ARRAY_SIZE
    return min(ARRAY_SIZE, max(int(found[1]), 1)) if found else ARRAY_SIZE


def submit_array(jobs: Sequence[Pack], folder: Path, requeues: int, parameters: Mapping[str, Any]) -> str:
    """Submit an array and return its id.

    Raises:
        SlurmError: in the words of sbatch.
        StorageError: where the disk does not take what submitit writes down.
    """
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    executor = submitit.SlurmExecutor(folder, max_num_timeout=requeues)
    executor.update_parameters(**parameters)
    try:
        # submitit prints the words of sbatch by itself; they are in the error too.
        with storage_faults_named(folder), contextlib.redirect_stderr(io.StringIO()), executor.batch():
            submitted = [executor.submit(job) for job in jobs]
    except (FailedJobError, FailedSubmissionError) as error:
        raise SlurmError(f"sbatch refused: {error}") from error
    return str(submitted[0].job_id).partition("_")[0]

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
UUID_LETTERS = 32


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
    loose_before = _loose_files(folder)
    try:
        # submitit prints the words of sbatch by itself; they are in the error too.
        with storage_faults_named(folder), contextlib.redirect_stderr(io.StringIO()), executor.batch():
            submitted = [executor.submit(job) for job in jobs]
    except (FailedJobError, FailedSubmissionError) as error:
        raise SlurmError(f"sbatch refused: {error}") from error
    finally:
        # What was refused may be submitted every minute from now on, and has a file for each job.
        for path in _loose_files(folder) - loose_before:
            path.unlink(missing_ok=True)
    return str(submitted[0].job_id).partition("_")[0]


def _loose_files(folder: Path) -> set[Path]:
    """Return what submitit wrote down for jobs that have no number yet; files of jobs bear theirs."""
    pickles = [path for path in folder.glob("*.pkl") if len(path.stem) == UUID_LETTERS]
    return {*pickles, *(path for path in folder.glob(".submission_file_*.sh") if not path.is_symlink())}

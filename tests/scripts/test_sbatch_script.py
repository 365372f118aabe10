"""The script for people who submit jobs themselves, with stand-ins for Slurm's commands and for attnbench."""

import os
import subprocess

import pytest

from tests import ROOT

SCRIPT = ROOT / "scripts" / "attnbench.sbatch"
JOB = {"SLURM_JOB_ID": "20", "SLURM_CPUS_PER_TASK": "4"}


def array(index, first, last, count):
    return {
        "SLURM_ARRAY_JOB_ID": "17",
        "SLURM_ARRAY_TASK_ID": str(index),
        "SLURM_ARRAY_TASK_MIN": str(first),
        "SLURM_ARRAY_TASK_MAX": str(last),
        "SLURM_ARRAY_TASK_COUNT": str(count),
    }


@pytest.fixture
def submitted(tmp_path):
    """Return what runs the script as a job; the words that its commands were given come to be in `said`."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def put(name, line):
        path = folder / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/said\n{line}\n')
        path.chmod(0o755)

    def run(*words, environment=None, status=0, srun="exit $STATUS"):
        put("srun", srun)
        put("scontrol", "")
        put("attnbench", "")
        plain = {"PATH": f"{folder}:{os.environ['PATH']}", "ATTNBENCH": "attnbench", "STATUS": str(status)}
        finished = subprocess.run(
            ["bash", SCRIPT, *words],
            env={**plain, **JOB, **(environment or {})},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        said = tmp_path / "said"
        finished.said = said.read_text().splitlines() if said.exists() else []
        return finished

    return run


def test_a_job_by_itself_makes_the_whole_sweep(submitted):
    finished = submitted("--task", "copy")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.said == [
        "srun --ntasks=1 --cpus-per-task=4 attnbench sweep --executor processes --workers 4 --task copy"
    ]


def test_a_job_of_an_array_makes_its_share(submitted):
    finished = submitted("task=copy,sort", environment=array(3, 1, 8, 8))
    assert finished.returncode == 0
    assert finished.said[0].endswith("--workers 4 --share 3/8 --no-plot task=copy,sort")


@pytest.mark.parametrize("ids", [(0, 0, 3, 4), (5, 1, 5, 3), (5, 5, 5, 1)])
def test_an_array_that_does_not_count_from_one_without_gaps_is_refused(submitted, ids):
    finished = submitted(environment=array(*ids))
    assert (finished.returncode, finished.said) == (2, [])
    assert "expected --array=1-N" in finished.stderr


def test_a_saved_job_requeues_itself_alone_and_not_its_array(submitted):
    finished = submitted(environment=array(8, 1, 8, 8), status=143)
    assert (finished.returncode, finished.said[-1]) == (143, "scontrol requeue 17_8")
    assert submitted(status=143).said[-1] == "scontrol requeue 20"


def test_a_job_that_comes_back_without_end_is_given_up(submitted):
    last = submitted(status=143, environment={"SLURM_RESTART_COUNT": "19"})
    assert last.said[-1] == "scontrol requeue 20"
    finished = submitted(status=143, environment={"SLURM_RESTART_COUNT": "20"})
    assert (finished.returncode, finished.said[len(last.said) :]) == (143, [last.said[0]])
    assert "begun again 20 times" in finished.stderr
    assert "submit the same again" in finished.stderr


@pytest.mark.parametrize("status", [0, 1, 2, 130])
def test_any_other_end_is_the_end_of_the_job(submitted, status):
    finished = submitted(status=status)
    assert (finished.returncode, len(finished.said)) == (status, 1)


def test_a_cancelled_job_does_not_come_back(submitted):
    # Slurm then signals the shell of the job as well as the step.
    finished = submitted(srun="kill -TERM $PPID; exit 143")
    assert (finished.returncode, len(finished.said)) == (143, 1)


def test_a_program_that_is_not_there_is_named(submitted):
    finished = submitted(environment={"ATTNBENCH": ""})
    assert (finished.returncode, finished.said) == (2, [])
    assert "no .venv/bin/attnbench here" in finished.stderr


def test_outside_a_job_it_says_how_to_submit_it(submitted):
    finished = submitted(environment={"SLURM_JOB_ID": ""})
    assert finished.returncode != 0
    assert "sbatch scripts/attnbench.sbatch" in finished.stderr

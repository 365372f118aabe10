"""Sweeps on a real Slurm of one node."""

import re

import pytest

from tests.commands import TINY_SWEEP, attnbench, modification_times, rows_of, started, without_times
from tests.slurm import jobs
from tests.slurm.jobs import ON_SLURM, end_of, put_in_order, slurm, states, sweep, until, wait_for_words

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

IN_ONE_JOB = ("executor.runs_per_job=4",)


@pytest.fixture
def node(cluster):
    return slurm("sinfo", "--noheader", "--Node", "--format=%N").split()[0]


def test_what_a_test_leaves_behind_is_told_where_it_fails_and_put_in_order_for_the_next(
    results, node, monkeypatch
):
    slurm("sbatch", "--output=/dev/null", "--wrap=sleep 600")
    until(lambda: slurm("squeue", "--noheader", "--states=RUNNING"))
    slurm("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=left-behind")
    slurm("scontrol", "update", "PartitionName=main", "State=DOWN")
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "PATIENCE_SECONDS", 0.0)
        with pytest.raises(AssertionError) as failure:
            until(lambda: False)
    assert all(
        each in str(failure.value) for each in ("RUNNING", "left-behind", "slurmctld.log", "slurmd.log")
    )
    put_in_order()
    slurm("sbatch", "--wait", "--output=/dev/null", "--wrap=true")


def test_the_cluster_gives_the_very_rows_that_this_process_gives(results):
    finished = sweep(results)
    assert finished.status == 0, finished.err
    assert attnbench(*TINY_SWEEP, "--results", results, "--name", "here").status == 0
    rows = [without_times(rows_of(results / name / "metrics.csv")) for name in ("quick-reverse", "here")]
    assert len(rows[0]) == 4
    assert rows[0] == rows[1]


def test_who_does_not_wait_finds_the_jobs_again_and_no_run_is_made_twice(results):
    folder = results / "quick-reverse"
    finished = sweep(results, "--no-wait", "executor.sbatch={hold: true}")
    assert finished.status == 0, finished.err
    assert states(folder) == {"pending": 4}
    said = attnbench("status", folder).out
    (remedy,) = re.findall(r"Slurm holds 4 of them: JobHeldUser \(`(.*)` frees them\)", said)
    with started(*TINY_SWEEP, *ON_SLURM, "--results", results) as again:
        wait_for_words(again, "4 runs were in its queue already")
        slurm(*remedy.split())
        end_of(again)
    assert states(folder) == {"done": 4}
    assert len(list((folder / "jobs").glob("*.json"))) == 1
    times = modification_times(folder)
    assert sweep(results).status == 0
    assert modification_times(folder) == times


def test_a_cancelled_sweep_is_taken_up_again(results):
    folder = results / "quick-reverse"
    assert sweep(results, "--no-wait", "executor.sbatch={hold: true}").status == 0
    assert "2 jobs" in attnbench("cancel", folder).err
    assert states(folder) == {"waiting": 4}
    assert "No job" in attnbench("cancel", folder).err
    assert sweep(results).status == 0
    assert states(folder) == {"done": 4}


def test_runs_of_a_job_that_was_killed_are_lost_and_done_again(results):
    folder = results / "quick-reverse"
    assert sweep(results, "--no-wait", "executor.sbatch={hold: true}").status == 0
    slurm("scancel", "--user=root")
    until(lambda: states(folder) == {"lost": 4})
    assert sweep(results, *IN_ONE_JOB).status == 0
    assert states(folder) == {"done": 4}


def test_runs_are_handed_over_to_nodes_that_are_drained_and_wait_for_better_times(results, node):
    folder = results / "quick-reverse"
    slurm("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    try:
        finished = sweep(results, "--no-wait", *IN_ONE_JOB)
        assert finished.status == 0, finished.err
        assert states(folder) == {"pending": 4}
        until(lambda: "Slurm holds 4 of them: Nodes required for job are" in attnbench("status", folder).out)
        refused = sweep(results, "--name", "too-large", "executor.memory_gb=100000")
        assert refused.status == 2
        assert "Memory specification can not be satisfied" in refused.err
        assert not (results / "too-large").exists()
    finally:
        slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")
    assert sweep(results).status == 0
    assert states(folder) == {"done": 4}


def test_the_words_of_sbatch_are_shown_and_nothing_is_written(results):
    finished = sweep(results, "executor.partition=nowhere")
    assert finished.status == 2
    assert "invalid partition specified: nowhere" in finished.err
    assert not results.exists()

"""Sweeps on a real Slurm of one node."""

import re

import pytest

from attnbench.runs.folder import RunFolder
from tests.commands import (
    ENDLESS,
    TINY_SWEEP,
    attnbench,
    modification_times,
    rows_of,
    run_folders,
    started,
    without_times,
)
from tests.slurm.jobs import ON_SLURM, release, slurm, states, sweep, until

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

SAVING_RARELY = (*ENDLESS, "training.evaluate_every=500")
ONE_RUN = ("--lengths", "3", "--models", "fixed")


@pytest.fixture
def node(cluster):
    return slurm("sinfo", "--noheader", "--Node", "--format=%N").split()[0]


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
        assert again.stderr is not None
        assert any("4 runs were in its queue already" in line for line in again.stderr)
        slurm(*remedy.split())
        again.communicate(timeout=120)
    assert again.returncode == 0
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
    assert sweep(results).status == 0
    assert states(folder) == {"done": 4}


def test_a_job_that_is_warned_saves_is_requeued_and_goes_on_from_there(results):
    folder = results / "quick-reverse"
    assert sweep(results, "--no-wait", *ONE_RUN, *SAVING_RARELY).status == 0
    (run,) = (RunFolder(path) for path in run_folders(folder))
    until(run.checkpoint_file.exists)
    (job,) = slurm("squeue", "--noheader", "--format=%i").split()
    slurm("scancel", "--signal=USR2", job)
    until(lambda: states(folder) == {"pending": 1})
    saved = run.checkpoint_file.stat().st_mtime_ns
    release(job)
    until(lambda: states(folder) == {"running": 1})
    until(lambda: run.checkpoint_file.stat().st_mtime_ns > saved)
    steps = [int(row["step"]) for row in rows_of(run.train_file)]
    assert steps == sorted(set(steps))
    assert max(steps) > 500


def test_runs_side_by_side_in_a_preempted_job_save_and_wait_for_their_turn(results):
    folder = results / "quick-reverse"
    assert sweep(results, "--no-wait", "--lengths", "3", *SAVING_RARELY, "executor.cpus=4").status == 0
    runs = [RunFolder(path) for path in run_folders(folder)]
    assert len(runs) == 2
    # Neither run ends: where both have saved, both are under way at once.
    until(lambda: all(run.checkpoint_file.exists() for run in runs))
    slurm("sbatch", "--partition=urgent", "--cpus-per-task=4", "--output=/dev/null", "--wrap=sleep 600")
    until(lambda: states(folder) == {"pending": 2})
    assert [run.state for run in runs] == ["interrupted"] * 2


def test_runs_are_handed_over_to_nodes_that_are_drained_and_wait_for_better_times(results, node):
    folder = results / "quick-reverse"
    slurm("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    try:
        finished = sweep(results, "--no-wait")
        assert finished.status == 0, finished.err
        assert states(folder) == {"pending": 4}
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

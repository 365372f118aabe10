"""What may happen to the jobs of a sweep on a real Slurm, and that its rows are those of an undisturbed one."""

import os
import signal
import subprocess
import time
from socket import gethostname

import pytest

from tests.commands import TINY_SWEEP, attnbench, rows_of, started, without_times
from tests.slurm.jobs import (
    ON_SLURM,
    freeze,
    freeze_all,
    job_of,
    kill_hard,
    release,
    runs_of,
    slurm,
    states,
    until,
)

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

LONG = (
    "--models",
    "fixed",
    "training.steps=600",
    "training.evaluate_every=50",
    "training.patience=1000000",
)
ONE_RUN = ("--lengths", "3")
ALONE = ("executor.runs_per_job=1",)
NODE = gethostname().partition(".")[0]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The rows of the two runs where nothing happens."""
    results = tmp_path_factory.mktemp("undisturbed")
    assert attnbench(*TINY_SWEEP, *LONG, "--results", results).status == 0
    return without_times(rows_of(results / "quick-reverse" / "metrics.csv"))


@pytest.fixture
def folder(results):
    return results / "quick-reverse"


def waiting_sweep(results, *words):
    return started(*TINY_SWEEP, *LONG, *ON_SLURM, "--results", results, *words)


def end_of(process):
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return err


def resumed_from(run):
    outcome = run.read_outcome()
    assert outcome is not None
    return outcome.resumed_from_step or 0


def submissions(folder):
    return len(list((folder / "jobs").glob("*.json")))


def test_a_job_saves_before_its_time_limit_and_goes_on_from_there(results, folder, undisturbed):
    with waiting_sweep(results, *ONE_RUN, "executor.time_minutes=1", "executor.save_seconds=20") as process:
        (run,) = runs_of(folder)
        release(job_of(freeze(run)))
        end_of(process)
    assert resumed_from(run) > 0
    assert submissions(folder) == 1
    rows = without_times(rows_of(folder / "metrics.csv"))
    assert rows == [row for row in undisturbed if row["length"] == "3"]


def test_a_preempted_job_goes_on_when_the_urgent_one_is_over(results, folder, undisturbed):
    with waiting_sweep(results, *ONE_RUN, "executor.cpus=4") as process:
        (run,) = runs_of(folder)
        job = job_of(freeze(run))
        words = "--partition=urgent", "--cpus-per-task=4", "--output=/dev/null", "--wrap=sleep 600"
        urgent = slurm("sbatch", "--parsable", *words).strip()
        until(lambda: states(folder) == {"pending": 1})
        slurm("scancel", urgent)
        release(job)
        end_of(process)
    assert resumed_from(run) > 0
    assert submissions(folder) == 1
    rows = without_times(rows_of(folder / "metrics.csv"))
    assert rows == [row for row in undisturbed if row["length"] == "3"]


def test_jobs_that_are_cancelled_from_outside_or_killed_are_done_again_from_their_checkpoints(
    results, folder, undisturbed
):
    with waiting_sweep(results, *ALONE) as process:
        runs = runs_of(folder, 2)
        cancelled, killed = freeze_all(runs)
        slurm("scancel", job_of(cancelled))
        kill_hard(killed, with_daemons=False)
        err = end_of(process)
    assert "submitted once more" in err
    assert all(resumed_from(run) > 0 for run in runs)
    assert without_times(rows_of(folder / "metrics.csv")) == undisturbed


def test_a_job_whose_node_dies_is_requeued_by_slurm_and_goes_on(results, folder, undisturbed):
    with waiting_sweep(results, *ONE_RUN) as process:
        (run,) = runs_of(folder)
        held = freeze(run)
        job = job_of(held)
        kill_hard(held, with_daemons=True)
        slurm("scontrol", "update", f"NodeName={NODE}", "State=DOWN", "Reason=died")
        until(lambda: states(folder) == {"pending": 1})
        until(comes_back)
        release(job)
        end_of(process)
    assert resumed_from(run) > 0
    assert submissions(folder) == 1
    rows = without_times(rows_of(folder / "metrics.csv"))
    assert rows == [row for row in undisturbed if row["length"] == "3"]


def comes_back():
    """Ask for the node that died; Slurm refuses while it is not down yet, or back already."""
    subprocess.run(["scontrol", "update", f"NodeName={NODE}", "State=RESUME"], capture_output=True)
    return slurm("sinfo", "--noheader", "--format=%T").split()[0] == "idle"


def test_an_element_of_an_array_is_requeued_and_the_others_stay_as_they_are(results, folder, undisturbed):
    with waiting_sweep(results, *ALONE) as process:
        runs = runs_of(folder, 2)
        job = job_of(freeze(runs[0]))
        until(lambda: runs[1].state == "done")
        before = runs[1].status_file.stat().st_mtime_ns
        slurm("scontrol", "requeue", job)
        release(job)
        end_of(process)
    assert resumed_from(runs[0]) > 0
    assert runs[1].status_file.stat().st_mtime_ns == before
    assert submissions(folder) == 1
    assert starts(folder, runs[1]) == 1
    assert starts(folder, runs[0]) == 2
    assert without_times(rows_of(folder / "metrics.csv")) == undisturbed


def starts(folder, run):
    said = "".join(path.read_text() for path in (folder / "jobs" / "logs").glob("*_log.out"))
    return said.count(f"RunStarted(run_id='{run.run_id}')")


def test_daemons_that_are_killed_and_come_back_cost_nothing(cluster, results, folder, undisturbed):
    with waiting_sweep(results, *ALONE) as process:
        runs = runs_of(folder, 2)
        held = freeze_all(runs)
        let_write_down(cluster, job_of(held[0]).partition("_")[0])
        kill_and_bring_back_daemons(cluster, process)
        for each in held:
            os.kill(each, signal.SIGCONT)
        end_of(process)
    assert submissions(folder) == 1
    assert [starts(folder, run) for run in runs] == [1, 1]
    assert without_times(rows_of(folder / "metrics.csv")) == undisturbed


def test_jobs_that_slurm_forgot_to_have_started_go_on_from_where_they_were(
    cluster, results, folder, undisturbed
):
    slurm("scontrol", "update", "PartitionName=main", "State=DOWN")
    with waiting_sweep(results, *ALONE) as process:
        until(lambda: slurm("squeue", "--noheader"))
        let_write_down(cluster, slurm("squeue", "--noheader", "--format=%F").strip())
        before_start = (cluster / "state" / "job_state").read_bytes()
        slurm("scontrol", "update", "PartitionName=main", "State=UP")
        runs = runs_of(folder, 2)
        freeze_all(runs)
        kill_and_bring_back_daemons(cluster, process, job_state=before_start)
        end_of(process)
    assert submissions(folder) == 1
    assert [starts(folder, run) for run in runs] == [2, 2]
    assert all(resumed_from(run) > 0 for run in runs)
    assert without_times(rows_of(folder / "metrics.csv")) == undisturbed


def let_write_down(cluster, job):
    """Wait until slurmctld has saved what it knows of a job; it takes up to five seconds for that."""
    now = time.time()
    slurm("scontrol", "update", f"JobId={job}", "Comment=held")
    until(lambda: (cluster / "state" / "job_state").stat().st_mtime > now)


def kill_and_bring_back_daemons(cluster, process, job_state=None):
    kill(cluster, "slurmd")
    kill(cluster, "slurmctld")
    if job_state is not None:
        (cluster / "state" / "job_state").write_bytes(job_state)
    assert any("Still waiting." in line for line in process.stderr)
    start(cluster, "slurmctld")
    start(cluster, "slurmd")


def kill(cluster, name):
    os.kill(int((cluster / "run" / f"{name}.pid").read_text()), signal.SIGKILL)


def start(cluster, name):
    subprocess.run([name, "-f", cluster / "slurm.conf"], check=True)

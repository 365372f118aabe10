"""What may happen to the jobs of a sweep on a real Slurm, and that its rows are those of an undisturbed one."""

import contextlib
import os
import signal
import subprocess
import time
from socket import gethostname

import pytest

from tests.commands import TINY_SWEEP, attnbench, rows_of, started, without_times
from tests.slurm.jobs import (
    ON_SLURM,
    REVOKED_SECONDS,
    end_of,
    freeze,
    freeze_all,
    job_of,
    kill_hard,
    release,
    runs_of,
    slurm,
    states,
    tried,
    until,
    wait_for_words,
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


def resumed_from(run):
    outcome = run.read_outcome()
    assert outcome is not None
    return outcome.resumed_from_step or 0


def submissions(folder):
    return len(list((folder / "jobs").glob("*.json")))


def test_a_job_saves_before_its_time_limit_and_goes_on_from_there(results, folder, undisturbed):
    with waiting_sweep(results, *ONE_RUN, "executor.time_minutes=10", "executor.save_seconds=400") as process:
        (run,) = runs_of(folder)
        job = job_of(freeze(run))
        before = run.checkpoint_file.stat().st_mtime_ns
        # As if it had run for some minutes; Slurm looks for limits every half minute.
        slurm("scontrol", "update", f"JobId={job}", "TimeLimit=7")
        until(lambda: states(folder) == {"pending": 1})
        assert run.checkpoint_file.stat().st_mtime_ns > before
        slurm("scontrol", "update", f"JobId={job}", "TimeLimit=10")
        release(job)
        end_of(process)
    assert resumed_from(run) > 0
    steps = [int(row["step"]) for row in rows_of(run.train_file)]
    assert steps == sorted(set(steps))
    assert submissions(folder) == 1
    rows = without_times(rows_of(folder / "metrics.csv"))
    assert rows == [row for row in undisturbed if row["length"] == "3"]


def test_runs_side_by_side_in_a_preempted_job_go_on_when_the_urgent_one_is_over(results, folder, undisturbed):
    with waiting_sweep(results, "executor.cpus=4") as process:
        runs = runs_of(folder, 2)
        # Both have saved, and neither has ended: both are under way at once.
        jobs = {job_of(held) for held in freeze_all(runs)}
        (job,) = jobs
        words = "--partition=urgent", "--cpus-per-task=4", "--output=/dev/null", "--wrap=sleep 600"
        urgent = slurm("sbatch", "--parsable", *words).strip()
        until(lambda: states(folder) == {"pending": 2})
        assert [run.state for run in runs] == ["interrupted"] * 2
        slurm("scancel", urgent)
        release(job)
        end_of(process)
    assert all(resumed_from(run) > 0 for run in runs)
    assert submissions(folder) == 1
    assert without_times(rows_of(folder / "metrics.csv")) == undisturbed


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
    tried("scontrol", "update", f"NodeName={NODE}", "State=RESUME")
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


def test_a_requeued_job_goes_on_with_its_trunk_and_the_branches_of_it(results, folder, undisturbed):
    with waiting_sweep(results, *ONE_RUN, "--budgets", "300,600") as process:
        runs = {run.read_spec()["training"]["steps"]: run for run in runs_of(folder, 2)}
        job = job_of(freeze(runs[300]))
        slurm("scontrol", "requeue", job)
        release(job)
        end_of(process)
    assert resumed_from(runs[300]) > 0
    assert resumed_from(runs[600]) == 225
    assert submissions(folder) == 1
    rows = [
        row for row in without_times(rows_of(folder / "metrics.csv")) if row["run_id"] == runs[600].run_id
    ]
    assert rows == [row for row in undisturbed if row["length"] == "3"]


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
    killed_before = steps(cluster)
    slurm("scontrol", "update", "PartitionName=main", "State=DOWN")
    with waiting_sweep(results, *ALONE) as process:
        until(lambda: slurm("squeue", "--noheader"))
        let_write_down(cluster, slurm("squeue", "--noheader", "--format=%F").strip())
        before_start = (cluster / "state" / "job_state").read_bytes()
        slurm("scontrol", "update", "PartitionName=main", "State=UP")
        runs = runs_of(folder, 2)
        freeze_all(runs)
        with partition_down(cluster):
            kill_and_bring_back_daemons(cluster, process, job_state=before_start)
        # Given the jobs sooner, slurmd says that it has them still, or had them this second: Slurm drains the node.
        until(lambda: steps(cluster) <= killed_before)
        time.sleep(REVOKED_SECONDS)
        slurm("scontrol", "update", "PartitionName=main", "State=UP")
        end_of(process)
    assert submissions(folder) == 1
    assert [starts(folder, run) for run in runs] == [2, 2]
    assert all(resumed_from(run) > 0 for run in runs)
    assert without_times(rows_of(folder / "metrics.csv")) == undisturbed


def let_write_down(cluster, job):
    """Wait until slurmctld has saved what it knows of a job: five seconds after a change, or at the tenth at once."""
    now = time.time()

    def is_written():
        slurm("scontrol", "update", f"JobId={job}", "Comment=held")
        return (cluster / "state" / "job_state").stat().st_mtime > now

    until(is_written)


def steps(cluster):
    """Return the sockets by which slurmd knows what it has of jobs; that of a step whose daemon was killed stays."""
    return set((cluster / "spool").glob(f"{NODE}_*"))


@contextlib.contextmanager
def partition_down(cluster):
    """Let a slurmctld that is started within start no job."""
    file = cluster / "slurm.conf"
    before = file.read_text()
    file.write_text(
        before.replace("Default=YES MaxTime=INFINITE State=UP", "Default=YES MaxTime=INFINITE State=DOWN")
    )
    assert file.read_text() != before
    try:
        yield
    finally:
        file.write_text(before)


def kill_and_bring_back_daemons(cluster, process, job_state=None):
    kill(cluster, "slurmd")
    kill(cluster, "slurmctld")
    try:
        if job_state is not None:
            (cluster / "state" / "job_state").write_bytes(job_state)
        wait_for_words(process, "Still waiting.")
    finally:
        start(cluster, "slurmctld")
        start(cluster, "slurmd")


def kill(cluster, name):
    os.kill(int((cluster / "run" / f"{name}.pid").read_text()), signal.SIGKILL)


def start(cluster, name):
    subprocess.run([name, "-f", cluster / "slurm.conf"], check=True)

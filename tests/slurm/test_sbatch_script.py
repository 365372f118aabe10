"""Jobs that a person submits with scripts/attnbench.sbatch, on a real Slurm of one node."""

import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.commands import ENDLESS, TINY, TINY_SWEEP, attnbench, modification_times, rows_of, without_times
from tests.slurm.jobs import release, runs_of, slurm, until

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

SCRIPT = ROOT / "scripts" / "attnbench.sbatch"
SMALL_JOB = ("--cpus-per-task=2", "--mem=1G", "--parsable")
WORDS = ("--lengths", "2,3", "--seeds", "1", *TINY)
# It learns nothing and never stops by itself.
LONG_RUNS = ("--lengths", "30", "--seeds", "1", *TINY, *ENDLESS)


@pytest.fixture(autouse=True)
def _in_the_folder_of_the_jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNBENCH", str(Path(sys.executable).with_name("attnbench")))
    monkeypatch.chdir(tmp_path)


def submit(*words):
    """Submit the script with options of sbatch before it and the sweep's words after it; return the job's id."""
    return slurm("sbatch", *SMALL_JOB, *words).strip()


def queue(what="%i"):
    return slurm("squeue", "--noheader", "--array", f"--format={what}").split()


def logs(folder):
    return "".join(path.read_text() for path in sorted(folder.glob("attnbench-*.out")))


def test_an_array_gives_the_very_rows_of_a_plain_sweep_and_a_last_job_draws(results):
    array = submit("--array=1-2", SCRIPT, *WORDS)
    submit(f"--dependency=afterany:{array}", SCRIPT, *WORDS)
    until(lambda: len(queue()) <= 1)
    folder = results / "quick-reverse"
    times = modification_times(folder)
    until(lambda: not queue())
    assert (folder / "accuracy_vs_length.png").exists(), logs(results.parent)
    assert modification_times(folder) == times
    assert attnbench(*TINY_SWEEP, "--results", results, "--name", "here").status == 0
    rows = [without_times(rows_of(each / "metrics.csv")) for each in (folder, results / "here")]
    assert len(rows[0]) == 4
    assert rows[0] == rows[1]


def test_each_job_of_an_array_that_is_warned_saves_requeues_itself_and_goes_on(results):
    submit("--array=1-2", "--cpus-per-task=1", SCRIPT, *LONG_RUNS, "--name", "long")
    until(lambda: len(queue("%T")) == 2)
    runs = runs_of(results / "long", 2)
    until(lambda: all(run.checkpoint_file.exists() for run in runs))
    # What Slurm does by itself ninety seconds before the limit.
    slurm("scancel", "--signal=TERM", *queue())
    until(lambda: queue("%r") == ["BeginTime"] * 2)
    assert logs(results.parent).count("waits for its next turn") == 2
    assert [run.state for run in runs] == ["interrupted"] * 2
    saved = {run.run_id: run.checkpoint_file.stat().st_mtime_ns for run in runs}
    for job in queue():
        release(job)
    until(lambda: all(run.checkpoint_file.stat().st_mtime_ns > saved[run.run_id] for run in runs))
    for run in runs:
        steps = [int(row["step"]) for row in rows_of(run.train_file)]
        assert steps == sorted(set(steps))


def test_a_cancelled_job_saves_and_does_not_come_back(results):
    job = submit(SCRIPT, *LONG_RUNS, "--models", "fixed", "--name", "long")
    (run,) = runs_of(results / "long")
    until(run.checkpoint_file.exists)
    slurm("scancel", job)
    until(lambda: not queue())
    assert "Saving what has been done" in logs(results.parent)
    assert run.state == "interrupted"

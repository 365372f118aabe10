"""How far the runs of a sweep are; and the commands of a sweep on a cluster, whose queue is a fake one."""

import io
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from attnbench.cli import status
from attnbench.runs.folder import RunFolder
from attnbench.runs.status import RunStatus
from attnbench.runs.store import RunStore
from tests.commands import TINY_SWEEP, attnbench, contents, run_folders
from tests.executors.fake_slurm import install
from tests.runs.tiny_runs import finish


@pytest.fixture
def mixed(swept):
    """Of four runs one is done, one has failed, one was interrupted and one has not begun."""
    _, failed, interrupted, waiting = run_folders(swept)
    RunFolder(failed).write_outcome(RunStatus(failed.name, "failed", error="the reason"))
    (interrupted / "status.json").unlink()
    (waiting / "status.json").unlink()
    (waiting / "checkpoint.pt").unlink()
    return swept


def test_a_finished_sweep_is_a_line(swept):
    finished = attnbench("status", "quick-reverse", "--results", swept.parent)
    assert (finished.status, finished.err) == (0, "")
    assert finished.out.splitlines() == [f"{swept}: 4 runs", "       4  done"]


def test_what_is_not_done_is_named_with_its_state(mixed):
    _, failed, interrupted, waiting = (run.name for run in run_folders(mixed))
    with RunFolder(mixed / "runs" / waiting).claim():
        finished = attnbench("status", mixed)
    assert finished.status == 0
    assert f"failed       {failed}: the reason" in finished.out
    assert f"interrupted  {interrupted}" in finished.out
    assert f"running      {waiting}" in finished.out


def test_json_counts_and_names(mixed):
    done, failed, interrupted, waiting = (run.name for run in run_folders(mixed))
    found = attnbench("status", mixed, "--json").json
    assert found["counts"] == {"done": 1, "failed": 1, "interrupted": 1, "waiting": 1}
    assert found["runs"] == {done: "done", failed: "failed", interrupted: "interrupted", waiting: "waiting"}
    assert found["failed"] == {failed: "the reason"}


def test_a_sweep_that_is_not_there_gets_those_that_are(swept):
    finished = attnbench("status", "quick-revers", "--results", swept.parent)
    assert (finished.status, finished.out) == (2, "")
    assert "Known: quick-reverse. Did you mean quick-reverse?" in finished.err


def test_a_sweep_in_a_deeper_folder_is_among_those_that_are(swept):
    (swept.parent / "thesis").mkdir()
    swept.rename(swept.parent / "thesis" / "quick")
    assert attnbench("status", "thesis/quick", "--results", swept.parent).status == 0
    assert "Known: thesis/quick." in attnbench("status", "quick", "--results", swept.parent).err


@pytest.mark.parametrize("name", ["", "nothing", "file"])
def test_a_folder_without_results_exits_2(tmp_path, name):
    (tmp_path / "nothing").mkdir()
    (tmp_path / "file").touch()
    finished = attnbench("status", tmp_path / name, "--results", tmp_path)
    assert (finished.status, finished.out) == (2, "")
    assert "holds no results" in finished.err


SWEEP = (*TINY_SWEEP, "--executor", "slurm", "--no-wait")


@pytest.fixture
def fake(tmp_path, monkeypatch):
    return install(tmp_path / "bin", monkeypatch)


@pytest.fixture
def handed_over(fake, results):
    finished = attnbench(*SWEEP, "--results", results, "executor.runs_per_job=2")
    assert finished.status == 0, finished.err
    assert "4 runs handed to Slurm" in finished.err
    assert "attnbench status" in finished.err
    return results / "quick-reverse"


def states(folder):
    return attnbench("status", folder, "--json").json["counts"]


def test_status_tells_what_jobs_and_folders_do(fake, handed_over):
    assert states(handed_over) == {"pending": 4}
    first, second, *_ = (RunFolder(path) for path in run_folders(handed_over))
    finish(first)
    second.claim_file.touch()
    fake.set_states("RUNNING")
    assert states(handed_over) == {"done": 1, "running": 1, "pending": 2}
    fake.put([])
    assert states(handed_over) == {"done": 1, "lost": 3}


def test_status_says_why_slurm_holds_jobs_for_good_and_how_to_free_them(fake, handed_over):
    fake.hold("launch failed requeued held")
    lines = attnbench("status", handed_over).out.splitlines()
    job_id = fake.queue[0][1]
    assert lines[1:3] == [
        "       4  pending: a job of the cluster will take them up",
        "          Slurm holds 4 of them: launch failed requeued held "
        f"(`scontrol release {job_id}` frees them)",
    ]
    found = attnbench("status", handed_over, "--json").json
    assert found["reasons"] == dict.fromkeys(found["runs"], "launch failed requeued held")
    fake.hold("PartitionTimeLimit")
    assert attnbench("status", handed_over).out.splitlines()[2].endswith("4 of them: PartitionTimeLimit")


@pytest.mark.parametrize("reason", ["None", "Priority", "Resources", "BeginTime", "JobArrayTaskLimit"])
def test_status_is_silent_about_what_passes_by_itself(fake, handed_over, reason):
    fake.hold(reason)
    assert "Slurm holds" not in attnbench("status", handed_over).out
    assert attnbench("status", handed_over, "--json").json["reasons"] == {}


def test_the_same_command_submits_only_what_no_job_is_at(fake, handed_over):
    results = handed_over.parent
    finished = attnbench(*SWEEP, "--results", results)
    assert (finished.status, fake.submissions) == (0, 1)
    assert "4 runs were in its queue already" in finished.err
    fake.put(fake.queue[:1])
    finished = attnbench(*SWEEP, "--results", results)
    assert (finished.status, fake.submissions) == (0, 2)
    assert "2 runs handed to Slurm" in finished.err
    assert "2 runs were in its queue already" in finished.err


def test_cancel_ends_the_jobs_and_their_runs_are_unfinished_not_lost(fake, handed_over):
    finished = attnbench("cancel", handed_over)
    assert finished.status == 0
    assert "2 jobs of" in finished.err
    assert fake.queue == []
    assert states(handed_over) == {"waiting": 4}
    assert "No job of" in attnbench("cancel", handed_over).err


def test_status_lives_with_a_slurm_that_does_not_answer(fake, handed_over):
    fake.refuse("squeue", "Unable to contact slurm controller")
    finished = attnbench("status", handed_over)
    assert finished.status == 0
    assert "4  waiting: not begun" in finished.out
    assert "Unable to contact slurm controller" in finished.err


def test_later_stages_wait_for_the_jobs_of_the_first(fake, results):
    finished = attnbench(*SWEEP, "--results", results, "--tune-rates", "1e-3,1e-2")
    assert finished.status == 0, finished.err
    assert fake.submissions == 1
    assert "handed to Slurm" in finished.err
    assert "No rate is chosen before all of these runs have ended" in finished.err
    assert "8 of 8 runs are left" in finished.err


def test_no_wait_is_for_a_cluster(results):
    finished = attnbench(*TINY_SWEEP, "--results", results, "--no-wait")
    assert (finished.status, results.exists()) == (2, False)
    assert "Only --executor slurm" in finished.err


def test_a_refused_sweep_writes_nothing(fake, results):
    fake.refuse("sbatch", "sbatch: error: invalid partition specified: nowhere")
    before = contents(results.parent)
    finished = attnbench(*SWEEP, "--results", results, "executor.partition=nowhere")
    assert finished.status == 2
    assert "invalid partition specified: nowhere" in finished.err
    assert {path for path in contents(results.parent) if "bin/" not in path} == {
        path for path in before if "bin/" not in path
    }


def test_setup_lines_and_further_options_are_typed_as_hydra_types_them(fake, results):
    words = (
        "executor.setup=['module load cuda','export A=1']",
        "executor.sbatch={qos: high, exclusive: true}",
    )
    finished = attnbench(*SWEEP, "--results", results, *words)
    assert finished.status == 0, finished.err
    for line in ("module load cuda", "export A=1", "#SBATCH --qos=high", "#SBATCH --exclusive"):
        assert line in fake.script.splitlines()


@pytest.mark.parametrize(("room", "handed_over"), [(0, 0), (2, 2)])
def test_what_slurm_refuses_after_all_is_left_and_the_same_command_carries_on(
    fake, results, room, handed_over
):
    fake.limit(room)
    words = ("executor.runs_per_job=1", "--results", results)
    fake.answer("scontrol", "MaxArraySize = 2")
    finished = attnbench(*SWEEP, "--json", *words)
    assert finished.status == 1
    assert "QOSMaxSubmitJobPerUserLimit" in finished.err
    assert "QOSMaxSubmitJobPerUserLimit" in finished.json["refused"]
    assert len(finished.json["unfinished"]) == 4
    assert len(fake.queue) == handed_over
    fake.limit(4)
    assert attnbench(*SWEEP, *words).status == 0
    assert len(fake.queue) == 4


def test_watching_a_finished_sweep_ends_at_once_with_its_status(swept):
    finished = attnbench("status", swept, "--watch")
    assert finished.status == 0
    assert finished.out.splitlines() == ["4 done", f"{swept}: 4 runs", "       4  done"]


def test_watching_tells_what_changes_and_ends_when_nobody_is_at_the_runs(mixed, monkeypatch):
    """A run ends between two looks; then the same is seen until it is clear that nobody goes on."""
    looks = iter(range(100))
    waiting = run_folders(mixed)[3]

    def wait(_seconds):
        if next(looks) == 1:
            finish(RunFolder(waiting))

    monkeypatch.setattr(status, "time", SimpleNamespace(sleep=wait))
    lines = attnbench("status", mixed, "--watch").out.splitlines()
    assert lines[:2] == ["1 done, 1 failed, 1 interrupted, 1 waiting", "2 done, 1 failed, 1 interrupted"]
    assert lines[2] == f"{mixed}: 2 of 4 planned runs"
    assert next(looks) == status.IDLE_LOOKS - 1


def test_a_run_at_work_is_shown_with_step_accuracy_and_what_is_left(mixed):
    store = RunStore(mixed)
    run_id = run_folders(mixed)[2].name
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(status._at_work(store, {run_id: "running"}, "1 running"))
    shown = console.export_text()
    assert "1 running" in shown
    assert re.search(rf"{run_id} │ +4 │ +4 │ +0\.\d\d │ +0\.0", shown)
    assert list(status._progress(store, run_folders(mixed)[3].name))[:2] in (["–", "4"], ["4", "4"])


def test_watching_and_json_are_refused_together(swept):
    finished = attnbench("status", swept, "--watch", "--json")
    assert (finished.status, "--watch" in finished.err) == (2, True)

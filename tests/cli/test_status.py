import pytest

from attnbench.runs.folder import RunFolder
from attnbench.runs.status import RunStatus
from tests.commands import attnbench, run_folders


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

import os
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml

from attnbench.errors import DamagedFileError, UserError
from attnbench.runs.metrics_csv import METRICS_COLUMNS, write_rows
from attnbench.runs.status import RunStatus
from attnbench.runs.store import RunStore, check_writable
from tests.metrics_rows import metrics_row


@pytest.fixture
def store(tmp_path):
    """Two runs that are done, one that failed and one that waits."""
    store = RunStore(tmp_path / "sweep")
    for run_id, length in (("a", 4), ("b", 8)):
        folder = store.folder(run_id)
        folder.prepare({"run_id": run_id}, [length])
        write_rows(folder.metrics_file, [metrics_row(run_id=run_id, length=length)])
        folder.write_outcome(RunStatus(run_id, "done", lengths=[length]))
    store.folder("c").prepare({"run_id": "c"}, [4])
    store.folder("c").write_outcome(RunStatus("c", "failed", error="why"))
    store.folder("d").prepare({"run_id": "d"}, [4])
    return store


def test_the_states_of_all_runs(store):
    assert store.states() == {"a": "done", "b": "done", "c": "failed", "d": "waiting"}


def test_runs_are_found_by_name_and_files_beside_them_are_none(store):
    (store.runs_path / "a.txt").write_text("a note of a person's")
    store.folder("B").prepare({"run_id": "B"}, [4])
    assert [folder.run_id for folder in store.folders()] == ["B", "a", "b", "c", "d"]


def test_what_another_process_does_to_a_run_is_seen_at_once(store):
    assert (store.folder("d").requested_lengths, store.states()["d"]) == ([4], "waiting")
    other = RunStore(store.path).folder("d")
    other.prepare({"run_id": "d"}, [8])
    assert store.folder("d").requested_lengths == [4, 8]
    other.write_outcome(RunStatus("d", "done", lengths=[4, 8]))
    assert store.states()["d"] == "done"
    other.status_file.unlink()
    assert store.states()["d"] == "waiting"


def test_rows_come_from_finished_runs_alone(store):
    rows = store.collect()
    assert [(row["run_id"], row["length"]) for row in rows] == [("a", "4"), ("b", "8")]
    assert list(rows[0]) == list(METRICS_COLUMNS)


def test_a_renamed_run_is_named_with_its_true_name_and_left_out(store):
    store.folder("b").path.rename(store.runs_path / "mine")
    assert store.states() == {"a": "done", "c": "failed", "d": "waiting", "mine": "renamed"}
    assert store.renamed() == {"mine": "b"}
    assert [row["run_id"] for row in store.collect()] == ["a"]
    assert store.about_renamed("mine", "b") == (
        f"{store.runs_path}/mine is the run b under another name: its rows are left out. "
        "Call it b again, and they count."
    )


def test_a_copy_of_a_run_does_not_count_twice(store):
    shutil.copytree(store.folder("b").path, store.runs_path / "backup")
    assert store.renamed() == {"backup": "b"}
    assert [row["run_id"] for row in store.collect()] == ["a", "b"]
    assert "That run is there too: remove one of the two." in store.about_renamed("backup", "b")


def test_a_run_whose_more_lengths_are_not_done_yet_keeps_its_rows(store):
    store.folder("a").prepare({"run_id": "a"}, [4, 16])
    assert [row["run_id"] for row in store.collect()] == ["a", "b"]


@pytest.mark.parametrize("name", ["metrics.csv", "spec.yaml", "status.json"])
def test_a_damaged_run_is_named_and_gives_no_row(store, name):
    path = store.runs_path / "a" / name
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DamagedFileError, match=f"a/{name} is damaged"):
        store.collect()
    told = []
    assert [row["run_id"] for row in store.collect(told.append)] == ["b"]
    assert len(told) == 1
    assert str(path) in told[0]


def test_a_store_that_is_not_there_is_empty(tmp_path):
    store = RunStore(tmp_path / "none")
    assert (store.states(), store.collect(), store.invocations(), store.is_ours) == ({}, [], [], False)


def test_invocations_are_added_to_sweep_yaml(tmp_path):
    store = RunStore(tmp_path / "new" / "sweep")
    store.record_invocation({"command": "one"})
    store.record_invocation({"command": "two"})
    assert [each["command"] for each in yaml.safe_load(store.sweep_file.read_text())["invocations"]] == [
        "one",
        "two",
    ]
    assert store.is_ours


@pytest.mark.parametrize("text", ["", "5", "invocations: 5", "a: [", "\x00"])
def test_a_damaged_sweep_yaml_loses_no_result(store, text):
    store.sweep_file.write_text(text)
    assert store.invocations() == []
    assert store.record_invocation({"command": "new"}) == (
        f"{store.sweep_file} is damaged: it is kept as sweep.damaged.yaml, and begun anew."
    )
    assert store.invocations() == [{"command": "new"}]
    assert (store.path / "sweep.damaged.yaml").read_text() == text


def entries(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ["", "new", "new/deeper"])
def test_an_empty_or_absent_folder_is_fine_and_is_not_made(tmp_path, name):
    RunStore(tmp_path / name).check_ours()
    assert entries(tmp_path) == []


def test_a_folder_of_ours_is_fine(store):
    store.check_ours()


def test_a_folder_is_ours_before_anything_else_is_written_into_it(tmp_path, monkeypatch):
    def check_ours(path, data):
        assert path == store.sweep_file
        RunStore(store.path).check_ours()

    store = RunStore(tmp_path / "new")
    monkeypatch.setattr("attnbench.runs.store.write_atomically", check_ours)
    store.record_invocation({})
    assert store.runs_path.is_dir()


def test_what_an_interrupted_first_command_left_is_ours(tmp_path):
    (tmp_path / "sweep.yaml").touch()
    RunStore(tmp_path).check_ours()


def test_somebody_elses_folder_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match=r"holds something else.*--results or --name"):
        RunStore(tmp_path).check_ours()


@pytest.mark.parametrize("name", ["file", "file/below", "file/below/deeper"])
def test_a_file_in_place_of_a_folder_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file is a file, expected a folder\. Use another --results"):
        RunStore(tmp_path / name).check_ours()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, in which nobody can write")
def test_a_folder_in_which_not_even_root_can_write_is_refused():
    with pytest.raises(UserError, match="/proc cannot be written to"):
        RunStore(Path("/proc/results/sweep")).check_ours()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_permission_to_write_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="cannot be written to"):
            check_writable(tmp_path / "new", "Use another.")
    finally:
        tmp_path.chmod(0o700)


def test_a_runs_folder_that_cannot_be_written_is_found_below_one_that_can(store, monkeypatch):
    right = tempfile.TemporaryFile

    def refuse(dir, **options):  # noqa: A002 the name that tempfile gives it
        if Path(dir) == store.runs_path:
            raise PermissionError(13, "Permission denied")
        return right(dir=dir, **options)

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(UserError, match=r"runs cannot be written to \(Permission denied\)"):
        store.check_ours()

"""Paths that cannot be: links that lead nowhere or in a circle, files for folders, folders for files.

Whatever command meets one names it and ends with 1 or 2, without a traceback; where the work can be done it is.
"""

import errno
import os
import shutil
import subprocess
import sys

import pytest
from matplotlib.figure import Figure

from attnbench.runs import execute
from tests.commands import TINY, attnbench, contents, run_folders
from tests.faults.carrying_on import FOLDER, TWO_RUNS, complete

SWEEP = (*TWO_RUNS, "--no-plot")
NOWHERE = "is a link that leads nowhere, to /nowhere/at/all"
FILES_OF_RUNS = [
    "checkpoint.pt",
    "environment.json",
    "evaluation.json",
    "metrics.csv",
    "spec.yaml",
    "status.json",
    "train.csv",
]
# Of a finished run: the commands that cannot do without the file, and the files that `sweep` names and makes anew.
REFUSE = {
    "checkpoint.pt": ["inspect"],
    "metrics.csv": ["plot", "inspect"],
    "spec.yaml": ["plot", "inspect"],
    "status.json": ["inspect"],
}
NAMED = ["environment.json", "metrics.csv", "spec.yaml", "train.csv"]
FILES_OF_THE_SWEEP = ["sweep.yaml", "claim", "metrics.csv", "curve.csv", "verdict.md"]


def dangling(path):
    path.symlink_to("/nowhere/at/all")


def circle(path):
    path.symlink_to(path.name)


def folder(path):
    path.mkdir()
    (path / "something").touch()


def file(path):
    path.write_text("something\n")


@pytest.fixture(autouse=True)
def _figures_are_laid_out_but_not_painted(monkeypatch):
    """Half the time of a `plot` goes into the pixels of its figures; a path that cannot be is met without them."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **_: file.write(b"a figure"))


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory):
    results = tmp_path_factory.mktemp("obstacles") / "results"
    complete(TWO_RUNS, results)
    return results


@pytest.fixture
def finished(finished_once, results):
    """A finished sweep of two runs; the test may do to it what it likes."""
    shutil.copytree(finished_once, results)
    return results / FOLDER


def put(obstacle, path):
    """Put an obstacle in the place of what is there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    obstacle(path)


def told(path, *words):
    """Give a command that meets an obstacle; it may cope with it, and else names it."""
    ended = attnbench(*words)
    assert ended.status in (0, 1, 2)
    assert "Traceback" not in ended.err
    if ended.status:
        assert str(path) in ended.err
    return ended


@pytest.mark.parametrize("words", [TWO_RUNS, ("train", *TINY, "task.length=2", "--name", FOLDER)])
@pytest.mark.parametrize("place", ["", FOLDER, f"{FOLDER}/runs"])
@pytest.mark.parametrize(
    ("obstacle", "said"),
    [(dangling, NOWHERE), (circle, "is a link that leads nowhere"), (file, "is a file, expected a folder")],
)
def test_nothing_begins_where_the_results_cannot_be(results, words, place, obstacle, said):
    path = results / place
    path.parent.mkdir(parents=True, exist_ok=True)
    obstacle(path)
    before = contents(results.parent)
    ended = attnbench(*words, "--results", results)
    assert (ended.status, ended.out) == (2, "")
    assert f"{path} {said}" in ended.err
    assert "Use another --results or --name." in ended.err
    assert contents(results.parent) == before


@pytest.mark.parametrize("obstacle", [dangling, circle])
@pytest.mark.parametrize(
    "words", [["plot"], ["status"], ["status", "--json"], ["cancel"], ["inspect"]], ids=str
)
@pytest.mark.parametrize("place", ["", FOLDER])
def test_results_that_are_looked_for_where_they_cannot_be(finished, results, words, obstacle, place):
    run = run_folders(finished)[0].name
    put(obstacle, results / place)
    name = FOLDER if words != ["inspect"] else run if not place else finished
    ended = attnbench(*words, name, "--results", results)
    assert (ended.status, ended.out) == (2, "")
    assert f"{results / place} is a link that leads nowhere, to " in ended.err


@pytest.mark.parametrize("obstacle", [dangling, circle, file])
def test_a_run_folder_that_cannot_be(finished, results, obstacle):
    path = run_folders(finished)[0]
    put(obstacle, path)
    ended = told(path, *SWEEP, "--results", results)
    assert ended.status == 1
    for words in (("plot",), ("status",)):
        attnbench(*words, FOLDER, "--results", results)


@pytest.mark.parametrize("name", FILES_OF_RUNS)
@pytest.mark.parametrize("obstacle", [circle, folder])
def test_a_file_of_a_run_that_cannot_be_read(finished, results, obstacle, name):
    path = run_folders(finished)[0] / name
    put(obstacle, path)
    for words in (["status", FOLDER], ["plot", FOLDER], SWEEP):
        told(path, *words, "--results", results)


@pytest.mark.parametrize("name", FILES_OF_RUNS)
def test_a_file_of_a_run_that_is_a_link_to_nowhere_is_made_anew(finished, results, name):
    path = run_folders(finished)[0] / name
    put(dangling, path)
    for command in REFUSE.get(name, ()):
        ended = attnbench(command, FOLDER if command == "plot" else path.parent, "--results", results)
        assert (ended.status, ended.out) == (2, "")
        assert str(path.parent) in ended.err
    again = complete(SWEEP, results)
    assert (f"{path} is damaged: it is not what the run wrote." in again.err) == (name in NAMED)
    assert not path.is_symlink() or name in ("environment.json", "train.csv", "checkpoint.pt")


@pytest.mark.parametrize("name", FILES_OF_THE_SWEEP)
@pytest.mark.parametrize("obstacle", [dangling, circle, folder])
def test_a_file_of_the_sweep_that_cannot_be(finished, results, obstacle, name):
    put(obstacle, finished / name)
    for words in (["status", FOLDER], ["plot", FOLDER], SWEEP):
        told(finished / name, *words, "--results", results)


def test_a_table_that_cannot_be_written_costs_no_run_and_is_named(results):
    (results / FOLDER / "runs").mkdir(parents=True)
    folder(results / FOLDER / "curve.csv")
    ended = attnbench(*SWEEP, "--results", results, "--json")
    assert (ended.status, len(ended.json["done"])) == (1, 2)
    assert ended.json["refused"].endswith(
        "curve.csv is a folder, expected a file. Take it away or mend it, then repeat the command."
    )


def test_a_folder_that_is_gone_in_the_middle_of_a_run(results, monkeypatch):
    def put_aside(*arguments):
        saved = save(*arguments)
        results.rename(results.with_name("elsewhere"))
        return saved

    save = execute._save
    monkeypatch.setattr(execute, "_save", put_aside)
    ended = told(results, *SWEEP, "--results", results)
    assert ended.status == 1
    monkeypatch.undo()
    results.with_name("elsewhere").rename(results)
    assert "from step 2 on" in complete(SWEEP, results).err


GIVEN = {
    "gone.txt": dangling,
    "circle.txt": circle,
    "file": file,
    "folder": folder,
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, obstacle in GIVEN.items():
        obstacle(tmp_path / name)
    (tmp_path / "good.txt").write_text("one two\n" * 9)
    return tmp_path


@pytest.mark.parametrize("path", ["gone.txt", "gone.txt/below", "circle.txt", "file/below", "none"])
@pytest.mark.parametrize(
    "words",
    [
        "plot {}",
        "status {}",
        "inspect {}",
        "cancel {}",
        "list tasks --config-dir {}",
        "preview task=copy --config-dir {}",
        "train task=text_pairs task.source={} task.target=good.txt",
        "preview task=text_pairs task.source=good.txt task.target={}",
        "train task=babi task.source={}",
    ],
)
def test_a_path_that_was_given_and_cannot_be(here, words, path):
    before = contents(here)
    ended = attnbench(*words.format(path).split())
    assert ended.status == 2
    # A corpus is named by where its link leads.
    assert path.partition("/")[0] in ended.err or "/nowhere/at/all" in ended.err
    assert "Traceback" not in ended.err
    assert contents(here) == before


@pytest.mark.parametrize("path", ["gone.txt", "circle.txt/below", "file", "file/below"])
def test_a_place_to_write_that_cannot_be(finished, here, path):
    run = run_folders(finished)[0]
    for words in (["plot", finished], ["inspect", run, "--no-scores"]):
        ended = attnbench(*words, "--out", path)
        assert ended.status in (1, 2)
        assert path.partition("/")[0] in ended.err


@pytest.mark.parametrize("obstacle", [dangling, circle, folder])
def test_yaml_of_a_persons_own_that_is_not_to_be_had(here, obstacle):
    own = here / "own" / "task" / "mine.yaml"
    own.parent.mkdir(parents=True)
    obstacle(own)
    for words in (["list", "tasks"], ["preview", "task=mine"]):
        ended = attnbench(*words, "--config-dir", "own")
        assert ended.status == 2
        assert "own/task/mine.yaml is a" in ended.err


def test_a_folder_that_nobody_may_enter(finished, results, monkeypatch):
    def refuse(_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(finished))

    monkeypatch.setattr("attnbench.runs.store.os.scandir", refuse)
    ended = told(finished, "status", FOLDER, "--results", results)
    assert ended.status == 1
    assert "Permission denied" in ended.err


def test_a_working_folder_that_is_gone(tmp_path):
    ended = subprocess.run(
        ["bash", "-c", f"mkdir gone; cd gone; rmdir ../gone; {sys.executable} -m attnbench list tasks"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == (
        "attnbench: The working folder is gone: removed, or put aside. Change to one that is there.\n"
    )

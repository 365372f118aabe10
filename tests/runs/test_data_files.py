import re
from dataclasses import replace
from pathlib import Path

import pytest

from attnbench.config.run_request import request_run
from attnbench.errors import UserError
from attnbench.runs.data import find_data, read_kept_data
from attnbench.runs.folder import RunFolder
from attnbench.runs.spec import RunSpec
from tests.commands import TINY
from tests.runs.tiny_runs import CONFIGURATION, executed, text_spec, tiny_spec
from tests.tasks.text.babi_examples import numbered_stories, write_stories
from tests.tasks.text.text_examples import numbered_pairs, write_links, write_tsv


@pytest.fixture
def project(tmp_path):
    """A folder with a corpus and a finished run on it."""
    folder = tmp_path / "project"
    (folder / "corpus").mkdir(parents=True)
    source = write_tsv(folder / "corpus" / "pairs.tsv", numbered_pairs(90))
    links = write_links(folder / "corpus" / "links", *["0-0"] * 90)
    executed(folder / "results" / "sweep" / "runs", text_spec(source, f"task.alignment={links}"), 9)
    return folder


class Opened:
    """The run of a project, as its folder has it."""

    def __init__(self, project: Path) -> None:
        (self.path,) = (project / "results" / "sweep" / "runs").iterdir()
        folder = RunFolder(self.path)
        self.spec = RunSpec.from_values(folder.read_spec())
        kept = read_kept_data(folder)
        assert kept is not None
        self.files = kept.files

    def find(self, is_old: bool = False, **given: object) -> RunSpec:
        words = {key: str(path) for key, path in given.items()}
        return find_data(self.spec, self.path, "Say where.", None if is_old else self.files, words)


def refused(*arguments, **keywords):
    with pytest.raises(UserError) as error:
        Opened.find(*arguments, **keywords)
    assert f"{error.value}".endswith("Say where.")
    return f"{error.value}"


def test_files_that_lie_where_they_lay_are_taken_from_there(project):
    opened = Opened(project)
    assert opened.find() is opened.spec


@pytest.mark.parametrize("is_old", [True, False])
def test_files_that_have_moved_with_the_results_are_found(project, tmp_path, is_old):
    moved = project.rename(tmp_path / "elsewhere")
    opened = Opened(moved)
    found = opened.find(is_old)
    assert found.paths == {"alignment": f"{moved}/corpus/links", "source": f"{moved}/corpus/pairs.tsv"}
    assert found.run_id == opened.spec.run_id
    assert found == replace(opened.spec, task=found.task)


@pytest.mark.parametrize("is_old", [True, False])
def test_a_file_of_the_same_name_and_other_content_is_passed_over(project, tmp_path, is_old):
    moved = project.rename(tmp_path / "elsewhere")
    write_tsv(moved / "results" / "pairs.tsv", numbered_pairs(80))
    assert Opened(moved).find(is_old).paths["source"] == f"{moved}/corpus/pairs.tsv"


def test_only_the_results_have_moved(project, tmp_path):
    (project / "results").rename(tmp_path / "results")
    opened = Opened(tmp_path)
    assert opened.find() is opened.spec


def test_a_place_that_a_person_names_holds_the_files_beside_it_too(project, tmp_path):
    moved = (project / "corpus").rename(tmp_path / "moved")
    assert Opened(project).find(source=moved / "pairs.tsv").paths == {
        "alignment": f"{moved}/links",
        "source": f"{moved}/pairs.tsv",
    }


def test_files_may_have_other_names(project, tmp_path):
    (project / "corpus" / "pairs.tsv").rename(tmp_path / "a.tsv")
    (project / "corpus" / "links").rename(tmp_path / "b")
    found = Opened(project).find(source=tmp_path / "a.tsv", alignment=tmp_path / "b")
    assert found.task.data_fingerprint() == found.data


def test_what_is_found_nowhere_is_named_with_the_places_looked_at(project, tmp_path):
    moved = project.rename(tmp_path / "elsewhere")
    (moved / "corpus" / "links").unlink()
    message = refused(Opened(moved))
    assert f"task.alignment: not at {project}/corpus/links nor at {moved}/corpus/links" in message
    assert "task.source" not in message


def test_a_file_that_has_changed_is_named(project):
    with (project / "corpus" / "links").open("a") as file:
        file.write("\n")
    message = refused(Opened(project))
    assert f"task.alignment: {project}/corpus/links has another content than at the training." in message
    assert "task.source" not in message
    message = refused(Opened(project), is_old=True)
    assert re.search("links and .*pairs.tsv have another content than at the training", message)


def test_a_place_that_a_person_names_is_not_passed_over(project, tmp_path):
    other = write_tsv(tmp_path / "other.tsv", numbered_pairs(80))
    assert f"task.source: {other} has another content" in refused(Opened(project), source=other)
    assert f"task.source: not at {tmp_path}/none.tsv." in refused(
        Opened(project), source=tmp_path / "none.tsv"
    )


def test_a_name_that_the_task_cannot_read_is_told_in_its_words(project, tmp_path):
    (project / "corpus" / "pairs.tsv").rename(tmp_path / "pairs.txt")
    message = refused(Opened(project), source=tmp_path / "pairs.txt")
    assert "holds sources only: expected task.target=FILE" in message


def test_another_key_and_a_task_without_files_are_refused(project, tmp_path):
    with pytest.raises(UserError, match=r"Known: task.alignment, task.source. Did you mean task.source\?"):
        Opened(project).find(sorce="a")
    with pytest.raises(UserError, match="the task reverse reads no files"):
        find_data(tiny_spec(), tmp_path, "", given={"source": "a"})


def test_files_of_all_splits_and_tasks_are_found(tmp_path):
    for name in ("train", "validation", "test"):
        folder = tmp_path / "there" / name
        folder.mkdir(parents=True)
        write_stories(folder / "stories.txt", numbered_stories(20, first=len(name)))
    paths = {"source": "train", "validation_source": "validation", "test_source": "test"}
    words = [f"task.{key}={tmp_path}/there/{name}/stories.txt" for key, name in paths.items()]
    spec = request_run(CONFIGURATION, [*TINY, "task=babi", *words]).spec
    moved = (tmp_path / "there").rename(tmp_path / "here")
    run = moved / "results" / "sweep" / "runs" / spec.run_id
    assert find_data(spec, run, "").paths == {
        key: f"{moved}/{name}/stories.txt" for key, name in paths.items()
    }

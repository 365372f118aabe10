import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from attnbench.config.run_request import request_run
from attnbench.errors import DamagedFileError, UserError
from attnbench.runs.data import TEST_EXAMPLES, find_data, keep_data, read_kept_data
from attnbench.runs.execute import Execution, execute
from attnbench.runs.folder import RunFolder
from attnbench.runs.spec import RunSpec
from attnbench.tasks.base import LengthRange
from attnbench.tasks.text import encoded_text as encoded_text_module
from attnbench.tasks.text.encoding import encode_numbers, learn_numbers
from attnbench.tasks.text.subwords import FrequentWords
from tests.commands import TINY
from tests.configuration import CONFIGURATION
from tests.runs.tiny_runs import executed, finish, text_spec, tiny_spec
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


@pytest.fixture
def source(tmp_path):
    return write_tsv(tmp_path / "pairs.tsv", numbered_pairs(90))


def kept_of(folder):
    kept = read_kept_data(RunFolder(folder.path))
    assert kept is not None
    return kept


def test_the_kept_examples_are_the_first_of_each_test(tmp_path, source):
    spec = text_spec(source)
    kept = kept_of(executed(tmp_path / "runs", spec, 4, 9))
    assert list(kept.tests) == [LengthRange(1, 4), LengthRange(5, 9)]
    for lengths, test in kept.tests.items():
        batches = list(spec.task.evaluation_batches("test", 0, lengths, 8, batch_size=1))
        assert test.count == len(batches) > TEST_EXAMPLES
        assert len(test.examples) == TEST_EXAMPLES
        for mine, its in zip(test.examples, batches, strict=False):
            assert mine.source.equal(its.source)
            assert mine.target.equal(its.target)
            assert mine.scored.equal(its.scored)
            assert mine.references == its.references


def test_alignments_and_questions_are_kept(tmp_path, source):
    links = write_links(tmp_path / "links", *["0-0"] * 90)
    spec = text_spec(source, f"task.alignment={links}")
    (test,) = kept_of(executed(tmp_path / "runs", spec, 9)).tests.values()
    example = test.examples[0]
    assert example.alignment_sure is not None
    assert example.alignment_sure.nonzero().tolist() == [[0, 0, 0]]
    stories = write_stories(tmp_path / "stories.txt", numbered_stories(60))
    words = [*TINY, "task=babi", f"task.source={stories}", "task.test_share=0.3"]
    kept = kept_of(executed(tmp_path / "runs", request_run(CONFIGURATION, words).spec, 5))
    assert all(not each.scored.all() and each.scored.any() for each in kept.training)


def test_a_bucket_without_examples_is_kept_as_such(tmp_path, source):
    tests = kept_of(executed(tmp_path / "runs", text_spec(source), 9, 30)).tests
    assert (tests[LengthRange(10, 30)].count, tests[LengthRange(10, 30)].examples) == (0, ())


def test_each_file_is_kept_by_its_content_and_its_place_as_seen_from_the_run(tmp_path, source):
    links = write_links(tmp_path / "links", *["0-0"] * 90)
    kept = kept_of(executed(tmp_path / "sweep" / "runs", text_spec(source, f"task.alignment={links}"), 9))
    assert {key: each.beside for key, each in kept.files.items()} == {
        "alignment": "../../../links",
        "source": "../../../pairs.tsv",
    }
    assert len({each.content for each in kept.files.values()}) == 2


def test_a_task_that_reads_no_files_keeps_nothing(tmp_path):
    folder = executed(tmp_path, tiny_spec())
    assert not folder.data_file.exists()
    assert read_kept_data(folder) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"files": {}, "learnt": {}, "training": [], "tests": 1}']
)
def test_what_is_not_what_the_run_wrote_is_damaged(tmp_path, text):
    folder = RunFolder(tmp_path)
    folder.data_file.write_text(text)
    with pytest.raises(DamagedFileError, match=r"data\.json is damaged"):
        read_kept_data(folder)


def test_a_flipped_bit_is_noticed_and_the_next_execution_writes_it_anew(tmp_path, source):
    folder = executed(tmp_path / "runs", text_spec(source), 9)
    whole = folder.data_file.read_bytes()
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 1
    folder.data_file.write_bytes(damaged)
    assert folder.find_damage() is None  # the rows are right without it
    assert "data.json is damaged" in (folder.find_damaged_record() or "")
    with pytest.raises(DamagedFileError):
        read_kept_data(folder)
    folder.reset()
    assert finish(folder).resumed_from_step == 4
    assert folder.data_file.read_bytes() == whole


def test_more_lengths_are_evaluated_with_the_words_that_the_run_kept(tmp_path, source, monkeypatch):
    """Another version of a library may learn other pieces from the same text: the weights know the old ones."""
    spec = text_spec(source)
    folder = executed(tmp_path / "runs", spec, 9)
    before = kept_of(folder)

    def learn_backwards(splits, encoding):
        learnt = learn_numbers(splits, encoding)
        backwards = FrequentWords(learnt.source_vocabulary.tokens[:3:-1])
        return encode_numbers(splits, encoding, backwards, learnt.target_vocabulary)

    monkeypatch.setattr(encoded_text_module, "numbers_of", learn_backwards)
    encoded_text_module.encoded_text.cache_clear()
    try:
        anew = RunFolder(folder.path)
        anew.prepare(spec.to_values(), [4])
        assert execute(anew, Execution(device="cpu")).state == "done"
        after = kept_of(folder)
    finally:
        encoded_text_module.encoded_text.cache_clear()
    assert after.learnt == before.learnt
    assert all(
        torch.equal(mine.source, its.source)
        for mine, its in zip(after.training, before.training, strict=True)
    )


def test_nothing_is_kept_that_would_name_the_run_otherwise(tmp_path, source):
    spec = text_spec(source)
    folder = executed(tmp_path / "runs", spec, 9)
    keep_data(folder, spec, {})
    assert RunSpec.from_values(folder.read_spec()).run_id == folder.run_id

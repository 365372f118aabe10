import shutil

import pytest
import torch
import yaml

from attnbench.errors import DamagedFileError, UserError
from attnbench.inspection.load import check_comparable, load_run
from attnbench.runs.checkpoint import load_checkpoint, save_checkpoint
from attnbench.runs.folder import RunFolder
from tests.runs.test_execute import Intruder
from tests.runs.tiny_runs import executed, prepared, text_spec, tiny_spec


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    return executed(tmp_path_factory.mktemp("runs"), tiny_spec("model=luong_general")).path


@pytest.fixture
def folder(trained, tmp_path):
    """A finished run; the test may do to it what it likes."""
    path = tmp_path / trained.name
    shutil.copytree(trained, path)
    return RunFolder(path)


def vouched_for(folder: RunFolder) -> None:
    """Let status.json record the files as they are now: what an attacker would do."""
    outcome = folder.read_outcome()
    assert outcome is not None
    folder.write_outcome(outcome)
    assert folder.find_damage() is None


def test_a_finished_run_is_opened_as_it_was_trained(folder):
    run = load_run(folder.path)
    saved = load_checkpoint(folder.checkpoint_file)["model"]
    assert run.spec == tiny_spec("model=luong_general")
    assert not run.model.training
    assert all(torch.equal(value, saved[name]) for name, value in run.model.state_dict().items())


def test_what_is_no_run_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UserError, match=r"is no run: expected a folder with a spec\.yaml"):
            load_run(path)


def test_a_run_without_a_checkpoint_is_refused(folder):
    folder.checkpoint_file.unlink()
    with pytest.raises(UserError, match="has no checkpoint"):
        load_run(folder.path)


def test_a_run_that_is_still_running_is_refused(folder):
    folder.status_file.unlink()
    with folder.claim(), pytest.raises(UserError, match="is still running"):
        load_run(folder.path)


def test_a_run_that_was_not_finished_is_refused(tmp_path, folder):
    folder.status_file.unlink()
    for path in (folder.path, prepared(tmp_path / "runs", tiny_spec()).path):
        with pytest.raises(UserError, match=r"is not finished: the same .* again carries on"):
            load_run(path)


def test_a_failed_run_is_refused_with_its_reason(folder):
    outcome = folder.read_outcome()
    outcome.state, outcome.error = "failed", "the loss is not finite"
    folder.write_outcome(outcome)
    with pytest.raises(UserError, match=r"failed: the loss is not finite.*--retry-failed"):
        load_run(folder.path)


def test_a_run_that_waits_for_more_lengths_is_trained_and_opened(folder):
    folder.prepare(folder.read_spec(), [2])
    assert folder.state != "done"
    assert load_run(folder.path).spec.run_id == folder.run_id


@pytest.mark.parametrize("name", ["checkpoint_file", "spec_file", "metrics_file", "status_file"])
def test_a_damaged_file_is_named(folder, name):
    path = getattr(folder, name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=path.name):
        load_run(folder.path)


def test_a_checkpoint_of_another_model_is_refused(folder):
    save_checkpoint(folder.checkpoint_file, {"model": {"weight": torch.zeros(1)}})
    vouched_for(folder)
    with pytest.raises(DamagedFileError, match="does not hold the weights"):
        load_run(folder.path)


@pytest.mark.parametrize("state", [{"model": None}, {"step": 1}, [1], {"model": {"a": 1}}])
def test_a_checkpoint_without_weights_is_refused(folder, state):
    save_checkpoint(folder.checkpoint_file, state)
    vouched_for(folder)
    with pytest.raises(DamagedFileError, match="does not hold the weights"):
        load_run(folder.path)


def test_code_in_a_checkpoint_does_not_run_even_if_all_checksums_fit(folder):
    save_checkpoint(folder.checkpoint_file, {"model": Intruder()})
    vouched_for(folder)
    with pytest.raises(DamagedFileError, match="cannot be loaded"):
        load_run(folder.path)


@pytest.mark.parametrize("part", ["task", "model"])
@pytest.mark.parametrize("target", ["subprocess.Popen", "os.system", "intruder.Model"])
def test_a_foreign_class_in_spec_yaml_is_never_imported(folder, part, target, tmp_path, monkeypatch):
    (tmp_path / "intruder.py").write_text("raise SystemExit('code of a class name ran')")
    monkeypatch.syspath_prepend(tmp_path)
    values = folder.read_spec()
    values[part]["_target_"] = target
    folder.spec_file.write_text(yaml.safe_dump(values, sort_keys=False))
    vouched_for(folder)
    with pytest.raises(UserError, match=rf"spec\.yaml: Refused to load '{target}'"):
        load_run(folder.path)


def test_files_that_have_changed_since_the_training_are_noticed(tmp_path):
    source = tmp_path / "pairs.tsv"
    source.write_text("".join(f"a{i} b\tc{i} d\n" for i in range(90)))
    path = executed(tmp_path / "runs", text_spec(source)).path
    assert load_run(path).task_with_files == load_run(path).spec.task
    source.write_text("".join(f"a{i} b\tc{i} e\n" for i in range(90)))
    with pytest.raises(UserError, match=rf"task\.source: {source} has another content than at the training"):
        _ = load_run(path).task_with_files


@pytest.fixture
def read_from_files(tmp_path):
    """A finished run whose file is gone."""
    source = tmp_path / "pairs.tsv"
    source.write_text("".join(f"a{i} b\tc{i} d\n" for i in range(90)))
    folder = executed(tmp_path / "runs", text_spec(source))
    source.rename(tmp_path / "gone.tsv")
    return folder


def test_a_run_is_opened_without_the_files_that_it_was_trained_on(read_from_files):
    run = load_run(read_from_files.path)
    assert run.spec.task.source_vocabulary.encode("b zzz") == [4, 3]
    with pytest.raises(UserError, match=r"(?s)task\.source: not at .*pairs\.tsv, .*--no-scores"):
        _ = run.task_with_files


def test_a_place_that_a_person_names_is_read(read_from_files, tmp_path):
    run = load_run(read_from_files.path, given={"source": str(tmp_path / "gone.tsv")})
    assert run.task_with_files.data_fingerprint() == run.spec.data
    with pytest.raises(UserError, match=r"task\.source: not at .*none\.tsv"):
        load_run(read_from_files.path, given={"source": str(tmp_path / "none.tsv")})


def test_a_run_of_an_earlier_version_needs_its_files_and_finds_them_too(read_from_files, tmp_path):
    read_from_files.data_file.unlink()
    with pytest.raises(UserError, match=r"task\.source: not at .*pairs\.tsv") as refused:
        load_run(read_from_files.path)
    assert "--no-scores" not in str(refused.value)
    (tmp_path / "gone.tsv").rename(tmp_path / "runs" / "pairs.tsv")
    run = load_run(read_from_files.path)
    assert run.spec.task.source_vocabulary.encode("b zzz") == [4, 3]
    assert run.task_with_files.data_fingerprint() == run.spec.data


@pytest.mark.parametrize("text", ["", "{}"])
def test_damaged_words_of_a_run_are_named(read_from_files, text):
    read_from_files.data_file.write_text(text)
    with pytest.raises(DamagedFileError, match=r"data\.json is damaged.* again writes it anew"):
        load_run(read_from_files.path)


def test_a_run_that_was_copied_under_another_name_is_opened(folder, tmp_path):
    copy = folder.path.rename(tmp_path / "mine")
    run = load_run(copy)
    assert (run.folder.path, run.spec.run_id) == (copy, tiny_spec("model=luong_general").run_id)


def test_runs_of_one_task_can_be_laid_side_by_side_and_others_are_refused(tmp_path, trained):
    one = load_run(trained)
    same = load_run(executed(tmp_path, tiny_spec("model=fixed", "task.length=4")).path)
    check_comparable([one, same])
    other = load_run(executed(tmp_path, tiny_spec("task.vocabulary_size=5")).path)
    with pytest.raises(UserError, match=r"different tasks \(they differ in vocabulary_size\)"):
        check_comparable([one, other])

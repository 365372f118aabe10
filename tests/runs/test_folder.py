import errno
import json
import os
from pathlib import Path

import pytest
import yaml

from attnbench.errors import DamagedFileError
from attnbench.runs.folder import RunFolder
from attnbench.runs.io import take_checksum, with_checksum
from attnbench.runs.status import RunStatus
from tests.runs.tiny_runs import executed, text_spec, tiny_spec
from tests.tasks.text.text_examples import numbered_pairs, write_tsv

SPEC = {"run_id": "a", "task": {"source": "here.tsv"}, "seed": 0}


@pytest.fixture
def folder(tmp_path):
    """A run that is done, with files that stand for its real ones."""
    folder = RunFolder(tmp_path / "a")
    folder.prepare(SPEC, [4])
    folder.checkpoint_file.write_bytes(b"weights")
    folder.metrics_file.write_text("run_id,length\na,4\n")
    folder.write_outcome(RunStatus("a", "done", lengths=[4]))
    return folder


def anew(folder):
    return RunFolder(folder.path)


def flip_bit(path, position=0.5):
    data = bytearray(path.read_bytes())
    data[int(len(data) * position)] ^= 1
    path.write_bytes(data)


def test_a_prepared_run_waits(tmp_path):
    folder = RunFolder(tmp_path / "a")
    folder.prepare(SPEC, [8, 4])
    assert folder.read_spec() == SPEC
    assert (folder.requested_lengths, folder.state) == ([4, 8], "waiting")
    assert folder.find_damage() is None


def test_the_states_of_a_run(folder):
    assert folder.state == "done"
    folder.write_outcome(RunStatus("a", "failed", error="why"))
    assert folder.state == "failed"
    folder.status_file.unlink()
    assert folder.state == "interrupted"
    folder.checkpoint_file.unlink()
    assert folder.state == "waiting"
    with folder.claim():
        assert folder.state == "running"


def test_status_json_says_what_the_contract_asks_for(folder):
    values = json.loads(folder.status_file.read_text())
    assert {"state", "stop_reason", "steps", "resumed_from_step", "seconds", "error"} <= set(values)


def test_a_status_that_another_process_replaced_is_read_anew(folder):
    assert folder.state == "done"
    for error in ("one", "two"):  # of the same length
        anew(folder).write_outcome(RunStatus("a", "failed", error=error))
        assert folder.read_outcome().error == error
    folder.status_file.unlink()
    assert folder.read_outcome() is None


def test_a_status_that_is_damaged_after_it_was_read_is_noticed_though_its_time_is_put_back(folder):
    assert folder.find_damage() is None
    before = folder.status_file.stat()
    flip_bit(folder.status_file)
    os.utime(folder.status_file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "status.json is damaged" in folder.find_damage()
    assert folder.read_outcome() is None


@pytest.mark.parametrize("path", ["söurce 🙂.tsv", "a: b #c", "x " * 100, "two\nlines", "yes", "", "'\""])
def test_a_spec_reads_back_as_it_was_prepared(tmp_path, path):
    values = {**SPEC, "task": {"source": path}}
    folder = RunFolder(tmp_path / "a")
    assert not folder.holds_spec(values)
    folder.prepare(values, [4])
    assert folder.read_spec() == values
    assert folder.holds_spec(values)
    assert not folder.holds_spec(SPEC)


def test_more_lengths_are_added_to_those_before_and_make_a_done_run_one_to_do(folder):
    folder.prepare(SPEC, [8])
    assert (folder.requested_lengths, folder.state) == ([4, 8], "interrupted")


def test_the_same_lengths_again_change_no_file(folder):
    before = {path.name: path.stat().st_mtime_ns for path in folder.path.iterdir()}
    anew(folder).prepare(SPEC, [4])
    assert {path.name: path.stat().st_mtime_ns for path in folder.path.iterdir()} == before


def test_lengths_evaluated_before_are_not_forgotten_with_a_damaged_evaluation_json(folder):
    folder.evaluation_file.write_text("{")
    again = anew(folder)
    again.prepare(SPEC, [2])
    assert again.requested_lengths == [2, 4]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", '{"lengths": 4}', '{"lengths": ["4"]}', '{"others": []}']
)
def test_requested_lengths_that_cannot_be_read_are_asked_for_anew(folder, text):
    folder.evaluation_file.write_text(text)
    assert anew(folder).requested_lengths == []


def test_nothing_is_wrong_with_what_the_run_wrote(folder):
    assert folder.find_damage() is None


@pytest.mark.parametrize("name", ["spec.yaml", "metrics.csv", "checkpoint.pt"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "append", "empty"])
def test_a_damaged_file_is_named(folder, name, damage):
    path = folder.path / name
    if damage == "flip":
        flip_bit(path)
    else:
        data = path.read_bytes()
        path.write_bytes({"truncate": data[:-1], "append": data + b"\n", "empty": b""}[damage])
    assert str(path) in (folder.find_damage() or "")


@pytest.mark.parametrize("name", ["spec.yaml", "metrics.csv"])
def test_a_missing_file_is_damage(folder, name):
    (folder.path / name).unlink()
    assert name in (folder.find_damage() or "")


def test_a_finished_runs_checkpoint_may_be_thrown_away(folder):
    folder.checkpoint_file.unlink()
    assert folder.find_damage() is None
    assert folder.state == "done"


def test_a_copied_run_is_not_damaged_though_its_times_differ(folder):
    for path in folder.path.iterdir():
        os.utime(path, (1, 1))
    assert folder.find_damage() is None


def test_a_flipped_bit_is_noticed_in_a_file_of_the_same_size_and_another_time(folder):
    flip_bit(folder.metrics_file)
    os.utime(folder.metrics_file, (1, 1))
    assert "metrics.csv" in (folder.find_damage() or "")


STATUSES = [
    "",
    "{",
    "[]",
    "5",
    "null",
    "{}",
    '{"run_id": "a", "state": "dome"}',
    '{"run_id": "b", "state": "done"}',
]


@pytest.mark.parametrize("text", [*STATUSES, '{"run_id": "a", "state": "done", "files": 5}', "\x00\x00"])
def test_a_damaged_status_is_named_and_does_not_count(folder, text):
    folder.status_file.write_text(text)
    assert folder.read_outcome() is None
    assert folder.state == "interrupted"
    assert str(folder.status_file) in (folder.find_damage() or "")


def test_one_flipped_bit_of_a_status_is_noticed_wherever_it_is(folder):
    whole = folder.status_file.read_bytes()
    for position in range(len(whole)):
        flipped = bytes([whole[position] ^ 1])
        folder.status_file.write_bytes(whole[:position] + flipped + whole[position + 1 :])
        if not (whole[position : position + 1].isspace() and flipped.isspace()):
            assert "status.json is damaged" in (folder.find_damage() or ""), (position, flipped)


def test_a_status_without_a_checksum_counts(folder):
    values = json.loads(folder.status_file.read_text())
    del values["checksum"]
    folder.status_file.write_text(json.dumps(values))
    assert (folder.find_damage(), folder.state) == (None, "done")


def test_what_a_later_version_wrote_besides_is_passed_over(folder):
    values = json.loads(folder.status_file.read_text())
    take_checksum(values)
    folder.status_file.write_text(json.dumps(with_checksum(values | {"moon_phase": "full"})))
    assert (folder.find_damage(), folder.state) == (None, "done")


@pytest.mark.parametrize("name", ["status_file", "evaluation_file"])
def test_a_process_with_too_many_open_files_takes_nothing_for_damaged(folder, monkeypatch, name):
    path, right = getattr(folder, name), Path.read_bytes

    def refuse(self):
        if self == path:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return right(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        _ = RunFolder(folder.path).state
    monkeypatch.undo()
    assert folder.state == "done"


def test_a_run_has_ended_when_it_is_done_at_every_length_or_has_failed(folder):
    assert folder.has_ended
    with folder.claim():
        assert folder.has_ended
    folder.prepare(folder.read_spec(), [99])
    assert not folder.has_ended
    folder.write_outcome(RunStatus(folder.run_id, "failed", error="no reason"))
    assert folder.has_ended


def test_what_is_discarded_begins_anew_but_is_evaluated_where_it_was(folder):
    folder.discard()
    assert folder.find_damage() is None
    assert (anew(folder).state, anew(folder).requested_lengths) == ("waiting", [4])
    with pytest.raises(DamagedFileError):
        folder.read_spec()


@pytest.mark.parametrize(
    "text", ["", "- 1\n", "a: [", "a: !!python/object/apply:os.system ['true']\n", "\x00"]
)
def test_a_spec_that_is_no_mapping_of_plain_values_is_damaged(folder, text):
    folder.spec_file.write_text(text)
    with pytest.raises(DamagedFileError, match=r"spec\.yaml"):
        folder.read_spec()


MOVED = {**SPEC, "task": {"source": "there.tsv"}}


def test_an_unfinished_run_learns_where_its_files_have_moved(folder):
    folder.status_file.unlink()
    folder.prepare(MOVED, [4])
    assert folder.read_spec() == MOVED
    assert yaml.safe_load(folder.spec_file.read_text())["seed"] == 0


def test_a_finished_run_keeps_its_spec_until_it_is_evaluated_at_more_lengths(folder):
    folder.prepare(MOVED, [4])
    assert folder.read_spec() == SPEC
    folder.prepare(MOVED, [8])
    assert folder.read_spec() == MOVED
    assert (folder.state, folder.find_damage()) == ("interrupted", None)


def test_a_finished_run_learns_where_its_files_have_moved_and_stays_finished(folder):
    folder.prepare(MOVED, [4], {"source": "there.tsv"})
    assert anew(folder).read_spec() == MOVED
    assert (anew(folder).state, anew(folder).find_damage()) == ("done", None)


def test_a_finished_run_keeps_all_of_its_spec_but_the_paths(folder):
    folder.prepare({**MOVED, "seed": 1, "later": "key"}, [4], {"source": "there.tsv"})
    assert anew(folder).read_spec() == MOVED


def test_a_finished_run_whose_files_lie_where_they_lay_is_not_written(folder):
    before = folder.spec_file.stat().st_mtime_ns, folder.status_file.stat().st_mtime_ns
    folder.prepare(SPEC, [4], {"source": "here.tsv"})
    assert (folder.spec_file.stat().st_mtime_ns, folder.status_file.stat().st_mtime_ns) == before


def test_a_finished_run_is_not_vouched_for_anew_when_its_files_have_moved(folder):
    state = folder.checkpoint_file.stat()
    flip_bit(folder.checkpoint_file)
    os.utime(folder.checkpoint_file, ns=(state.st_atime_ns, state.st_mtime_ns))
    folder.prepare(MOVED, [4], {"source": "there.tsv"})
    os.utime(folder.checkpoint_file)
    assert "checkpoint.pt is damaged" in (anew(folder).find_damage() or "")


def test_who_dies_as_a_finished_run_learns_where_its_files_have_moved_leaves_nothing_damaged(
    folder, monkeypatch
):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("attnbench.runs.folder.rewrite_outcome", die)
    with pytest.raises(KeyboardInterrupt):
        folder.prepare(MOVED, [4], {"source": "there.tsv"})
    assert anew(folder).read_spec() == MOVED
    assert (anew(folder).state, anew(folder).find_damage()) == ("interrupted", None)


def test_a_path_that_a_person_has_put_into_a_finished_run_is_no_damage(tmp_path):
    source = write_tsv(tmp_path / "pairs.tsv", numbered_pairs(90))
    spec = text_spec(source)
    folder = executed(tmp_path / "runs", spec, 9)
    text = folder.spec_file.read_text()
    folder.spec_file.write_text(text.replace(source, "/elsewhere/pairs.tsv"))
    assert anew(folder).find_damage() is None
    folder.prepare(spec.to_values(), [9], spec.paths)
    assert anew(folder).spec_file.read_text() == text
    assert (anew(folder).state, anew(folder).find_damage()) == ("done", None)
    folder.spec_file.write_text(text.replace("seed: 0", "seed: 1"))
    assert "spec.yaml is damaged" in (anew(folder).find_damage() or "")


def test_the_spec_of_another_run_or_one_that_reads_no_files_is_damage(tmp_path):
    source = write_tsv(tmp_path / "pairs.tsv", numbered_pairs(90))
    one, other = (executed(tmp_path / "runs", text_spec(source, f"seed={seed}"), 9) for seed in (0, 1))
    one.spec_file.write_bytes(other.spec_file.read_bytes())
    synthetic = executed(tmp_path / "runs", tiny_spec())
    synthetic.spec_file.write_text(synthetic.spec_file.read_text() + "# a note\n")
    for folder in (one, synthetic):
        assert "spec.yaml is damaged" in (anew(folder).find_damage() or "")


def test_a_renamed_run_has_its_true_name_in_its_spec(folder, tmp_path):
    assert folder.true_name is None
    renamed = RunFolder(folder.path.rename(tmp_path / "b"))
    assert (renamed.true_name, renamed.state) == ("a", "renamed")
    opened = RunFolder(renamed.path, "a")
    assert (opened.true_name, opened.state, opened.find_damage()) == (None, "done", None)


def test_an_unfinished_run_is_seen_to_be_renamed_too(folder, tmp_path):
    folder.status_file.unlink()
    assert RunFolder(folder.path.rename(tmp_path / "b")).state == "renamed"


@pytest.mark.parametrize("text", ["", "{", "seed: 0\n", "run_id:\n"])
def test_a_damaged_spec_gives_no_true_name(folder, text):
    folder.status_file.unlink()
    folder.spec_file.write_text(text)
    assert (folder.true_name, folder.state) == (None, "interrupted")


def test_a_failed_run_stays_failed_when_its_files_have_moved(folder):
    folder.write_outcome(RunStatus("a", "failed", error="why"))
    folder.prepare(MOVED, [4])
    assert folder.read_spec() == MOVED
    assert (folder.state, folder.find_damage()) == ("failed", None)
    outcome = folder.read_outcome()
    assert outcome is not None
    assert outcome.error == "why"


def test_the_spec_of_a_run_that_is_going_on_is_left_alone(folder):
    folder.status_file.unlink()
    with folder.claim():
        folder.prepare(MOVED, [4])
    assert folder.read_spec() == SPEC

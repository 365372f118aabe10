import json
import math
import pickle
import zipfile

import pytest
import torch

from attnbench.errors import DamagedFileError, InterruptedRunError, UserError
from attnbench.runs.checkpoint import load_checkpoint, save_checkpoint
from attnbench.runs.execute import Execution, execute
from attnbench.runs.folder import RunFolder
from attnbench.runs.io import ClaimedError
from attnbench.runs.metrics_csv import METRICS_COLUMNS
from attnbench.runs.status import RunStatus
from tests.commands import rows_of, without_times
from tests.runs.tiny_runs import executed, finish, prepared, text_spec, tiny_spec

SPEC = tiny_spec()


def stop_after(asked: int):
    """Return a `should_stop` that says yes when it is asked once more than so many times."""
    remaining = iter([False] * asked)
    return lambda: next(remaining, True)


def checkpoint_time(folder):
    return folder.checkpoint_file.stat().st_mtime_ns


def test_a_run_leaves_the_files_of_the_contract(tmp_path):
    folder = executed(tmp_path, SPEC)
    assert {path.name for path in folder.path.iterdir()} >= {
        "spec.yaml",
        "environment.json",
        "train.csv",
        "metrics.csv",
        "checkpoint.pt",
        "status.json",
    }
    assert not folder.error_file.exists()
    assert not list(folder.path.glob("*.tmp"))


def test_the_status_says_how_it_ended(tmp_path):
    status = json.loads(executed(tmp_path, SPEC).status_file.read_text())
    expected = {
        "state": "done",
        "stop_reason": "budget",
        "steps": 4,
        "resumed_from_step": None,
        "error": None,
    }
    assert status | expected == status
    assert status["seconds"] > 0


def test_the_environment_says_where_it_ran(tmp_path):
    environment = json.loads(executed(tmp_path, SPEC).environment_file.read_text())
    assert environment["device"] == "cpu"
    assert environment["precision"] == "float32"
    assert environment["packages"]["torch"] == torch.__version__
    assert {"git_commit", "command", "python", "attnbench"} <= set(environment)


def test_train_csv_has_a_row_for_every_evaluation(tmp_path):
    rows = rows_of(executed(tmp_path, SPEC).train_file)
    assert [row["step"] for row in rows] == ["2", "4"]
    assert list(rows[0])[:4] == ["step", "loss_nats", "learning_rate", "tokens_per_second"]


def test_the_row_of_a_run_is_complete_and_right(tmp_path):
    (row,) = rows_of(executed(tmp_path, SPEC).metrics_file)
    assert list(row) == list(METRICS_COLUMNS)
    known = {
        "run_id": SPEC.run_id,
        "task": "reverse",
        "model": "fixed",
        "protocol": "per_length",
        "length": "3",
        "length_min": "3",
        "length_unit": "tokens",
        "train_min_length": "3",
        "train_max_length": "3",
        "seed": "0",
        "hidden_size": "8",
        "context_size": "16",
        "learning_rate": "0.005",
        "chance_accuracy": str(1 / 16),
        "bits_available": "12.0",
        "bleu": "",
        "chrf": "",
        "alignment_accuracy": "",
        "examples": "8",
        "target_tokens": "24",
        "steps": "4",
        "steps_to_90": "",
        "stop_reason": "budget",
        "device": "cpu",
    }
    assert {name: row[name] for name in known} == known
    recovered = 12 - 3 * float(row["cross_entropy_nats"]) / math.log(2)
    assert float(row["bits_recovered"]) == pytest.approx(recovered)
    for name in ("token_accuracy", "sequence_accuracy", "teacher_forced_accuracy"):
        assert 0 <= float(row[name]) <= 1


def test_the_context_of_attention_grows_with_the_length_and_alignment_is_known(tmp_path):
    rows = rows_of(
        executed(tmp_path, tiny_spec("model=luong_general", "train_range=[2,4]"), 2, 4).metrics_file
    )
    assert [row["context_size"] for row in rows] == ["24", "40"]
    assert all(row["alignment_accuracy"] for row in rows)


def test_a_finished_run_is_not_done_again(tmp_path):
    folder = executed(tmp_path, SPEC)
    before = {path.name: path.stat().st_mtime_ns for path in folder.path.iterdir() if path.name != "claim"}
    assert finish(folder).state == "done"
    after = {path.name: path.stat().st_mtime_ns for path in folder.path.iterdir() if path.name != "claim"}
    assert after == before


def test_more_lengths_add_rows_and_train_nothing(tmp_path):
    spec = tiny_spec("train_range=[2,5]")
    folder = executed(tmp_path, spec, 2, 5)
    before, trained = rows_of(folder.metrics_file), checkpoint_time(folder)
    folder.prepare(spec.to_values(), [3])
    outcome = finish(folder)
    assert (outcome.resumed_from_step, outcome.lengths) == (4, [2, 3, 5])
    rows = rows_of(folder.metrics_file)
    assert [row["length"] for row in rows] == ["2", "3", "5"]
    assert [rows[0], rows[2]] == before
    assert checkpoint_time(folder) == trained


def test_the_rows_of_a_run_are_of_one_training_also_where_its_checkpoint_was_thrown_away(tmp_path):
    spec = tiny_spec("train_range=[2,5]")
    folder = executed(tmp_path, spec, 2)
    folder.checkpoint_file.unlink()
    folder.prepare(spec.to_values(), [3])
    assert finish(folder).resumed_from_step is None
    rows = rows_of(folder.metrics_file)
    assert [row["length"] for row in rows] == ["2", "3"]
    assert len({row["tokens_per_second"] for row in rows}) == 1


def test_a_run_whose_requested_lengths_rot_while_it_trains_is_evaluated_at_them_all_the_same(tmp_path):
    folder = prepared(tmp_path, SPEC, 3, 5)

    def rot(*_):
        folder.evaluation_file.write_text("{")

    assert execute(folder, Execution("cpu", on_progress=rot)).state == "done"
    assert [row["length"] for row in rows_of(folder.metrics_file)] == ["3", "5"]
    assert RunFolder(folder.path).requested_lengths == [3, 5]


def test_rows_of_more_lengths_are_those_of_asking_at_once(tmp_path):
    spec = tiny_spec("train_range=[2,5]")
    step_by_step = executed(tmp_path / "a", spec, 5)
    step_by_step.prepare(spec.to_values(), [2])
    finish(step_by_step)
    at_once = executed(tmp_path / "b", spec, 2, 5)
    assert without_times(rows_of(step_by_step.metrics_file)) == without_times(rows_of(at_once.metrics_file))


@pytest.mark.parametrize("asked", [0, 1, 2, 3, 4])
def test_an_interrupted_run_goes_on_to_the_numbers_of_an_undisturbed_one(tmp_path, asked):
    folder = prepared(tmp_path / "disturbed", SPEC)
    with pytest.raises(InterruptedRunError):
        execute(folder, Execution(device="cpu", should_stop=stop_after(asked)))
    assert folder.read_outcome() is None
    assert folder.state == "interrupted"
    outcome = finish(folder)
    assert (outcome.state, outcome.resumed_from_step) == ("done", asked)
    undisturbed = executed(tmp_path / "undisturbed", SPEC)
    assert without_times(rows_of(folder.metrics_file)) == without_times(rows_of(undisturbed.metrics_file))


def test_an_interruption_between_lengths_loses_no_training(tmp_path):
    spec = tiny_spec("train_range=[2,5]")
    folder = prepared(tmp_path / "disturbed", spec, 2, 3, 5)
    with pytest.raises(InterruptedRunError, match="every length"):
        execute(folder, Execution(device="cpu", should_stop=stop_after(5)))
    assert finish(folder).resumed_from_step == 4
    undisturbed = executed(tmp_path / "undisturbed", spec, 2, 3, 5)
    assert without_times(rows_of(folder.metrics_file)) == without_times(rows_of(undisturbed.metrics_file))


def flipped(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


def test_what_a_trained_run_wrote_down_is_whole_whatever_became_of_it_before_the_evaluation(tmp_path):
    folder = prepared(tmp_path, SPEC)
    with pytest.raises(InterruptedRunError, match="every length"):
        execute(folder, Execution(device="cpu", should_stop=stop_after(4)))
    written = folder.train_file.read_bytes()
    folder.train_file.write_bytes(flipped(written))
    assert finish(folder).resumed_from_step == 4
    assert folder.train_file.read_bytes() == written


@pytest.mark.parametrize("damage", [flipped, lambda data: data[:-10], lambda data: b""])
def test_an_unfinished_run_with_a_damaged_checkpoint_begins_anew_and_says_so(tmp_path, damage):
    folder = prepared(tmp_path / "damaged", SPEC)
    with pytest.raises(InterruptedRunError):
        execute(folder, Execution(device="cpu", should_stop=stop_after(3)))
    folder.checkpoint_file.write_bytes(damage(folder.checkpoint_file.read_bytes()))
    notes = []
    outcome = execute(RunFolder(folder.path), Execution(device="cpu", on_note=notes.append))
    assert (outcome.state, outcome.resumed_from_step) == ("done", None)
    assert len(notes) == 1
    assert str(folder.checkpoint_file) in notes[0]
    whole = executed(tmp_path / "whole", SPEC)
    assert without_times(rows_of(folder.metrics_file)) == without_times(rows_of(whole.metrics_file))


def test_progress_is_told_after_the_state_was_saved(tmp_path):
    told = []
    folder = prepared(tmp_path, SPEC)

    def listen(step, steps, accuracy):
        told.append((step, steps, len(rows_of(folder.train_file)), folder.checkpoint_file.exists()))
        assert 0 <= accuracy <= 1

    execute(folder, Execution(device="cpu", on_progress=listen))
    assert told == [(2, 4, 1, True), (4, 4, 2, True)]


def test_a_loss_that_is_not_finite_fails_the_run_and_is_explained(tmp_path):
    folder = prepared(tmp_path, tiny_spec("training.learning_rate=1e38", "training.warmup_steps=0"))
    outcome = finish(folder)
    assert outcome.state == "failed"
    assert "the loss is not finite" in (outcome.error or "")
    assert "RunFailedError" in folder.error_file.read_text()
    assert not folder.metrics_file.exists()


def test_a_run_that_another_sweep_found_failing_is_not_made_again(tmp_path):
    folder = prepared(tmp_path, tiny_spec())
    folder.write_outcome(RunStatus(folder.run_id, "failed", error="the reason"))
    outcome = finish(folder)
    assert (outcome.state, outcome.error) == ("failed", "the reason")
    assert not folder.checkpoint_file.exists()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("oops"), "KeyError: 'oops'"),
        (ValueError("2 is odd"), "ValueError: 2 is odd"),
        (UserError("the files have changed"), "the files have changed"),
    ],
)
def test_the_reason_of_a_failure_says_what_kind_of_error_it_was(tmp_path, monkeypatch, error, reason):
    def fail(*_):
        raise error

    monkeypatch.setattr("attnbench.runs.execute.metrics_row", fail)
    assert finish(prepared(tmp_path, SPEC)).error == reason


def test_an_error_inside_a_run_ends_in_its_status(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyError

    folder = prepared(tmp_path, SPEC)
    monkeypatch.setattr("attnbench.runs.execute.metrics_row", fail)
    assert finish(folder).error == "KeyError"
    assert "Traceback" in folder.error_file.read_text()
    monkeypatch.undo()
    folder.reset()
    assert finish(folder).state == "done"
    assert not folder.error_file.exists()


def test_nobody_listening_any_more_is_no_failure_of_the_run(tmp_path):
    def listen(*_):
        raise BrokenPipeError

    folder = prepared(tmp_path, SPEC)
    with pytest.raises(BrokenPipeError):
        execute(folder, Execution(device="cpu", on_progress=listen))
    assert folder.state == "interrupted"
    assert finish(folder).resumed_from_step == 2


def test_what_a_killed_holder_was_writing_is_cleared_away(tmp_path):
    folder = prepared(tmp_path, SPEC)
    half = folder.path / f".checkpoint.pt.{'0a' * 16}.tmp"
    half.touch()
    finish(folder)
    assert not half.exists()


def test_a_run_that_somebody_else_does_is_left_to_them(tmp_path):
    folder = prepared(tmp_path, SPEC)
    with folder.claim(), pytest.raises(ClaimedError):
        finish(folder)
    assert finish(folder).state == "done"


def test_files_that_changed_since_the_run_was_planned_fail_it(tmp_path):
    data = tmp_path / "pairs.tsv"
    data.write_text("".join(f"w{i} w{i}\tv{i}\n" for i in range(80)))
    spec = text_spec(data)
    folder = prepared(tmp_path / "runs", spec, 5)
    with data.open("a") as file:
        file.write("w w\tv\n")
    assert f"{data} has another content than at the training" in (finish(folder).error or "")


def test_buckets_without_examples_give_no_row_and_others_are_not_lost(tmp_path):
    data = tmp_path / "pairs.tsv"
    data.write_text("".join(f"w{i} w{i}\tv{i}\n" for i in range(80)))
    folder = executed(tmp_path / "runs", text_spec(data), 1, 5, 9)
    assert [(row["length_min"], row["length"]) for row in rows_of(folder.metrics_file)] == [("2", "5")]


def test_a_run_takes_one_thread_whatever_the_process_had(tmp_path):
    torch.set_num_threads(2)
    executed(tmp_path, SPEC)
    assert torch.get_num_threads() == 1


STATE = {
    "weights": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2], dtype=torch.int64)},
    "step": 7,
    "rate": 0.1,
    "rows": [{"step": 1, "reason": None}],
    "stop_reason": "budget",
}


class Intruder:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code of a checkpoint ran')",))


@pytest.fixture
def path(tmp_path):
    save_checkpoint(tmp_path / "checkpoint.pt", STATE)
    return tmp_path / "checkpoint.pt"


def test_a_state_comes_back_as_it_was(path):
    loaded = load_checkpoint(path)
    assert torch.equal(loaded["weights"].pop("a"), STATE["weights"]["a"])
    assert torch.equal(loaded["weights"].pop("b"), STATE["weights"]["b"])
    assert {**loaded, "weights": {}} == {**STATE, "weights": {}}


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DamagedFileError, match=r"checkpoint\.pt is damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.02, 0.3, 0.6, 0.999])
def test_one_flipped_bit_is_noticed_wherever_it_is(path, share):
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match="checksum"):
        load_checkpoint(path)


@pytest.mark.parametrize("junk", [b"", b"\n", b"attnbench checkpoint 1 sha256 \n", b"PK\x03\x04"])
def test_what_is_no_checkpoint_is_refused(path, junk):
    path.write_bytes(junk)
    with pytest.raises(DamagedFileError):
        load_checkpoint(path)


def test_code_in_a_checkpoint_with_a_right_checksum_does_not_run(path):
    save_checkpoint(path, {"step": Intruder()})
    with pytest.raises(DamagedFileError, match="cannot be loaded"):
        load_checkpoint(path)


def test_a_pickle_with_code_in_place_of_a_checkpoint_does_not_run(path):
    path.write_bytes(pickle.dumps(Intruder()))
    with pytest.raises(DamagedFileError):
        load_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Intruder()))
    with pytest.raises(DamagedFileError):
        load_checkpoint(path)


def test_a_missing_checkpoint_is_not_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "checkpoint.pt")

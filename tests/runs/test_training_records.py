import pytest

from attnbench.runs.folder import RunFolder
from attnbench.runs.metrics_csv import write_rows
from attnbench.runs.status import RunStatus
from attnbench.runs.training_records import Progress, TrainingRecords, gain_before
from tests.metrics_rows import as_text, metrics_row, metrics_table


def train_rows(nats):
    """Rows of train.csv of 1,000 steps, one for each hundred."""
    return [{"step": 100 * (i + 1), "validation_nats": loss} for i, loss in enumerate(nats)]


def write_run(folder, nats):
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text("run_id: a\ntraining:\n  steps: 1000\n  final_decay: 0.25\n")
    write_rows(folder / "train.csv", train_rows(nats), ["step", "validation_nats"])


# The decay starts at 750, its last third at 500: what matters are the best up to 500 and up to 700.
FLAT = [3.0, 2.5, 2.2, 2.1, 2.00, 2.01, 1.99, 1.5, 1.2, 1.1]
FALLING = [3.0, 2.5, 2.2, 2.1, 2.00, 1.98, 1.96, 1.5, 1.2, 1.1]


@pytest.mark.parametrize(("nats", "gain"), [(FLAT, 0.005), (FALLING, 0.02)])
def test_the_gain_is_that_of_the_last_third_ahead_of_the_decay(nats, gain):
    assert gain_before(as_text(train_rows(nats)), 750) == pytest.approx(gain)


def test_a_rise_is_no_gain():
    assert gain_before(as_text(train_rows([2.0] * 5 + [2.5] * 5)), 750) == 0


def test_without_an_evaluation_in_the_last_third_nothing_is_known():
    assert gain_before(as_text(train_rows([2.0, 1.9])), 750) is None
    assert gain_before(as_text([{"step": 1000, "validation_nats": 2.0}]), 750) is None


def test_a_run_has_levelled_off_below_one_percent(tmp_path):
    write_run(tmp_path / "runs" / "flat", FLAT)
    write_run(tmp_path / "runs" / "falling", FALLING)
    records = TrainingRecords([tmp_path / "elsewhere", tmp_path])
    assert records.has_levelled("flat")
    assert not records.has_levelled("falling")
    assert not records.has_levelled("absent")
    assert not TrainingRecords().has_levelled("flat")


def test_damaged_files_tell_nothing(tmp_path):
    write_run(tmp_path / "runs" / "a", FLAT)
    records = TrainingRecords([tmp_path])
    store_folder = tmp_path / "runs" / "a"
    assert records.has_levelled("a")
    (store_folder / "spec.yaml").write_text("training: [")
    assert not records.has_levelled("a")
    (store_folder / "spec.yaml").write_text("training: {steps: 1000, final_decay: 0.25}")
    assert records.has_levelled("a")
    (store_folder / "train.csv").write_text("step,validation_nats\n100,1.0")
    assert not records.has_levelled("a")


def test_every_tuning_table_is_read_and_a_damaged_one_is_none(tmp_path):
    for name, text in (("one", "model,learning_rate\nfixed,0.01\n"), ("two", "model,learning_rate\nfixed\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tuning.csv").write_text(text)
    records = TrainingRecords([tmp_path / "one", tmp_path / "two", tmp_path / "three"])
    assert records.tuning_rows() == [{"model": "fixed", "learning_rate": "0.01"}]


def test_a_text_is_named_by_the_files_that_its_runs_name(tmp_path):
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text("run_id: a\ntask: {source: /data/train.en, target: /data/train.eo}\n")
    records = TrainingRecords([tmp_path])
    assert records.data_names({"68ee2a71": "a", "0": "b"}) == {"68ee2a71": "train.en and train.eo"}


def planned_run(folder, name, lengths):
    RunFolder(folder / "runs" / name).prepare({"run_id": name}, lengths)


def test_runs_are_planned_that_some_sweep_wrote_down_to_be_tested(tmp_path):
    for name, lengths in {"whole": [4, 8], "more": [4, 16], "none": [4], "rate": []}.items():
        planned_run(tmp_path, name, lengths)
    planned_run(tmp_path, "copied", [4])
    (tmp_path / "runs" / "copied").rename(tmp_path / "runs" / "copied_by_hand")
    rows = [
        metrics_row(run_id=name, length=length) for name in ("whole", "more", "alone") for length in (4, 8)
    ]
    progress = TrainingRecords([tmp_path]).progress(metrics_table(rows))
    assert progress == Progress(2, 4)
    assert progress.unfinished == "2 of 4 planned runs"
    assert TrainingRecords().progress(metrics_table(rows)) == Progress(3, 3)
    assert Progress(3, 3).unfinished == ""


def test_a_run_that_is_done_counts_though_a_bucket_was_empty(tmp_path):
    planned_run(tmp_path, "text", [10, 20])
    folder = RunFolder(tmp_path / "runs" / "text")
    folder.write_outcome(RunStatus("text", "done", lengths=[10, 20]))
    rows = metrics_table([metrics_row(run_id="text", length=10)])
    assert TrainingRecords([tmp_path]).progress(rows).unfinished == ""


@pytest.mark.parametrize(("steps", "is_within"), [(100, True), (250, True), (251, False)])
def test_a_budget_within_the_warm_up_is_known_from_the_spec(tmp_path, steps, is_within):
    training = {"steps": steps, "warmup_steps": 250}
    RunFolder(tmp_path / "runs" / "a").prepare({"run_id": "a", "training": training}, [4])
    records = TrainingRecords([tmp_path / "elsewhere", tmp_path])
    assert records.is_within_warmup("a") == is_within
    assert not records.is_within_warmup("absent")
    assert not TrainingRecords().is_within_warmup("a")

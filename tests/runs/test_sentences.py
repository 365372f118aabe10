import gzip

import numpy as np
import pandas as pd
import pytest

from attnbench.analysis.bootstrap import corpus_bleu, corpus_chrf, counts_of
from attnbench.errors import DamagedFileError
from attnbench.runs.folder import RunFolder
from attnbench.runs.sentences import (
    SENTENCE_COLUMNS,
    is_real_text,
    join_sentences,
    read_sentence_table,
    read_sentences,
    write_sentence_table,
    write_sentences,
)
from attnbench.runs.spec import PlannedRun
from attnbench.runs.store import RunStore
from attnbench.runs.training_records import TrainingRecords
from attnbench.sweeps.run import prepare
from tests.commands import rows_of, without_times
from tests.planted_sentences import joined_runs, planted_run
from tests.runs.tiny_runs import executed, finish, text_spec, tiny_spec
from tests.tasks.text.text_examples import numbered_pairs, write_tsv


@pytest.fixture
def spec(tmp_path):
    return text_spec(write_tsv(tmp_path / "pairs.tsv", numbered_pairs(90)))


def test_a_run_of_real_text_keeps_what_the_scores_of_its_row_are_made_of(tmp_path, spec):
    folder = executed(tmp_path / "runs", spec, 4, 9)
    table = read_sentence_table(folder.sentences_file)
    assert list(table.columns) == list(SENTENCE_COLUMNS)
    rows = rows_of(folder.metrics_file)
    assert [row["length"] for row in rows] == ["4", "9"]
    for row in rows:
        own = table[table["length"] == int(row["length"])]
        assert own["sentence"].tolist() == list(range(1, int(row["examples"]) + 1))
        total = counts_of(own).sum(axis=0)
        assert corpus_bleu(total) == pytest.approx(float(row["bleu"]))
        assert corpus_chrf(total) == pytest.approx(float(row["chrf"]))
        assert own["tokens"].sum() == int(row["target_tokens"])
        assert own["nats"].sum() / own["tokens"].sum() == pytest.approx(
            float(row["cross_entropy_nats"]), abs=1e-4
        )


def test_a_synthetic_run_keeps_no_sentences(tmp_path):
    translation = tiny_spec("task=translation", "task.length=6")
    for folder in (executed(tmp_path, tiny_spec()), executed(tmp_path, translation)):
        assert not folder.sentences_file.exists()
        assert not any(is_real_text(row) for row in rows_of(folder.metrics_file))


def test_more_lengths_add_sentences_and_leave_those_before(tmp_path, spec):
    folder = executed(tmp_path / "step_by_step", spec, 4)
    before = read_sentences(folder.sentences_file)
    folder.prepare(spec.to_values(), [9])
    finish(folder)
    at_once = executed(tmp_path / "at_once", spec, 4, 9)
    assert folder.sentences_file.read_bytes() == at_once.sentences_file.read_bytes()
    assert before.items() <= read_sentences(folder.sentences_file).items()


def test_a_run_of_before_sentences_were_kept_is_whole_and_gets_them_with_more_lengths(tmp_path, spec):
    folder, at_once = executed(tmp_path / "old", spec, 4), executed(tmp_path / "new", spec, 4, 9)
    # As an earlier version left it: nothing vouches for a file of sentences.
    outcome = folder.read_outcome()
    folder.sentences_file.unlink()
    folder.write_outcome(outcome)
    old = RunFolder(folder.path)
    assert (old.state, old.find_damage(), old.find_damaged_record()) == ("done", None, None)
    rows = rows_of(old.metrics_file)
    old.prepare(spec.to_values(), [9])
    assert finish(old).resumed_from_step is not None
    assert old.sentences_file.read_bytes() == at_once.sentences_file.read_bytes()
    assert without_times(rows_of(old.metrics_file)[:1]) == without_times(rows)


@pytest.mark.parametrize("damage", [None, b"", b"no gzip", gzip.compress(b"length\nx\n", mtime=0)])
def test_damaged_sentences_of_a_finished_run_are_made_again_from_its_checkpoint(tmp_path, spec, damage):
    store = RunStore(tmp_path)
    folder = executed(store.runs_path, spec, 4, 9)
    whole, rows = folder.sentences_file.read_bytes(), rows_of(folder.metrics_file)
    folder.sentences_file.unlink() if damage is None else folder.sentences_file.write_bytes(damage)
    notes = []
    assert len(TrainingRecords([tmp_path]).sentences([spec.run_id])) == 0
    (again,) = prepare(store, [PlannedRun(spec, (4, 9))], notes.append)
    assert "sentences.csv.gz is damaged" in notes[0]
    assert finish(again).resumed_from_step is not None
    assert folder.sentences_file.read_bytes() == whole
    assert without_times(rows_of(folder.metrics_file)) == without_times(rows)


def test_what_is_written_reads_back(tmp_path):
    rows, table = joined_runs(planted_run(np.linspace(0, 1, 7), seed=seed) for seed in (0, 1))
    write_sentence_table(tmp_path / "merged.csv.gz", table)
    assert read_sentence_table(tmp_path / "merged.csv.gz").to_dict("records") == table[
        ["run_id", *SENTENCE_COLUMNS]
    ].to_dict("records")
    own = table[table["run_id"] == rows[0]["run_id"]].drop(columns="run_id")
    write_sentences(tmp_path / "own.csv.gz", own.to_dict("records"))
    assert read_sentence_table(tmp_path / "own.csv.gz").to_dict("records") == own.to_dict("records")
    assert [*read_sentences(tmp_path / "own.csv.gz")] == [(1, 10)]


def test_the_same_sentences_make_the_same_file(tmp_path, monkeypatch):
    _, table = planted_run(np.linspace(0, 1, 7))
    write_sentence_table(tmp_path / "a", table)
    monkeypatch.setattr("time.time", lambda: 1.0)
    write_sentence_table(tmp_path / "b", table)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no gzip",
        gzip.compress(b"length\n1\n", mtime=0)[:-9],
        gzip.compress(b"a\n1\n", mtime=0),
        gzip.compress(b"\xff", mtime=0),
    ],
)
def test_what_no_run_wrote_is_named(tmp_path, data):
    (tmp_path / "sentences.csv.gz").write_bytes(data)
    for read in (read_sentences, read_sentence_table):
        with pytest.raises(DamagedFileError, match=r"sentences\.csv\.gz: is not what a run wrote"):
            read(tmp_path / "sentences.csv.gz")


def test_a_bucket_that_several_tables_have_counts_once():
    _, table = planted_run(np.linspace(0, 1, 7))
    assert len(join_sentences([table, table])) == 7
    assert list(join_sentences([]).columns) == ["run_id", *SENTENCE_COLUMNS]


def test_sentences_are_found_in_run_folders_and_beside_a_table(tmp_path, spec):
    folder = executed(tmp_path / "sweep" / "runs", spec, 4, 9)
    found = TrainingRecords([tmp_path / "sweep"]).sentences([spec.run_id, "another"])
    assert set(found["run_id"]) == {folder.run_id}
    (tmp_path / "table").mkdir()
    write_sentence_table(tmp_path / "table" / "sentences.csv.gz", found)
    alone = TrainingRecords([tmp_path / "table"])
    pd.testing.assert_frame_equal(alone.sentences([spec.run_id]), found)
    assert len(alone.sentences(["another"])) == 0
    assert len(TrainingRecords().sentences([spec.run_id])) == 0

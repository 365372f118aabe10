"""What Slurm, its commands and its jobs do wrong, on a fake queue."""

import signal
import threading
from dataclasses import replace

import pytest

from attnbench.config.compose import Configuration
from attnbench.errors import DamagedFileError, UserError
from attnbench.executors.base import Note, RunEnded, WorkOrder
from attnbench.executors.slurm import executor, job, records, submission
from attnbench.executors.slurm.job import RunBundle, StopSignal
from tests.executors.fake_slurm import Cluster
from tests.faults.waiting import wait_for
from tests.runs.tiny_runs import finish, prepared, tiny_spec

ORDER = WorkOrder("cpu")
EXECUTOR = replace(Configuration().executor("slurm"), runs_per_job=1)
SILENCE = "slurm_load_jobs error: Unable to contact slurm controller"


def submit(folders, executor=EXECUTOR):
    return executor.submit([folder.path for folder in folders], ORDER)


def notes_in(events):
    return " ".join(event.text for event in events if isinstance(event, Note))


def finish_all(fake, folders):
    fake.put([])
    for folder in folders:
        finish(folder)


def test_jobs_that_slurm_took_though_sbatch_failed_are_ended_and_the_runs_are_free(fake, folders, book):
    fake.fail_late(
        "sbatch", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
    )
    with pytest.raises(UserError, match="Socket timed out"):
        submit(folders)
    assert len(fake.calls("scancel")) == 1
    assert fake.queue == []
    assert book.states([folder.run_id for folder in folders]) == {}


def test_where_slurm_is_silent_after_a_failed_submission_its_jobs_are_found_later(fake, folders, book):
    fake.fail_late("sbatch", "sbatch: error: Socket timed out on send/recv operation")
    fake.refuse("squeue", SILENCE)
    waiting = submit(folders)
    assert "5 runs were not taken" in waiting.describe()
    fake.relent("squeue")
    assert len(submit(folders).first.found) == 5
    events = []
    waiting.wait(events.append, Cluster(lambda: None, lambda: None, lambda: finish_all(fake, folders)))
    assert fake.submissions == 1
    assert "Socket timed out" in notes_in(events)


def test_a_sweep_that_comes_to_its_next_runs_while_slurm_is_silent_submits_them_later(fake, folders):
    fake.refuse("squeue", SILENCE)
    fake.refuse("sbatch", "sbatch: error: Unable to contact slurm controller")
    waiting = submit(folders)

    def answer():
        fake.relent("squeue")
        fake.relent("sbatch")

    waiting.wait(lambda _: None, Cluster(answer, lambda: None, lambda: finish_all(fake, folders)))
    assert len(fake.queue) == 0
    assert [folder.state for folder in folders] == ["done"] * 5


def test_an_array_is_no_larger_than_the_cluster_allows(fake, folders, book):
    fake.answer("scontrol", "MaxAllowedCount = 5\nMaxArraySize            = 2\nMaxBatchRequeue = 5")
    submit(folders)
    assert [len(record.packs) for record in book.records()] == [2, 2, 1]


def test_where_the_cluster_tells_no_limit_an_array_holds_a_thousand_jobs(fake):
    assert executor.largest_array() == 1000
    fake.answer("scontrol", "MaxArraySize            = 4000001")
    assert executor.largest_array() == 1000
    fake.refuse("scontrol", SILENCE)
    assert executor.largest_array() == 1000


def test_arrays_beyond_a_limit_are_submitted_when_there_is_room(fake, folders, book):
    fake.answer("scontrol", "MaxArraySize = 2")
    fake.limit(2)
    events = []
    waiting = submit(folders)
    assert (
        waiting.describe()
        == f"2 runs handed to Slurm (job {book.records()[0].job_id}); 3 runs were not taken."
    )
    assert "QOSMaxSubmitJobPerUserLimit" in str(waiting.rejection)
    waiting.wait(
        events.append,
        Cluster(
            lambda: None,
            lambda: finish_all(fake, folders[:2]),
            lambda: None,
            lambda: finish_all(fake, folders[2:4]),
            lambda: None,
            lambda: finish_all(fake, folders[4:]),
        ),
    )
    assert [len(record.packs) for record in book.records()] == [2, 2, 1]
    assert notes_in(events).count("QOSMaxSubmitJobPerUserLimit") == 1
    assert [folder.state for folder in folders] == ["done"] * 5
    assert not waiting.is_given_up


def test_who_cancels_a_sweep_cancels_what_slurm_has_not_taken_yet_as_well(fake, folders, book):
    fake.answer("scontrol", "MaxArraySize = 2")
    fake.limit(2)
    waiting = submit(folders)
    events = []
    waiting.wait(
        events.append, Cluster(lambda: None, book.cancel, lambda: None, lambda: finish_all(fake, folders))
    )
    assert waiting.is_given_up
    assert (fake.queue, len(book.records())) == ([], 1)
    assert [folder.state for folder in folders] == ["waiting"] * 5
    assert sum(isinstance(event, RunEnded) for event in events) == 5


def test_who_cancels_a_sweep_has_nothing_submitted_that_was_lost(fake, folders, book):
    fake.answer("scontrol", "MaxArraySize = 2")
    waiting = submit(folders)

    def lose_two_and_cancel_the_others():
        fake.put(fake.queue[2:])
        book.cancel()

    waiting.wait(lambda _: None, Cluster(lambda: None, lose_two_and_cancel_the_others))
    assert waiting.is_given_up
    assert (fake.queue, fake.submissions) == ([], 3)


def test_jobs_that_are_cancelled_while_they_are_being_submitted_stay_cancelled(
    fake, folders, book, monkeypatch
):
    right = executor.submit_array
    others = []

    def submit_while_another_cancels(*arguments):
        job_id = right(*arguments)
        others.append(threading.Thread(target=book.cancel))
        others[-1].start()
        others[-1].join(2 * records.LOOK_SECONDS)
        return job_id

    monkeypatch.setattr(executor, "submit_array", submit_while_another_cancels)
    fake.answer("scontrol", "MaxArraySize = 3")
    submit(folders)
    for other in others:
        other.join()
    assert fake.queue == []
    assert book.states([folder.run_id for folder in folders]) == {}


def test_cancelling_a_sweep_without_jobs_makes_no_folder_for_them(folders, book):
    assert book.cancel() == 0
    assert not book.folder.exists()


def test_a_sweep_whose_runs_are_refused_for_good_ends_in_the_words_of_slurm(fake, folders):
    waiting = submit(folders)

    def refuse_from_now_on():
        fake.put([])
        fake.limit(0)

    with pytest.raises(UserError, match="QOSMaxSubmitJobPerUserLimit"):
        waiting.wait(lambda _: None, Cluster(lambda: None, refuse_from_now_on))
    assert fake.submissions == 1 + submission.REFUSALS + 1
    assert [folder.state for folder in folders] == ["waiting"] * 5


@pytest.mark.parametrize("half", ["attnbench-12|10", "attnbench-12|10|0|launch failed requ"])
def test_a_queue_that_is_told_by_half_is_asked_again(fake, folders, half):
    events = []
    waiting = submit(folders)

    def cut():
        fake.answer("squeue", half)

    def heal():
        (fake.folder / "squeue.answer").unlink()

    waiting.wait(
        events.append, Cluster(lambda: None, cut, lambda: None, heal, lambda: finish_all(fake, folders))
    )
    assert "squeue said what cannot be read" in notes_in(events)
    assert "Slurm answers again" in notes_in(events)
    assert fake.submissions == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"name": 3}', '{"name": "a", "submitted": "b", "packs": null}']
)
def test_runs_of_a_damaged_record_are_not_submitted_while_its_jobs_live(fake, folders, book, text):
    submit(folders)
    (record,) = book.records()
    (book.folder / f"{record.name}.json").write_text(text)
    with pytest.raises(DamagedFileError, match=rf"{record.name}\.json is damaged.*attnbench cancel"):
        submit(folders)
    assert book.cancel() == 5
    submit(folders)
    assert fake.submissions == 2


def test_a_record_whose_run_ids_were_changed_on_disk_is_damaged(fake, folders, book):
    submit(folders)
    (record,) = book.records()
    file = book.folder / f"{record.name}.json"
    file.write_text(file.read_text().replace(folders[0].run_id, folders[0].run_id[:-1] + "x"))
    assert book.records() == []


def test_a_job_that_lives_on_from_before_keeps_its_runs_from_being_lost(fake, folders, book):
    submit(folders)
    before = fake.queue
    fake.put([])
    submit(folders)
    fake.put([[*job[:3], "RUNNING"] for job in before])
    assert set(book.states([folder.run_id for folder in folders]).values()) == {"running"}
    assert len(submit(folders).first.found) == 5


def test_a_run_that_saves_before_every_loss_is_never_given_up(fake, folders):
    folder = folders[0]
    waiting = submit([folder])
    saved = iter(range(1, 5))

    def lose():
        fake.put([])
        folder.checkpoint_file.write_bytes(b"a checkpoint" * next(saved))

    deeds = [lambda: None, *[deed for _ in range(4) for deed in (lose, lambda: None)]]
    waiting.wait(lambda _: None, Cluster(*deeds, lambda: finish_all(fake, [folder])))
    assert folder.state == "done"
    assert fake.submissions == 5


def test_a_job_without_a_log_is_told_apart(fake, folders):
    waiting = submit(folders[:1])
    waiting.wait(lambda _: None, Cluster(*[lambda: fake.put([])] * 4))
    outcome = folders[0].read_outcome()
    assert outcome is not None
    assert "it left no log in" in str(outcome.error)
    assert "does its node see that folder?" in str(outcome.error)


def test_two_sweeps_that_wait_for_the_same_runs_submit_a_lost_one_once(fake, folders):
    first, second = submit(folders[:1]), submit(folders[:1])
    fake.put([])
    first.wait(lambda _: None, lambda: fake.submissions > 1)
    assert second.hand_over(folders[:1], 1).found == [folders[0].run_id]
    assert fake.submissions == 2


def test_a_warning_that_would_come_before_the_job_is_refused(fake, tmp_path):
    with pytest.raises(UserError, match=r"save_seconds=90: expected less than the time limit of a job, 60 s"):
        replace(EXECUTOR, time_minutes=1).check(tmp_path)


def test_a_warning_that_comes_as_the_job_begins_to_listen_is_not_lost(monkeypatch):
    def listen_and_be_warned(number, handler):
        if number == signal.SIGUSR2:
            handler(number, None)
        return signal.SIG_DFL

    requeued = []
    monkeypatch.setattr(signal, "getsignal", lambda _: lambda *_: requeued.append("requeued"))
    monkeypatch.setattr(signal, "signal", listen_and_be_warned)
    stop = StopSignal()
    stop.listen()
    monkeypatch.undo()
    assert stop()
    assert stop.requeue is not None
    stop.requeue()
    assert requeued == ["requeued"]


@pytest.mark.slow
@pytest.mark.parametrize("side_by_side", [1, 2])
def test_a_job_comes_back_to_a_run_that_another_process_is_at(tmp_path, monkeypatch, side_by_side):
    monkeypatch.setattr(job, "CLAIMED_SECONDS", 0.01)
    claimed, free = (prepared(tmp_path / "runs", tiny_spec(f"seed={seed}")) for seed in (0, 1))
    pack = RunBundle((str(claimed.path), str(free.path)), "cpu", None, side_by_side)
    with claimed.claim():
        worker = threading.Thread(target=pack._execute, args=(StopSignal(),))
        worker.start()
        wait_for(lambda: free.state == "done" or not worker.is_alive())
        assert free.state == "done"
        assert claimed.state == "running"
    worker.join(60)
    assert claimed.state == "done"


def test_a_run_that_breaks_its_execution_leaves_the_others_of_its_job(tmp_path, monkeypatch, capsys):
    broken, sound = (prepared(tmp_path / "runs", tiny_spec(f"seed={seed}")) for seed in (0, 1))
    broken.claim_file.mkdir()
    RunBundle((str(broken.path), str(sound.path)), "cpu", None)._execute(StopSignal())
    assert (broken.read_outcome(), sound.state) == (None, "done")
    assert "IsADirectoryError" in capsys.readouterr().err

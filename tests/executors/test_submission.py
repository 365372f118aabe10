"""How often Slurm is asked while a sweep waits, by a clock that takes no time."""

import itertools
import time

import pytest

from attnbench.executors.base import Note, RunEnded, RunStarted
from attnbench.executors.slurm import submission
from attnbench.executors.slurm.queue import SilentSlurmError
from attnbench.executors.slurm.records import JobOfRun
from attnbench.executors.slurm.submission import SlurmSubmission, SubmitResult
from tests.runs.tiny_runs import finish, prepared, tiny_spec


class Clock:
    """Stands in for the module time."""

    def __init__(self):
        self.began = self.now = time.monotonic()
        self.slept = []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept.append(seconds)

    @property
    def seconds(self):
        return self.now - self.began


class Book:
    """Decoded by the clock, and remembers when it was asked."""

    logs_folder = "logs"

    def __init__(self, clock, answer):
        self.clock, self.answer, self.asked = clock, answer, []

    def jobs_of(self, run_ids):
        self.asked.append(self.clock.seconds)
        told = self.answer(self.clock.seconds)
        return {run_id: job if isinstance(job, JobOfRun) else JobOfRun(job) for run_id, job in told.items()}

    def log_of(self, run_id):
        return None

    @property
    def pauses(self):
        return [later - earlier for earlier, later in itertools.pairwise(self.asked)]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(submission, "time", clock)
    return clock


@pytest.fixture
def run(tmp_path):
    return prepared(tmp_path / "runs", tiny_spec())


def wait(clock, run, answer, *, seconds):
    """Wait so long for a run of which the book says `answer(seconds)`; return the book and the events."""
    book, events = Book(clock, answer), []
    waiting = SlurmSubmission(book, {run.run_id: run}, SubmitResult(["1"]), lambda *_: SubmitResult(["2"]), 1)
    waiting.wait(events.append, lambda: clock.seconds >= seconds)
    return book, events


def test_while_nothing_changes_the_pauses_grow_to_half_a_minute(clock, run):
    book, _ = wait(clock, run, lambda _: {run.run_id: "pending"}, seconds=600)
    assert book.pauses[:6] == pytest.approx([2, 4, 8, 16, 30, 30])
    assert len(book.asked) <= 25


def test_a_change_makes_them_short_again(clock, run):
    book, _ = wait(clock, run, lambda now: {run.run_id: "pending" if now < 100 else "running"}, seconds=200)
    after = [pause for asked, pause in zip(book.asked[:-1], book.pauses, strict=True) if asked >= 100]
    assert after[:4] == pytest.approx([2, 4, 8, 16])


def test_a_request_to_stop_is_noticed_within_two_seconds_all_the_same(clock, run):
    wait(clock, run, lambda _: {run.run_id: "pending"}, seconds=101)
    assert max(clock.slept) <= 2
    assert clock.seconds <= 103


def test_the_beginning_and_the_end_of_a_run_are_told_without_asking_slurm(clock, run):
    told = []

    def answer(now):
        return {run.run_id: "running"}

    book = Book(clock, answer)
    waiting = SlurmSubmission(book, {run.run_id: run}, SubmitResult(["1"]), lambda *_: SubmitResult(), 1)

    def work():
        if clock.seconds >= 64:
            run.claim_file.touch()
        if clock.seconds >= 70:
            finish(run)
        return False

    waiting.wait(lambda event: told.append((clock.seconds, type(event))), work)
    assert book.asked[-2:] == pytest.approx([30, 60])
    assert told[1:] == [(pytest.approx(64), RunStarted), (pytest.approx(70), RunEnded)]


def test_a_loss_is_looked_at_again_soon_and_takes_more_than_one_look(clock, run):
    book, events = wait(clock, run, lambda now: {run.run_id: "pending" if now < 100 else "lost"}, seconds=150)
    looks = [asked for asked in book.asked if asked >= 100]
    (again,) = [event for event in events if isinstance(event, Note) and "once more" in event.text]
    assert again
    assert looks[:4] == pytest.approx([looks[0] + each for each in (0, 2, 4, 6)])


def test_a_silent_slurm_is_asked_ever_less(clock, run):
    def be_silent(now):
        raise SilentSlurmError("Unable to contact slurm controller")

    book, _ = wait(clock, run, be_silent, seconds=300)
    assert book.pauses[-1] == pytest.approx(30)


NODES_ARE_DRAINED = (
    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"
)
HELD = "launch failed requeued held"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (NODES_ARE_DRAINED, f"Slurm holds 1 run: {NODES_ARE_DRAINED}."),
        (HELD, f"Slurm holds 1 run: {HELD} (`scontrol release 7` frees them)."),
    ],
)
def test_why_slurm_holds_a_run_is_told_once(clock, run, reason, words):
    _, events = wait(clock, run, lambda _: {run.run_id: JobOfRun("pending", reason, "7")}, seconds=300)
    assert [event.text for event in events if "holds" in event.text] == [words]


def test_a_reason_to_wait_that_passes_is_not_told(clock, run):
    def answer(now):
        return {run.run_id: JobOfRun("pending", NODES_ARE_DRAINED if 10 < now < 20 else "Priority", "7")}

    book, events = wait(clock, run, answer, seconds=100)
    assert any(10 < asked < 20 for asked in book.asked)
    assert not any("holds" in event.text for event in events)

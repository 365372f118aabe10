"""Run folders prepared, made and waited for; failed runs that are repeated."""

import math
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from attnbench.config.compose import Configuration
from attnbench.executors.base import Executor, Note, RunEnded, Submission, WorkOrder
from attnbench.runs.folder import RunFolder, forget_failures, give_up
from attnbench.runs.spec import PlannedRun
from attnbench.runs.status import RunStatus
from attnbench.runs.store import RunStore
from attnbench.sweeps.learning_rates import TUNING_SEED, FoundBreakdown, TunedRate
from attnbench.sweeps.plan import SweepOptions, plan_sweep
from attnbench.sweeps.run import Sweep, missing, prepare, result_of, run_to_the_end
from tests.commands import TINY
from tests.runs.tiny_runs import executed, finish, prepared, tiny_spec

SPECS = [tiny_spec(), tiny_spec("seed=1")]
ORDER = WorkOrder("cpu")


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "sweep")


def plan(*lengths):
    return [PlannedRun(spec, lengths or (3,)) for spec in SPECS]


def prepare_quietly(store, planned=None):
    notes = []
    folders = prepare(store, plan() if planned is None else planned, notes.append)
    return folders, notes


class Recorder(Executor):
    """Executes inline what it is given, and remembers it."""

    def submit(self, run_folders, order):
        self.given.append([path.name for path in run_folders])
        return Recorded(run_folders)

    @property
    def given(self):
        return self.__dict__.setdefault("_given", [])


class Recorded(Submission):
    def __init__(self, run_folders):
        self.run_folders = run_folders

    def wait(self, listener, should_stop):
        for path in self.run_folders:
            finish(RunFolder(path))


def never():
    return False


def ignore(event):
    pass


def test_what_is_planned_is_written_down_and_missing(store):
    folders, notes = prepare_quietly(store)
    assert [folder.run_id for folder in folders] == [spec.run_id for spec in SPECS]
    assert {folder.state for folder in folders} == {"waiting"}
    assert missing(folders, retry_failed=False) == folders
    assert notes == []


def test_finished_runs_are_not_missing_and_failed_ones_only_when_they_are_to_be_retried(store, monkeypatch):
    folders, _ = prepare_quietly(store)
    finish(folders[0])
    monkeypatch.setattr("attnbench.runs.execute.metrics_row", None)
    finish(folders[1])
    assert missing(folders, retry_failed=False) == []
    assert missing(folders, retry_failed=True) == [folders[1]]
    result = result_of(folders)
    assert result.done == [SPECS[0].run_id]
    assert list(result.failed) == [SPECS[1].run_id]
    assert result.unfinished == []


@pytest.mark.parametrize("name", ["checkpoint.pt", "spec.yaml", "metrics.csv", "status.json"])
def test_a_damaged_finished_run_is_named_and_begins_anew_alone(store, name):
    for spec in SPECS:
        executed(store.runs_path, spec)
    path = store.folder(SPECS[0].run_id).path / name
    path.write_bytes(path.read_bytes()[:-5])
    folders, notes = prepare_quietly(store)
    assert len(notes) == 1
    assert str(path) in notes[0]
    assert SPECS[0].run_id in notes[0]
    assert [folder.run_id for folder in missing(folders, retry_failed=False)] == [SPECS[0].run_id]
    assert finish(folders[0]).resumed_from_step is None


@pytest.mark.parametrize("text", ["", "a: [", "seed: 0\n"])
def test_the_damaged_spec_of_an_unfinished_run_is_named_and_written_anew(store, text):
    folders, _ = prepare_quietly(store)
    folders[0].spec_file.write_text(text)
    folders, notes = prepare_quietly(store)
    assert len(notes) == 1
    assert str(folders[0].spec_file) in notes[0]
    assert finish(folders[0]).state == "done"


def test_an_unfinished_spec_that_says_the_same_in_other_words_is_not_damaged(store):
    folders, _ = prepare_quietly(store)
    text = folders[0].spec_file.read_text()
    folders[0].spec_file.write_text(f"# looked at by a person\n{text}")
    _, notes = prepare_quietly(store)
    assert notes == []
    assert folders[0].spec_file.read_text() == text


def test_a_spec_that_names_a_foreign_class_is_damaged(store):
    folders, _ = prepare_quietly(store)
    text = folders[0].spec_file.read_text().replace("attnbench.models.contexts.fixed.FixedArm", "os.system")
    folders[0].spec_file.write_text(text)
    _, notes = prepare_quietly(store)
    assert len(notes) == 1
    assert "Refused to load 'os.system'" in notes[0]


def test_the_spec_of_another_run_is_damage(store):
    folders, _ = prepare_quietly(store)
    folders[0].spec_file.write_bytes(folders[1].spec_file.read_bytes())
    _, notes = prepare_quietly(store)
    assert len(notes) == 1
    assert SPECS[0].run_id in notes[0]


def test_a_damaged_run_that_somebody_works_on_is_left_to_them(store):
    folders, _ = prepare_quietly(store)
    folders[0].spec_file.write_text("")
    with folders[0].claim():
        assert prepare_quietly(store)[1] == []
    assert folders[0].spec_file.read_text() == ""


def test_runs_are_handed_over_and_done(store):
    folders, _ = prepare_quietly(store)
    executor = Recorder()
    run_to_the_end(folders, executor, ORDER, ignore, never)
    assert executor.given == [[spec.run_id for spec in SPECS]]
    assert result_of(folders).done == [spec.run_id for spec in SPECS]


def test_nothing_is_begun_after_a_request_to_stop(store):
    folders, _ = prepare_quietly(store)
    executor = Recorder()
    run_to_the_end(folders, executor, ORDER, ignore, lambda: True)
    assert executor.given == []
    assert result_of(folders).unfinished == [spec.run_id for spec in SPECS]


def test_a_run_that_somebody_else_does_is_waited_for_and_not_done_twice(store, monkeypatch):
    monkeypatch.setattr("attnbench.sweeps.run.POLL_SECONDS", 0.02)
    folders, _ = prepare_quietly(store)
    others = RunFolder(folders[0].path)
    done_elsewhere = executed(store.path / "elsewhere", SPECS[0])

    def finish_elsewhere():
        for name in ("checkpoint.pt", "metrics.csv", "status.json"):
            (done_elsewhere.path / name).rename(others.path / name)
        claim.__exit__(None, None, None)

    claim = others.claim()
    claim.__enter__()
    other = threading.Thread(target=finish_elsewhere)
    executor, events = Recorder(), []

    def hear(event):
        events.append(event)
        other.start()

    run_to_the_end(folders, executor, ORDER, hear, never)
    other.join()
    assert events == [Note(f"Waiting for runs that another process is at: {SPECS[0].run_id}.")]
    assert executor.given == [[SPECS[1].run_id]]
    assert result_of(folders).done == [spec.run_id for spec in SPECS]


def test_a_run_whose_holder_died_is_taken_over(store, monkeypatch):
    monkeypatch.setattr("attnbench.sweeps.run.POLL_SECONDS", 0.02)
    folders, _ = prepare_quietly(store)
    claim = folders[0].claim()
    claim.__enter__()
    other = threading.Thread(target=claim.__exit__, args=(None, None, None))
    executor = Recorder()
    run_to_the_end(folders, executor, ORDER, lambda _: other.start(), never)
    other.join()
    assert executor.given == [[SPECS[1].run_id], [SPECS[0].run_id]]


def failing(runs, *overrides):
    folder = prepared(runs, tiny_spec(*overrides))
    folder.write_outcome(RunStatus(folder.run_id, "failed", error="the reason"))
    return folder


def test_failed_runs_become_unfinished_and_others_stay_as_they_are(tmp_path):
    failed, done, waiting = (
        failing(tmp_path),
        executed(tmp_path, tiny_spec("seed=1")),
        prepared(tmp_path, tiny_spec("seed=2")),
    )
    forget_failures([failed, done, waiting])
    assert [folder.state for folder in (failed, done, waiting)] == ["waiting", "done", "waiting"]


def test_a_run_that_another_process_repeats_is_left_to_it(tmp_path):
    failed = failing(tmp_path)
    with failed.claim():
        forget_failures([failed])
    assert failed.state == "failed"


def test_a_run_that_is_given_up_has_failed(tmp_path):
    folder = prepared(tmp_path, tiny_spec())
    outcome = give_up(folder, "the reason")
    assert outcome is not None
    assert (outcome.state, outcome.error) == ("failed", "the reason")
    assert folder.read_outcome() == outcome


def test_a_run_that_another_took_over_has_not_failed(tmp_path):
    folder = prepared(tmp_path, tiny_spec())
    with folder.claim():
        assert give_up(folder, "the reason") is None
    assert folder.state == "waiting"
    finish(folder)
    outcome = give_up(folder, "the reason")
    assert outcome is not None
    assert (outcome.state, folder.state) == ("done", "done")


class Heard:
    """A listener that remembers what it was told."""

    def __init__(self):
        self.notes, self.stages, self.events, self.submissions = [], [], [], []
        self.begun = []

    def note(self, text):
        self.notes.append(text)

    def begins(self, stage):
        self.begun.append(stage)

    def handed_over(self, submission):
        self.submissions.append(submission)

    @contextmanager
    def watch(self, work, runs):
        self.stages.append((len(work), runs))
        assert all(tokens > 0 for tokens in work.values())
        yield self.events.append


def tuned_plan():
    options = SweepOptions(
        lengths="2,3", models="fixed", seeds="1", tune_rates="1e-3,1e-2", longer=2, overrides=TINY
    )
    return plan_sweep(Configuration(), replace(options, executor="inline"))


@pytest.fixture
def best_rate(monkeypatch):
    """Make rates known: the nearer to this one, the lower is the cross-entropy."""

    def arrange(best):
        def read(store, runs):
            rates = [run.spec.training.learning_rate for run in runs]
            nats = [abs(math.log(rate / best)) for rate in rates]
            return [TunedRate(run.spec, loss, 0.5, 4) for run, loss in zip(runs, nats, strict=True)]

        monkeypatch.setattr("attnbench.sweeps.run.read_tuning", read)

    return arrange


def rate_of(folder):
    return folder.read_spec()["training"]["learning_rate"]


def test_a_sweep_tells_its_listener_of_every_stage_and_prints_nothing(store, capsys, best_rate):
    best_rate(0.01)
    heard, asked = Heard(), []

    def find_breakdowns(runs):
        asked.append([run.spec.seed for run in runs])
        return [FoundBreakdown(runs[0].spec.arm, 2.0, "below")]

    folders = Sweep(tuned_plan(), store, ORDER, heard, never, find_breakdowns).execute_all()
    assert {folder.state for folder in folders} == {"done"}
    # Two lengths at two rates and the next beyond, then each at its own, then each with twice the budget.
    assert heard.stages == [(4, 4), (2, 2), (2, 2), (2, 2)]
    assert [len(stage.runs) for stage in heard.begun] == [4, 2, 2, 2]
    # While rates are tried the runs with the chosen ones are known to follow, but for their rates.
    assert [len(stage.later) for stage in heard.begun] == [2, 2, 0, 0]
    assert asked == [[0, 0]]
    assert sum(isinstance(event, RunEnded) for event in heard.events) == 4 + 2 + 2 + 2
    assert heard.notes[:2] == [
        "Choosing learning rates: 4 runs, judged on validation data alone.",
        "Where the best rate lies at an edge, the next one beyond it: 2 runs.",
    ]
    assert heard.notes[-1] == "With 2 times the budget around each breakdown: 2 runs."
    assert capsys.readouterr() == ("", "")


def test_runs_for_which_nobody_waits_are_handed_over_and_that_is_told(store):
    heard, executor = Heard(), Recorder()
    plan = replace(tuned_plan(), executor=executor, rates=(), longer=None)
    folders = Sweep(plan, store, ORDER, heard, never, lambda _: [], waits=False).execute_all()
    assert executor.given == [[folder.run_id for folder in folders]]
    assert (len(heard.submissions), heard.stages, heard.notes) == (1, [], [])
    assert {folder.state for folder in folders} == {"waiting"}


def test_no_stage_follows_one_that_was_stopped(store):
    heard = Heard()
    folders = Sweep(tuned_plan(), store, ORDER, heard, lambda: True, lambda _: []).execute_all()
    assert {folder.state for folder in folders} == {"waiting"}
    assert (heard.stages, heard.begun) == ([(4, 4)], [])
    assert heard.notes[-1].startswith("No rate is chosen before all of these runs have ended")


@pytest.mark.parametrize(
    ("best", "beyond", "chosen"),
    [(0.09, [0.1, 1.0], 0.1), (50.0, [0.1, 1.0, 10.0], 10.0), (2e-4, [1e-4, 1e-5], 1e-4)],
)
def test_rates_beyond_an_edge_are_tried_until_the_best_has_a_worse_one_beyond_it(
    store, best_rate, best, beyond, chosen
):
    best_rate(best)
    plan = replace(tuned_plan(), longer=None)
    folders = Sweep(plan, store, ORDER, Heard(), never, lambda _: []).execute_all()
    assert {rate_of(folder) for folder in folders} == {chosen}
    tried = [folder for folder in store.folders() if folder.read_spec()["seed"] == TUNING_SEED]
    assert sorted(map(rate_of, tried)) == sorted(2 * [1e-3, 1e-2, *beyond])
    assert {folder.run_id for folder in folders}.isdisjoint(folder.run_id for folder in tried)


def test_a_sweep_that_does_not_wait_finds_the_same_runs_again_stage_by_stage(store, best_rate):
    best_rate(0.1)
    executor = Recorder()
    sweep = Sweep(
        replace(tuned_plan(), executor=executor, longer=None),
        store,
        ORDER,
        Heard(),
        never,
        lambda _: [],
        waits=False,
    )
    stages = []
    for _ in range(4):
        sweep.execute_all()
        sweep.execute_all()  # before the runs have ended
        *_, first, again = executor.given
        assert first == again
        stages.append(sorted(rate_of(store.folder(run_id)) for run_id in again))
        for run_id in again:
            finish(store.folder(run_id))
    sweep.execute_all()
    assert len(executor.given) == 2 * 4
    assert stages == [2 * [1e-3] + 2 * [1e-2], 2 * [0.1], 2 * [1.0], 2 * [0.1]]


def test_what_is_handed_over_for_the_extension_of_a_grid_counts_as_left(store, best_rate):
    best_rate(0.1)
    plan = replace(tuned_plan(), executor=Recorder())
    for state in ("waiting", "done"):
        folders = Sweep(plan, store, ORDER, Heard(), never, lambda _: [], waits=False).execute_all()
        assert [folder.state for folder in folders[:4]] == 4 * [state]
        for folder in folders[:4]:
            finish(folder)
    assert [folder.state for folder in folders] == 4 * ["done"] + 2 * ["waiting"]

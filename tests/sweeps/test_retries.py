from attnbench.runs.folder import forget_failures, give_up
from attnbench.runs.status import RunStatus
from tests.runs.tiny_runs import executed, finish, prepared, tiny_spec


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

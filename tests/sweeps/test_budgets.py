"""Several budgets in one sweep: each run equals the one that was trained with its budget from the start."""

from dataclasses import replace

import pytest
import torch

from attnbench.errors import InterruptedRunError, UserError
from attnbench.executors.base import WorkOrder
from attnbench.runs.checkpoint import load_checkpoint
from attnbench.runs.execute import Execution, execute
from attnbench.runs.folder import RunFolder
from attnbench.runs.metrics_csv import read_rows
from attnbench.runs.store import RunStore
from attnbench.sweeps.budgets import starting_steps, trunks_of
from attnbench.sweeps.plan import SweepOptions, plan_sweep
from tests.commands import TIMES, TINY_SWEEP, attnbench
from tests.configuration import CONFIGURATION
from tests.runs.tiny_runs import prepared, tiny_spec
from tests.training.fitting import stops_after

SMALL = (
    "training.batch_size=4",
    "training.validation_examples=8",
    "training.test_examples=8",
    "model.hidden_size=8",
    "model.embedding_size=8",
    "training.warmup_steps=3",
    "device=cpu",
)
# Branching steps 6 and 15: an evaluation falls on 6 and none on 15; and the rate is decayed on the way.
RESTLESS = ("training.evaluate_every=2", "training.patience=2", "training.learning_rate=0.05")
BUDGETS = (8, 20, 40)


def specs(*overrides, budgets=BUDGETS):
    return [tiny_spec(*SMALL, *RESTLESS, *overrides, f"training.steps={steps}") for steps in budgets]


def make(folder, should_stop=lambda: False, notes=None, shares_trunk=True):
    note = (lambda _: None) if notes is None else notes.append
    execution = Execution("cpu", should_stop=should_stop, on_note=note, shares_trunk=shares_trunk)
    return execute(RunFolder(folder.path), execution)


def written(folder):
    """Return all that a run came to, but for times."""
    tables = [read_rows(folder.metrics_file), read_rows(folder.train_file)]
    rows = [[{key: row[key] for key in row if key not in TIMES} for row in table] for table in tables]
    return rows, load_checkpoint(folder.checkpoint_file)


def assert_equal(found, expected):
    (rows, state), (expected_rows, expected_state) = written(found), written(expected)
    assert rows == expected_rows
    assert state["schedule"] == expected_state["schedule"]
    assert (state["step"], state["stop_reason"]) == (expected_state["step"], expected_state["stop_reason"])
    for name, weights in expected_state["model"].items():
        assert torch.equal(state["model"][name], weights), name


def from_the_start(tmp_path, spec):
    folder = prepared(tmp_path / "alone", spec)
    assert execute(folder, Execution("cpu")).state == "done"
    return folder


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("model=luong_general", "model.dropout=0.3"),
        ("training.patience=1", "training.minimum_improvement=0.5"),
        ("training.final_decay=0",),
        ("training.evaluate_every=5",),
    ],
    ids=str,
)
def test_a_branch_equals_the_run_of_its_budget_from_the_start(tmp_path, overrides):
    wanted = specs(*overrides)
    folders = [prepared(tmp_path / "runs", spec) for spec in wanted]
    outcomes = [make(folder) for folder in folders]
    assert [outcome.resumed_from_step is None for outcome in outcomes] == [True, False, False]
    for folder, spec in zip(folders, wanted, strict=True):
        assert_equal(folder, from_the_start(tmp_path, spec))


def test_branches_begin_where_the_budget_before_begins_to_decay(tmp_path):
    outcomes = [make(prepared(tmp_path, spec)) for spec in specs("training.patience=100")]
    assert [outcome.resumed_from_step for outcome in outcomes] == [None, 6, 15]


def test_what_stops_the_trunk_is_passed_on_and_trains_nothing(tmp_path):
    flat = ("training.patience=1", "training.minimum_improvement=1")  # nothing counts as improved
    wanted = specs(*flat, budgets=(20, 40, 80))
    folders = [prepared(tmp_path / "runs", spec) for spec in wanted]
    outcomes = [make(folder) for folder in folders]
    assert {outcome.stop_reason for outcome in outcomes} == {"plateau"}
    assert [outcome.resumed_from_step for outcome in outcomes] == [None, outcomes[0].steps, outcomes[0].steps]
    for folder, spec in zip(folders, wanted, strict=True):
        assert_equal(folder, from_the_start(tmp_path, spec))


@pytest.mark.parametrize("cut", [2, 5, 6, 7])
def test_a_run_that_is_stopped_and_resumed_keeps_the_same_trunk(tmp_path, cut):
    small, large, _ = specs()
    first, second = prepared(tmp_path / "runs", small), prepared(tmp_path / "runs", large)
    with pytest.raises(InterruptedRunError):
        make(first, stops_after(cut))
    make(first)
    with pytest.raises(InterruptedRunError):
        make(second, stops_after(4))
    assert make(second).state == "done"
    for folder, spec in ((first, small), (second, large)):
        assert_equal(folder, from_the_start(tmp_path, spec))


def test_the_trunk_is_kept_until_its_branches_are_done_and_the_last_stays(tmp_path):
    folders = [prepared(tmp_path, spec) for spec in specs("training.patience=100")]
    stands = []
    for folder in folders:
        make(folder)
        stands.append([each.trunk_file.exists() for each in folders])
    # The first is kept for the third as well, which would need it if the second failed.
    assert stands == [[True, False, False], [True, True, False], [False, False, True]]


def test_a_larger_budget_that_comes_later_begins_from_the_last(tmp_path):
    for spec in specs("training.patience=100"):
        make(prepared(tmp_path, spec))
    [later] = specs("training.patience=100", budgets=(60,))
    assert make(prepared(tmp_path, later)).resumed_from_step == 30


def test_a_standing_trunk_is_used_and_kept_without_being_asked_for(tmp_path):
    [small] = specs("training.patience=100", budgets=(20,))
    make(prepared(tmp_path, small))
    folders = [prepared(tmp_path, spec) for spec in specs("training.patience=100", budgets=(40, 60))]
    starts = [make(folder, shares_trunk=False).resumed_from_step for folder in folders]
    assert starts == [15, 30]
    assert [folder.trunk_file.exists() for folder in folders] == [False, True]
    [other] = specs("training.patience=100", "training.learning_rate=0.01", budgets=(60,))
    assert make(prepared(tmp_path, other), shares_trunk=False).resumed_from_step is None


def test_the_last_trunk_stays_beside_a_longer_run_that_keeps_none(tmp_path):
    small, middle, large = specs("training.patience=100", budgets=(20, 40, 160))
    make(prepared(tmp_path, middle), shares_trunk=False)
    first = prepared(tmp_path, small)
    make(first)
    assert first.trunk_file.exists()
    assert make(prepared(tmp_path, large)).resumed_from_step == 15


def test_the_last_trunk_stays_beside_a_longer_run_of_another_patience(tmp_path):
    [small] = specs("training.patience=50", budgets=(20,))
    [patient] = specs("training.patience=100", budgets=(40,))
    [large] = specs("training.patience=50", budgets=(40,))
    make(prepared(tmp_path, small))
    make(prepared(tmp_path, patient), shares_trunk=False)
    assert make(prepared(tmp_path, large)).resumed_from_step == 15


def test_a_damaged_trunk_is_named_and_trained_anew(tmp_path):
    small, large, _ = specs("training.patience=100")
    first, second = prepared(tmp_path / "runs", small), prepared(tmp_path / "runs", large)
    make(first)
    first.trunk_file.write_bytes(first.trunk_file.read_bytes()[:-9])
    notes = []
    assert make(second, notes=notes).resumed_from_step is None
    assert "trunk.pt is damaged" in notes[0]
    assert_equal(second, from_the_start(tmp_path, large))


class TestWithAnotherPatience:
    """As `--longer` has it: the trunk is the same as long as the rate was not decayed."""

    def longer(self, tmp_path, *overrides):
        [short] = specs(*overrides, "training.patience=3", budgets=(20,))
        make(prepared(tmp_path / "runs", short))
        training = replace(short.training, steps=80, patience=12)
        longer = prepared(tmp_path / "runs", replace(short, training=training))
        found = make(longer).resumed_from_step
        assert_equal(longer, from_the_start(tmp_path, replace(short, training=training)))
        return found

    def test_it_is_used_where_no_rate_was_decayed(self, tmp_path):
        assert self.longer(tmp_path, "training.minimum_improvement=0", "training.learning_rate=1e-3") == 15

    def test_it_is_not_used_where_one_was(self, tmp_path):
        assert self.longer(tmp_path, "training.minimum_improvement=1") is None


def test_other_runs_are_no_branches(tmp_path):
    small, large, _ = specs("training.patience=100")
    for other in (replace(small, seed=1), replace(small, training=replace(small.training, batch_size=5))):
        make(prepared(tmp_path, other))
    assert make(prepared(tmp_path, large)).resumed_from_step is None


def plan(*overrides, **words):
    options = {"models": "fixed,blind", "lengths": "2,3", "seeds": "2", "task": "reverse", **words}
    return plan_sweep(CONFIGURATION, SweepOptions(overrides=(*SMALL, *overrides), **options))


def test_budgets_are_the_runs_of_that_many_steps():
    budgets = plan("training.steps=40", budgets="8,20,40")
    alone = plan("training.steps=8,20,40")
    assert {run.spec.run_id for run in budgets.runs} == {run.spec.run_id for run in alone.runs}
    assert [run.spec.training.steps for run in budgets.runs] == [8, 20, 40] * 8


def test_the_branches_of_a_trunk_fall_into_one_share():
    shares = [
        plan("training.steps=40", budgets="8,20,40", share=f"{number}/3").own_runs for number in (1, 2, 3)
    ]
    trunks = [set(trunks_of(own).values()) for own in shares]
    assert sum(map(len, trunks)) == len(set.union(*trunks)) == 8
    assert [len(own) for own in shares] == [3 * len(each) for each in trunks]


def test_the_steps_of_a_trunk_are_counted_once(tmp_path):
    runs = plan("training.steps=40", budgets="8,20,40").runs[:3]
    ids, store = [run.spec.run_id for run in runs], RunStore(tmp_path)
    assert starting_steps(store, runs, ids) == {ids[1]: 6, ids[2]: 15}
    # The trunk of one that has ended counts where it stands.
    assert starting_steps(store, runs, ids[2:]) == {}
    store.folder(ids[0]).trunk_file.parent.mkdir(parents=True)
    store.folder(ids[0]).trunk_file.touch()
    assert starting_steps(store, runs, ids[2:]) == {ids[2]: 6}


def test_runs_of_another_patience_are_not_sure_to_find_a_trunk(tmp_path):
    runs = plan("training.steps=40", "training.patience=100,50", budgets="20,40").runs[:4]
    starts = starting_steps(RunStore(tmp_path), runs, [run.spec.run_id for run in runs])
    assert list(starts.values()) == [15, 15]


@pytest.mark.parametrize(
    ("budgets", "overrides", "words"),
    [
        ("20,8", (), "ascend"),
        ("8,8", (), "ascend"),
        ("8,x", (), "ascend"),
        ("", (), "ascend"),
        ("0,8", (), "ascend"),
        ("2,8", (), "2 steps are fewer than those of the warm-up, training.warmup_steps=3"),
        ("500,2000", (), "2000 steps are more than training.steps=1000, which is the preset's"),
        ("8,20", ("training.steps=10",), "20 steps are more than training.steps=10, which was typed"),
        ("8,20", ("training.steps=8,20",), "say the same thing twice"),
    ],
)
def test_budgets_that_cannot_be_are_refused(budgets, overrides, words):
    with pytest.raises(UserError, match=words):
        plan(*overrides, budgets=budgets)


@pytest.mark.parametrize("budgets", ["20,8", "2,8", "500,2000"])
def test_a_command_with_budgets_that_cannot_be_writes_nothing(tmp_path, budgets):
    words = ("sweep", *SMALL, "--models", "fixed", "--lengths", "3", "--results", str(tmp_path))
    finished = attnbench(*words, "--budgets", budgets)
    assert (finished.status, f"--budgets {budgets}" in finished.err) == (2, True)
    assert not list(tmp_path.iterdir())


def test_typed_steps_replace_the_budgets_of_a_preset():
    words = {"preset": "law", "lengths": "4", "seeds": "1"}
    assert plan_sweep(CONFIGURATION, SweepOptions(**words)).budgets == (500, 1000, 2000, 4000, 8000)
    planned = plan_sweep(CONFIGURATION, SweepOptions(**words, overrides=("training.steps=300",)))
    assert (planned.budgets, {run.spec.training.steps for run in planned.runs}) == ((), {300})


def test_runs_of_one_trunk_are_grouped_in_their_order(tmp_path):
    paths = [tmp_path / name for name in "abcd"]
    order = WorkOrder("cpu", trunks={"a": "t", "c": "t"})
    assert order.by_trunk(paths) == [[paths[0], paths[2]], [paths[1]], [paths[3]]]


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_sweep_shares_trunks_and_its_dry_run_counts_what_is_saved(tmp_path, executor):
    words = [*TINY_SWEEP, *SMALL, *RESTLESS, "training.patience=100", "--models", "fixed", "--lengths", "3"]
    words += ["--executor", executor, "--results", str(tmp_path), "--name", "s", "--budgets", "8,20,40"]
    words += ["training.steps=40"]
    counted = attnbench(*words, "--dry-run")
    assert "at most 47 steps" in counted.out
    assert "21 steps are saved: 2 runs begin" in counted.out
    assert attnbench(*words).status == 0
    folders = [RunFolder(path) for path in (tmp_path / "s" / "runs").iterdir()]
    starts = {folder.read_outcome().steps: folder.read_outcome().resumed_from_step for folder in folders}
    assert starts == {8: None, 20: 6, 40: 15}
    assert attnbench("status", "s", "--results", str(tmp_path)).status == 0


def test_longer_runs_begin_from_the_trunk_that_stands(tmp_path):
    words = [*TINY_SWEEP, *SMALL, "training.evaluate_every=2", "training.patience=100", "--models", "fixed"]
    words += ["--lengths", "3,4", "--executor", "inline", "--results", str(tmp_path), "--name", "s"]
    words += ["training.steps=40"]
    assert attnbench(*words, "--budgets", "20,40").status == 0
    assert attnbench(*words, "--longer", "4").status == 0
    outcomes = [RunFolder(path).read_outcome() for path in (tmp_path / "s" / "runs").iterdir()]
    assert {(each.steps, each.resumed_from_step) for each in outcomes} == {(20, None), (40, 15), (160, 30)}


def test_branches_of_one_trunk_are_told_as_one_at_a_time(tmp_path):
    words = [
        *TINY_SWEEP,
        *SMALL,
        "--models",
        "fixed",
        "--lengths",
        "3",
        "--budgets",
        "20,40",
        "training.steps=40",
    ]
    words += [
        "--seeds",
        "1",
        "--executor",
        "processes",
        "--workers",
        "2",
        "--results",
        str(tmp_path),
        "--name",
        "s",
    ]
    assert "on this machine, 1 run at a time" in attnbench(*words, "--dry-run").out

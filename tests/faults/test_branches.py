"""Runs of several budgets that share a trunk: whatever disturbs them, they come to the rows of runs trained apart."""

import pytest

from attnbench.runs.folder import RunFolder, give_up
from tests.commands import TINY, attnbench, rows_of, run_folders, started, without_times
from tests.faults.carrying_on import FOLDER, carry_on, complete
from tests.faults.test_kills import die_in_a_sweep
from tests.faults.writes import Write, killing_environment

COMMON = (
    *("sweep", *TINY, "training.warmup_steps=1", "training.patience=100"),
    *("--models", "fixed", "--lengths", "2,3", "--seeds", "1"),
)
APART = (*COMMON, "training.steps=4,8,16", "--executor", "inline")
TOGETHER = (*COMMON, "training.steps=16", "--budgets", "4,8,16")
BRANCHES = (*TOGETHER, "--executor", "inline")


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    results = tmp_path_factory.mktemp("apart")
    complete(APART, results)
    return sorted_rows(results)


def sorted_rows(results):
    return without_times(rows_of(results / FOLDER / "metrics.csv"))


def starts(results):
    outcomes = [RunFolder(path).read_outcome() for path in run_folders(results / FOLDER)]
    return sorted(((each.steps, each.resumed_from_step) for each in outcomes), key=str)


@pytest.mark.parametrize(
    "write",
    [
        *(Write("trunk.pt", number, moment) for number in (1, 2, 3) for moment in ("middle", "after")),
        *(Write("status.json", number, "after") for number in (1, 2, 3)),
        Write("checkpoint.pt", 3, "after"),
        Write("metrics.csv", 2, "middle"),
    ],
    ids=lambda write: f"{write.moment}-of-{write.name}-{write.number}",
)
def test_killed_on_the_trunk_and_on_branches(results, expected, write):
    die_in_a_sweep(results, write, *BRANCHES, "--no-plot", "--results")
    carry_on(results, expected, BRANCHES)
    assert all(start is not None for steps, start in starts(results) if steps > 4)


@pytest.mark.slow
def test_killed_by_sigkill_with_its_worker_it_goes_on_from_the_trunk(
    results, expected, tmp_path, monkeypatch
):
    for name, value in killing_environment(Write("trunk.pt", 1, "after"), "both", tmp_path).items():
        monkeypatch.setenv(name, value)
    words = (*TOGETHER, "--no-plot", "--executor", "processes", "--workers", "1", "--results", results)
    with started(*words) as process:
        process.communicate(timeout=120)
    assert process.returncode == -9
    carry_on(results, expected, BRANCHES)
    assert {start for steps, start in starts(results) if steps > 4} == {3, 6}


def test_shares_come_to_the_same(results, expected):
    for share in ("1/2", "2/2"):
        complete((*BRANCHES, "--share", share), results)
    assert sorted_rows(results) == expected
    assert starts(results) == [(16, 6)] * 2 + [(4, None)] * 2 + [(8, 3)] * 2


def test_a_branch_that_failed_is_repeated_from_the_trunk_that_was_kept_for_it(results, expected):
    complete((*BRANCHES, "--share", "1/2"), results)  # writes the runs of the other share down
    waiting = [
        folder for path in run_folders(results / FOLDER) if (folder := RunFolder(path)).state == "waiting"
    ]
    assert len(waiting) == 3
    [failed] = [folder for folder in waiting if folder.read_spec()["training"]["steps"] == 8]
    give_up(failed, "its node is gone")
    assert attnbench(*BRANCHES, "--no-plot", "--results", results).status == 1
    assert "1  failed" in attnbench("status", FOLDER, "--results", results).out
    complete((*BRANCHES, "--retry-failed"), results)
    assert failed.read_outcome().resumed_from_step == 3
    assert sorted_rows(results) == expected

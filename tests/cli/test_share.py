"""Jobs that somebody schedules by hand: each makes its share, and together they fill one folder."""

import re

import pytest
import yaml

from attnbench.sweeps.grid import Share
from tests.commands import (
    TINY_SWEEP,
    attnbench,
    contents,
    modification_times,
    rows_of,
    run_folders,
    started,
    without_times,
)

SHARES = ("1/2", "2/2")


def sweep(results, *words):
    return attnbench(*TINY_SWEEP, "--results", results, *words)


def planned(results, *words):
    """Return the run_ids that a sweep would make, in the order of its plan."""
    finished = sweep(results, "--dry-run", "--json", *words)
    assert finished.status == 0, finished.err
    return [run["run_id"] for run in finished.json["runs"]]


@pytest.mark.parametrize("count", [1, 3, 4])
def test_shares_are_dealt_out_from_the_plan_and_together_all_of_it(results, count):
    runs = planned(results)
    shares = [planned(results, "--share", f"{number}/{count}") for number in range(1, count + 1)]
    assert shares == [Share(number, count).of(runs) for number in range(1, count + 1)]
    assert sorted(run for share in shares for run in share) == sorted(runs)
    assert not results.exists()


def test_the_listing_says_of_how_many_runs_it_is_a_share(results):
    assert "2 runs (share 2/2 of 4), 2 to do" in sweep(results, "--dry-run", "--share", "2/2").out


def test_shares_fill_one_folder_with_the_rows_of_a_plain_sweep(results, swept_once):
    folder = results / "quick-reverse"
    first = sweep(results, "--share", "1/2")
    assert first.status == 0, first.err
    assert "2 runs (share 1/2 of 4) on cpu" in first.err
    assert "Share 1/2 is done." in first.err
    made = {path.name for path in run_folders(folder) if (path / "status.json").exists()}
    assert len(made) == 2
    assert {row["run_id"] for row in rows_of(folder / "metrics.csv")} == made
    times = modification_times(folder)
    assert sweep(results, "--share", "2/2").status == 0
    assert modification_times(folder).items() >= times.items()
    rows = [without_times(rows_of(each / "metrics.csv")) for each in (folder, swept_once / "quick-reverse")]
    assert len(rows[0]) == 4
    assert rows[0] == rows[1]


def test_what_a_share_leaves_to_others_is_told_until_they_are_done(results):
    share = sweep(results, "--share", "1/2")
    folder = results / "quick-reverse"
    assert "Unfinished, 2 of 4 planned runs: " in share.out
    states = attnbench("status", folder)
    assert states.out.splitlines()[:3] == [
        f"{folder}: 2 of 4 planned runs",
        "       2  done",
        "       2  waiting: not begun",
    ]
    assert set(planned(results, "--share", "2/2")) == set(re.findall(r"waiting +(\S+)", states.out))
    drawn = attnbench("plot", folder)
    assert (
        f"2 of 4 planned runs are done; the same sweep does the rest. Which: attnbench status {folder}"
        in drawn.err
    )
    for name in ("verdict.md", "table.md", "table.tex"):
        assert "2 of 4 planned runs" in (folder / name).read_text(), name
    sweep(results, "--share", "2/2")
    assert "planned" not in attnbench("status", folder).out
    assert "planned" not in attnbench("plot", folder).err
    for name in ("verdict.md", "table.md", "table.tex"):
        assert "planned" not in (folder / name).read_text(), name


def test_shares_that_work_at_the_same_time_make_each_run_once(results, swept_once):
    folder = results / "quick-reverse"
    with (
        started(*TINY_SWEEP, "--results", results, "--share", "1/2") as one,
        started(*TINY_SWEEP, "--results", results, "--share", "2/2") as other,
    ):
        messages = [process.communicate(timeout=120)[1] for process in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), messages
    times = modification_times(folder)
    assert sweep(results).status == 0
    assert modification_times(folder) == times
    rows = [without_times(rows_of(each / "metrics.csv")) for each in (folder, swept_once / "quick-reverse")]
    assert rows[0] == rows[1]


def test_the_sweep_without_a_share_makes_what_a_share_has_left_out(results):
    sweep(results, "--share", "1/4")
    folder = results / "quick-reverse"
    times = modification_times(folder)
    finished = sweep(results, "--json")
    assert (finished.status, len(finished.json["done"])) == (0, 4)
    assert modification_times(folder).items() > times.items()


def test_every_share_is_recorded(results):
    for share in SHARES:
        sweep(results, "--share", share)
    invocations = yaml.safe_load((results / "quick-reverse" / "sweep.yaml").read_text())["invocations"]
    assert [(each["share"], each["runs"]) for each in invocations] == [("1/2", 2), ("2/2", 2)]


def test_a_share_without_a_run_is_done(results):
    finished = sweep(results, "--share", "5/5")
    assert (finished.status, modification_times(results / "quick-reverse")) == (0, {})
    assert "0 runs (share 5/5 of 4)" in finished.err


def test_the_status_is_about_the_runs_of_the_share_alone(results):
    words = ("--models", "fixed", "training.learning_rate=0.005,1e38", "training.warmup_steps=0")
    failed = sweep(results, *words, "--share", "2/4", "--json")
    assert (failed.status, list(failed.json["failed"])) == (1, planned(results, *words)[1:2])
    assert sweep(results, *words, "--share", "1/4").status == 0
    assert sweep(results, *words).status == 1


def test_a_damaged_run_of_another_share_is_named_and_changes_no_status(swept):
    first, second, *_ = planned(swept.parent)
    (swept / "runs" / second / "metrics.csv").write_text("")
    finished = sweep(swept.parent, "--share", "1/2")
    assert finished.status == 0
    assert f"{second}/metrics.csv is damaged" in finished.err
    assert first in {row["run_id"] for row in rows_of(swept / "metrics.csv")}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--share", "0/4"), "expected I/N with I from 1 to N"),
        (("--share", "5/4"), "expected I/N with I from 1 to N"),
        (("--share", "a/b"), "expected I/N with I from 1 to N"),
        (("--share", "3"), "expected I/N with I from 1 to N"),
        (("--share", "1/2", "--tune-rates", "1e-3,1e-2"), "--tune-rates 1e-3,1e-2 later runs depend"),
        (("--share", "1/2", "--longer", "2"), "--longer 2 later runs depend"),
        (
            ("--share", "1/2", "--preset", "standard", "--models", "fixed,bahdanau"),
            "choose a --preset without it",
        ),
        (("--share", "1/2", "--executor", "slurm"), "the executor divides the runs"),
    ],
)
def test_what_is_no_share_is_refused_and_nothing_is_written(results, words, reason):
    before = contents(results.parent)
    finished = sweep(results, *words)
    assert (finished.status, contents(results.parent)) == (2, before)
    assert reason in " ".join(finished.err.split())

"""SIGKILL at exact moments: the same command carries on to the rows of an undisturbed sweep."""

import signal
from functools import partial

import pytest

from attnbench.runs.io import is_claimed
from tests.commands import attnbench, rows_of, run_folders, started, without_times
from tests.faults.carrying_on import FOLDER, LONG_RUNS, TRAIN, TWO_RUNS, carry_on, complete, progress_of
from tests.faults.waiting import checkpoints, wait_for
from tests.faults.writes import Killed, Write, at_writes, die_at, halves_in, killing_environment

WITHOUT_FIGURES = (*TWO_RUNS, "--no-plot", "--results")
OF_A_RUN = ("spec.yaml", "evaluation.json", "environment.json", "train.csv", "metrics.csv", "status.json")


def die_in_a_sweep(results, write, *words):
    with pytest.MonkeyPatch.context() as patch:
        die_at(patch, write)
        with pytest.raises(Killed):
            attnbench(*(words or WITHOUT_FIGURES), results)


@pytest.mark.parametrize("moment", ["middle", "after"])
@pytest.mark.parametrize("name", [*OF_A_RUN, "checkpoint.pt"])
def test_killed_at_a_file_of_the_second_run(results, expected, name, moment):
    saves = 2 if name in ("train.csv", "checkpoint.pt") else 1
    number = 2 if name in ("spec.yaml", "evaluation.json") else saves + 1
    die_in_a_sweep(results, Write(name, number, moment))
    assert bool(halves_in(results / FOLDER)) == (moment == "middle")
    carry_on(results, expected)


@pytest.mark.parametrize("name", ["sweep.yaml", "metrics.csv", "curve.csv", "verdict.md"])
def test_killed_at_a_file_of_the_sweep(results, expected, name):
    die_in_a_sweep(results, Write(name, 3 if name == "metrics.csv" else 1))
    assert halves_in(results / FOLDER)
    carry_on(results, expected)


def test_killed_while_drawing(results, expected):
    die_in_a_sweep(results, Write("accuracy_vs_length.png"), *TWO_RUNS, "--results")
    assert len(halves_in(results / FOLDER)) == 1
    carry_on(results, expected)


def test_killed_after_a_checkpoint_exists_the_run_says_from_which_step_it_went_on(results, expected):
    die_in_a_sweep(results, Write("checkpoint.pt", 3, "after"))
    assert list(progress_of(results / FOLDER).saved_steps.values()) == [2]
    assert "from step 2 on" in carry_on(results, expected).err


def test_killed_between_two_runs_the_first_is_not_touched(results, expected):
    die_in_a_sweep(results, Write("status.json", 1, "after"))
    assert len(progress_of(results / FOLDER).finished) == 2
    carry_on(results, expected)


def test_a_killed_train_leaves_no_half_either(results, tmp_path):
    die_in_a_sweep(results, Write("checkpoint.pt", 2), *TRAIN, "--results")
    assert halves_in(results)
    undisturbed = complete(TRAIN, tmp_path / "undisturbed")
    assert complete(TRAIN, results).out == undisturbed.out
    assert halves_in(results) == []


def test_what_a_killed_plot_left_is_cleared_by_the_next(results, tmp_path):
    complete(TWO_RUNS, results)
    words = ("plot", FOLDER, "--results", results, "--figure", "price", "--out")
    die_in_a_sweep(tmp_path / "out", Write("price.csv"), *words)
    assert halves_in(tmp_path / "out")
    assert attnbench(*words, tmp_path / "out").status == 0
    assert halves_in(tmp_path / "out") == []


@pytest.mark.slow(seconds=15)
def test_killed_at_any_write_of_all(results, expected, tmp_path):
    written = []
    with pytest.MonkeyPatch.context() as patch:
        at_writes(patch, lambda _, target, moment: written.append((target.name, moment)))
        complete(TWO_RUNS, results)
    total = sum(moment == "after" for _, moment in written)
    assert total > 20
    for number in range(1, total + 1):
        disturbed = tmp_path / f"at-{number}"
        die_in_a_sweep(disturbed, Write("", number, "middle" if number % 2 else "after"))
        carry_on(disturbed, expected)


@pytest.mark.slow
def test_killed_again_at_every_write_while_carrying_on(results, expected):
    for _ in range(8):
        die_in_a_sweep(results, Write("", 5))
    assert progress_of(results / FOLDER).finished  # in spite of it all, it had come on
    carry_on(results, expected)


REAL = [
    Write("checkpoint.pt", 2, "after"),
    Write("checkpoint.pt", 2, "middle"),
    Write("metrics.csv", 1, "middle"),
    Write("status.json", 1, "middle"),
    Write("status.json", 1, "after"),
]


@pytest.mark.slow
@pytest.mark.parametrize("write", REAL, ids=lambda write: f"{write.moment}-of-{write.name}")
def test_a_sweep_and_its_worker_killed_by_sigkill(results, expected, tmp_path, monkeypatch, write):
    for name, value in killing_environment(write, "both", tmp_path).items():
        monkeypatch.setenv(name, value)
    with started(*WITHOUT_FIGURES, results, "--executor", "processes", "--workers", "1") as process:
        process.communicate(timeout=120)
    assert process.returncode == -9
    assert not (tmp_path / "to-be-killed").exists()
    carry_on(results, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["metrics.csv", "sweep.yaml"])
def test_a_sweep_killed_by_sigkill_at_its_own_files(results, expected, tmp_path, monkeypatch, name):
    complete(TWO_RUNS, results)
    for variable, value in killing_environment(Write(name), "writer", tmp_path).items():
        monkeypatch.setenv(variable, value)
    with started(*WITHOUT_FIGURES, results) as process:
        process.communicate(timeout=120)
    assert process.returncode == -9
    assert halves_in(results / FOLDER)
    carry_on(results, expected)


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_a_checkpoint_costs_one_retry(
    results, expected, tmp_path, monkeypatch
):
    for name, value in killing_environment(Write("checkpoint.pt", 2), "writer", tmp_path).items():
        monkeypatch.setenv(name, value)
    with started(*WITHOUT_FIGURES, results, "--executor", "processes", "--workers", "1") as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert err.count("was killed by SIGKILL (out of memory?); the run is tried once more.") == 1
    assert "from step 2 on" in err
    assert halves_in(results / FOLDER) == []
    times = [path.stat().st_mtime_ns for path in run_folders(results / FOLDER)]
    carry_on(results, expected)
    assert [path.stat().st_mtime_ns for path in run_folders(results / FOLDER)] == times


def has_saved_since(folder, before):
    return checkpoints(folder) != before


@pytest.mark.slow(seconds=20)
def test_a_sweep_disturbed_again_and_again_ends_in_the_rows_of_an_undisturbed_one(results, tmp_path):
    folder = results / FOLDER
    words = (*LONG_RUNS, "--no-plot", "--executor", "processes", "--workers", "2", "--results", results)
    for number, status in [(signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGTERM, 143)]:
        has_saved = partial(has_saved_since, folder, checkpoints(folder))
        with started(*words) as process:
            wait_for(has_saved)
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        assert process.returncode == status
        assert "Traceback" not in err
        # Even where nobody told them, workers notice that their sweep is gone, save and leave.
        wait_for(lambda: not any(is_claimed(run / "claim") for run in run_folders(folder)), seconds=60)
    complete((*LONG_RUNS, "--executor", "inline"), tmp_path / "undisturbed")
    carry_on(
        results,
        without_times(rows_of(tmp_path / "undisturbed" / FOLDER / "metrics.csv")),
        (*LONG_RUNS, "--executor", "inline"),
    )

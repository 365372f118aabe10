"""Any file of a sweep cut off or with a bit flipped, anywhere: the same command ends in the very same rows."""

import os
import random
import shutil

import pytest

from tests.commands import attnbench, rows_of, run_folders, without_times
from tests.faults.carrying_on import FOLDER, TWO_RUNS, complete
from tests.faults.writes import Killed, Write, die_at, halves_in

OF_A_RUN = [
    "checkpoint.pt",
    "claim",
    "environment.json",
    "evaluation.json",
    "metrics.csv",
    "spec.yaml",
    "status.json",
    "train.csv",
]
OF_THE_SWEEP = ["sweep.yaml", "claim", "metrics.csv", "curve.csv", "verdict.md"]
NAMED = {"checkpoint.pt", "environment.json", "metrics.csv", "spec.yaml", "status.json", "train.csv"}


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory):
    results = tmp_path_factory.mktemp("finished")
    complete(TWO_RUNS, results)
    return results


@pytest.fixture(scope="session")
def unfinished_once(tmp_path_factory):
    """The second run was killed as it wrote that it is done: it has every other file."""
    results = tmp_path_factory.mktemp("unfinished")
    with pytest.MonkeyPatch.context() as patch:
        die_at(patch, Write("status.json", 2))
        with pytest.raises(Killed):
            attnbench(*TWO_RUNS, "--no-plot", "--results", results)
    return results


def damage(path, chance):
    """Cut a file off or flip one of its bits; half of the time the disk does not say that it changed."""
    data, found = path.read_bytes(), path.stat()
    place = chance.randrange(len(data))
    if chance.random() < 0.5:
        flipped = bytes([data[place] ^ (1 << chance.randrange(8))])
        path.write_bytes(data[:place] + flipped + data[place + 1 :])
    else:
        path.write_bytes(data[:place])
    is_silent = chance.random() < 0.5
    if is_silent:
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    return is_silent


def look_at(results, run):
    """Look at what is damaged with every command that only looks: refused or not, it is explained."""
    commands = [
        ("plot", FOLDER, "--figure", "price", "--out", results / "out"),
        ("status", FOLDER),
        ("inspect", run, "--examples", "1", "--no-scores", "--out", results / "out"),
    ]
    for words in commands:
        finished = attnbench(*words, "--results", results)
        assert finished.status in (0, 2), (words, finished.err)
        assert "Traceback" not in finished.err


def check_mended(results, expected):
    finished = complete(TWO_RUNS, results)
    assert without_times(rows_of(results / FOLDER / "metrics.csv")) == expected
    assert halves_in(results / FOLDER) == []
    assert " is damaged" not in complete(TWO_RUNS, results).err
    return finished


def check_a_damaged_run(template, results, expected, name, seed):
    shutil.copytree(template, results)
    (run,) = [path for path in run_folders(results / FOLDER) if "-L2-" in path.name]
    is_silent = damage(run / name, random.Random(f"{name} {seed}"))
    if seed == 0:
        look_at(results, run)
    finished = check_mended(results, expected)
    is_finished = (template / FOLDER / "runs" / run.name / "status.json").exists()
    if is_finished and name in NAMED and not is_silent:
        assert f"{run / name} is damaged" in finished.err
    shutil.rmtree(results)


@pytest.mark.parametrize("name", OF_A_RUN)
def test_a_damaged_file_of_a_finished_run(finished_once, results, expected, name):
    check_a_damaged_run(finished_once, results, expected, name, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OF_A_RUN if name != "status.json"])
def test_a_damaged_file_of_an_unfinished_run(unfinished_once, results, expected, name):
    check_a_damaged_run(unfinished_once, results, expected, name, 0)


@pytest.mark.parametrize("name", OF_THE_SWEEP)
def test_a_damaged_file_of_the_sweep(finished_once, results, expected, name):
    shutil.copytree(finished_once, results)
    damage(results / FOLDER / name, random.Random(name))
    look_at(results, run_folders(results / FOLDER)[0])
    check_mended(results, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_A_RUN)
def test_many_damages_of_each_file(finished_once, unfinished_once, results, expected, name):
    for seed in range(1, 5):
        template = unfinished_once if seed % 2 and name != "status.json" else finished_once
        check_a_damaged_run(template, results, expected, name, seed)


def test_a_row_that_rots_without_the_disk_saying_so_is_noticed(finished_once, results, expected):
    shutil.copytree(finished_once, results)
    path = run_folders(results / FOLDER)[0] / "metrics.csv"
    found, text = path.stat(), path.read_text()
    path.write_text(text.replace(",0.0,", ",0.9,"))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert path.read_text() != text
    assert attnbench("plot", FOLDER, "--results", results).status == 2
    assert f"{path} is damaged" in check_mended(results, expected).err


def test_a_flipped_length_is_not_evaluated(finished_once, results, expected):
    shutil.copytree(finished_once, results)
    path = run_folders(results / FOLDER)[0] / "evaluation.json"
    assert "2" in path.read_text()
    path.write_text(path.read_text().replace(" 2\n", " 6\n", 1))
    check_mended(results, expected)


def test_a_row_of_a_cut_short_execution_is_not_believed(unfinished_once, results, expected):
    shutil.copytree(unfinished_once, results)
    (run,) = [path for path in run_folders(results / FOLDER) if not (path / "status.json").exists()]
    text = (run / "metrics.csv").read_text()
    (run / "metrics.csv").write_text(text.replace(",cpu,", ",cpo,"))
    assert (run / "metrics.csv").read_text() != text
    check_mended(results, expected)


def test_a_damaged_train_csv_is_made_anew_without_training(finished_once, results, expected):
    shutil.copytree(finished_once, results)
    run = run_folders(results / FOLDER)[0]
    whole, saved = (run / "train.csv").read_bytes(), (run / "checkpoint.pt").stat().st_mtime_ns
    (run / "train.csv").write_bytes(whole[:-9])
    finished = check_mended(results, expected)
    assert f"{run / 'train.csv'} is damaged" in finished.err
    assert "from step 4 on" in finished.err
    assert ((run / "train.csv").read_bytes(), (run / "checkpoint.pt").stat().st_mtime_ns) == (whole, saved)

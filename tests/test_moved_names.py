"""What is written down under an old name of ours is still found, and keeps its run_id."""

import csv
import importlib
import pickle
import sys
from pathlib import Path

import pytest

from attnbench import moved_names
from attnbench.arm import Variant
from attnbench.config.compose import leaf_keys
from attnbench.config.run_request import request_run
from attnbench.executors.slurm.job import RunBundle
from attnbench.moved_names import MOVED, present_name, recorded_name
from attnbench.runs.spec import RunSpec
from attnbench.schema import load_class
from attnbench.tasks.base import Task
from attnbench.tasks.recall import Recall
from tests import ROOT
from tests.configuration import CONFIGURATION
from tests.runs.tiny_runs import tiny_spec

OLD_MODULE = "attnbench.old_house.backwards"
OLD_NAME = f"{OLD_MODULE}.Backwards"
REFERENCE = ROOT / "results" / "reference"
BY_COLUMN = {"hidden_size": "model.hidden_size", "seed": "seed", "learning_rate": "training.learning_rate"}


@pytest.fixture
def moved(monkeypatch):
    """Recall is called as if it had had another name, in a package that is no more."""
    monkeypatch.setitem(MOVED, OLD_NAME, f"{Recall.__module__}.{Recall.__qualname__}")
    yield
    for name in [name for name in sys.modules if name.startswith("attnbench.old_house")]:
        del sys.modules[name]


@pytest.mark.usefixtures("moved")
def test_a_class_is_found_under_its_old_name_and_written_down_under_it():
    assert load_class(OLD_NAME, Task) is Recall
    assert recorded_name(Recall) == OLD_NAME


@pytest.mark.usefixtures("moved")
def test_a_spec_with_an_old_name_is_the_same_run():
    spec = tiny_spec("task=recall")
    assert spec.to_values()["task"]["_target_"] == OLD_NAME
    assert RunSpec.from_values(spec.to_values()).run_id == spec.run_id


@pytest.mark.usefixtures("moved")
def test_a_pickled_job_finds_its_class_where_its_module_is_no_more():
    text = pickle.dumps(Recall, protocol=0)
    old = text.replace(f"{Recall.__module__}\nRecall".encode(), OLD_NAME.replace(".Back", "\nBack").encode())
    assert old != text
    assert pickle.loads(old) is Recall


def test_a_job_that_waited_in_the_queue_while_its_class_moved_is_read():
    bundle = RunBundle(("/results/runs/one",), "cpu", None)
    name = f"{RunBundle.__module__}\n{RunBundle.__qualname__}".encode()
    queued = pickle.dumps(bundle, protocol=0).replace(name, b"attnbench.sweeps.executors.slurm_job\nPack")
    assert b"Pack" in queued
    assert pickle.loads(queued) == bundle


@pytest.mark.usefixtures("moved")
def test_what_no_old_module_had_is_not_found():
    with pytest.raises(ImportError, match="Forwards"):
        exec(f"from {OLD_MODULE} import Forwards")
    with pytest.raises(ImportError):
        importlib.import_module("attnbench.old_town")


def test_every_moved_name_leads_to_what_is_there():
    for old, new in MOVED.items():
        module, _, name = new.rpartition(".")
        assert getattr(importlib.import_module(module), name).__name__ == name, old
        assert present_name(old) == new
    assert moved_names.MOVED is MOVED


# What was the default when these runs were made, and is none now; `moved_names` is of classes alone.
ROWS_BEFORE = ROOT / "tests" / "runs" / "rows_before_2026_11_29.csv"
DEFAULTS_BEFORE = {
    "model.carry": "hidden",
    "model.positions": "sinusoidal",
    "task.keys": "64",
    "training.warmup_steps": "100",
}


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return a row of every run of a table but those of files."""
    rows = {row["run_id"]: row for row in csv.DictReader(path.read_text().splitlines())}
    return [row for row in rows.values() if "task.data" not in row["variant"]]


def run_id_today(row: dict[str, str], before: dict[str, str]) -> str:
    """Return the run_id of the run that the words of a row ask for, with what were defaults before."""
    said = {f"{key}={row[column]}" for column, key in BY_COLUMN.items()} | {
        *Variant.parse(row["variant"]).parts
    }
    chosen = {"task": row["task"], "model": row["model"]}
    known = leaf_keys(CONFIGURATION.compose(chosen))
    words = [f"{key}={value}" for key, value in {**chosen, **before}.items() if key in chosen or key in known]
    words += sorted(said)
    words += [f"train_range=[{row['train_min_length']},{row['train_max_length']}]"]
    words += [f"test_lengths=[{row['length']}]"]
    return request_run(CONFIGURATION, words).spec.run_id


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in REFERENCE.glob("*/metrics.csv")))
def test_every_run_of_the_reference_results_keeps_its_run_id(folder: str) -> None:
    """A class that moved without a line in MOVED would make finished runs strangers to their own sweep."""
    for row in rows_of(REFERENCE / folder / "metrics.csv"):
        assert run_id_today(row, {}) == row["run_id"]


def test_runs_of_before_keep_their_run_ids_where_their_defaults_are_said() -> None:
    rows = rows_of(ROWS_BEFORE)
    assert len(rows) > 8
    for row in rows:
        assert run_id_today(row, DEFAULTS_BEFORE) == row["run_id"]

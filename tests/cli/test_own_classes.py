"""A person's own yaml and classes, from the folder that they name with --config-dir."""

import sys

import pytest

from attnbench.errors import UserError
from attnbench.runs.folder import RunFolder
from attnbench.runs.spec import RunSpec
from attnbench.schema import trusting
from tests.commands import TINY, TINY_SWEEP, attnbench, rows_of, run_folders

MODEL = '''"""A context of my own."""
from dataclasses import dataclass
from attnbench.models.contexts.bottleneck import FixedConfig

@dataclass(frozen=True, kw_only=True)
class MyArm(FixedConfig):
    """The fixed vector, under a name of mine."""
'''
TASK = '''"""A task of my own."""
from dataclasses import dataclass
import torch
from attnbench.tasks.symbols import RearrangementTask

@dataclass(frozen=True, kw_only=True)
class Rotate(RearrangementTask):
    """Write the first symbol last."""

    def source_positions(self, length):
        return torch.arange(length).roll(-1)
'''
EXECUTOR = '''"""An executor of my own."""
from dataclasses import dataclass
from attnbench.executors.local import Inline

@dataclass(frozen=True, kw_only=True)
class Mine(Inline):
    """In this process."""

    label: str
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The folder; what is imported from it is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    folder = tmp_path / "own"
    files = {
        "my_models.py": MODEL,
        "my_tasks.py": TASK,
        "my_executors.py": EXECUTOR,
        "model/my_arm.yaml": "# Mine.\ndefaults:\n  - fixed\n  - _self_\n_target_: my_models.MyArm\n",
        "task/rotate.yaml": "# Mine.\n_target_: my_tasks.Rotate\nlength: 4\nvocabulary_size: 8\neos: false\n",
        "executor/mine.yaml": "# Mine.\n_target_: my_executors.Mine\nlabel: here\n",
        "sweep/small.yaml": "# Mine.\ntask: rotate\nmodels: [fixed, my_arm]\nlengths: '2,3'\nseeds: '1'\n"
        f"protocol: per_length\ntrain_range: null\noverrides: [{', '.join(TINY)}]\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    yield folder
    for name in set(sys.modules) - known:
        if name.startswith("my_"):
            del sys.modules[name]


def test_own_model_and_task_are_trained(own, results):
    words = ("train", *TINY, "task=rotate", "model=my_arm", "task.length=3", "--results", results)
    assert attnbench(*words, "--config-dir", own).status == 0
    (run,) = run_folders(results / "train")
    assert run.name.startswith("rotate-my_arm-L3-h8-s0-")
    (row,) = rows_of(run / "metrics.csv")
    assert (row["task"], row["model"]) == ("rotate", "my_arm")


def test_own_choices_are_listed_and_previewed(own):
    assert "rotate       Mine." in attnbench("list", "tasks", "--config-dir", own).out
    finished = attnbench("preview", "task=rotate", "--config-dir", own, "--examples", "1")
    source, target = (line.split()[1:] for line in finished.out.splitlines()[-3:-1])
    assert target == [*source[1:], source[0]]


def test_an_own_preset_and_an_own_executor_are_used(own, results):
    words = ("sweep", "--preset", "small", "--executor", "mine", "--no-plot", "--results", results)
    assert attnbench(*words, "--config-dir", own).status == 0
    rows = rows_of(results / "small-rotate" / "metrics.csv")
    assert {row["model"] for row in rows} == {"fixed", "my_arm"}


def test_without_the_folder_own_choices_are_unknown(own, results):
    finished = attnbench("train", *TINY, "task=rotate", "--results", results)
    assert finished.status == 2
    assert "Unknown task 'rotate'" in finished.err
    assert not results.exists()


def test_without_the_folder_a_runs_own_class_is_not_loaded(own, results):
    """A spec.yaml that names a class outside attnbench is refused where nobody named its folder."""
    attnbench("train", *TINY, "task=rotate", "--results", results, "--config-dir", own)
    (run,) = run_folders(results / "train")
    values = RunFolder(run).read_spec()
    with trusting(own):
        assert RunSpec.from_values(values).task.name == "rotate"
    with pytest.raises(UserError, match=r"Refused to load 'my_tasks\.Rotate'"):
        RunSpec.from_values(values)


def test_own_results_are_drawn_without_the_folder(own, results):
    attnbench(
        *TINY_SWEEP, "--task", "rotate", "--models", "my_arm", "--results", results, "--config-dir", own
    )
    assert attnbench("plot", "quick-rotate", "--results", results).status == 0


@pytest.mark.slow
def test_workers_load_own_classes_too(own, results):
    words = ("sweep", "--preset", "small", "--workers", "2", "--no-plot", "--results", results)
    finished = attnbench(*words, "--config-dir", own)
    assert finished.status == 0, finished.err
    assert len(rows_of(results / "small-rotate" / "metrics.csv")) == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("_target_: os.system\n", "Refused to load 'os.system'"),
        ("_target_: nowhere.Arm\n", "Refused to load 'nowhere.Arm'"),
        ("_target_: my_models.Other\n", "there is no Other in my_models"),
        ("_target_: my_tasks.Rotate\n", "'my_tasks.Rotate' is not a kind of ModelConfig"),
        ("hidden_size: 8\n", "model._target_ is missing"),
        ("a: [1\n", "cannot be composed"),
    ],
)
def test_an_own_yaml_that_cannot_be_used_exits_2(own, results, text, reason):
    (own / "model" / "broken.yaml").write_text(text)
    finished = attnbench("train", "model=broken", "--results", results, "--config-dir", own)
    assert (finished.status, finished.out) == (2, "")
    assert reason in finished.err
    assert not results.exists()


def test_the_list_names_the_yaml_that_cannot_be_used(own):
    (own / "task" / "half.yaml").write_text("# Half.\n_target_: attnbench.tasks.symbols.Copy\nlength: 4\n")
    finished = attnbench("list", "tasks", "--config-dir", own, "--json")
    assert (finished.status, finished.out) == (2, "")
    assert "The yaml of the task half cannot be used: task.eos is missing" in finished.err


BROKEN = TASK.replace("return torch.arange(length).roll(-1)", "return {}[length]").replace("Rotate", "Broken")


@pytest.mark.parametrize(
    "words",
    [
        ["list", "tasks"],
        ["preview", "task=broken"],
        ["sweep", "--task", "broken"],
        ["sweep", "--task", "broken", "--dry-run"],
    ],
)
def test_an_error_in_an_own_class_is_named_with_file_and_line(own, results, words):
    (own / "my_broken.py").write_text(BROKEN)
    text = (own / "task" / "rotate.yaml").read_text().replace("my_tasks.Rotate", "my_broken.Broken")
    (own / "task" / "broken.yaml").write_text(text)
    finished = attnbench(*words, "--config-dir", own, "--results", results)
    assert finished.status == 2
    line = BROKEN.splitlines().index("        return {}[length]") + 1
    assert f"attnbench: {own / 'my_broken.py'}, line {line}: KeyError: " in finished.err
    assert "Traceback" not in finished.err
    assert not results.exists()
    assert "Traceback" in attnbench(*words, "--config-dir", own, "--debug").err

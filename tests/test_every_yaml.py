"""Every yaml of conf/model/ with every one of conf/task/: composed, built, trained for two steps, evaluated.

`check_contract` is what a person's own yaml has to pass too.
"""

import math
import sys
from pathlib import Path

import pytest
import torch

from attnbench.config.compose import Configuration
from attnbench.config.run_request import RunRequest, request_run
from attnbench.runs.records import metrics_row
from attnbench.runs.spec import RunSpec
from attnbench.schema import load_class
from attnbench.tasks.base import SyntheticTask, Task
from attnbench.training.trainer import Trainer
from tests.configuration import CONFIGURATION
from tests.tasks.text.text_examples import numbered_pairs, write_tsv

TINY = [
    "model.hidden_size=8",
    "training.steps=2",
    "training.batch_size=4",
    "training.validation_examples=4",
    "training.test_examples=4",
    "device=cpu",
]


def tasks(base: type[Task]) -> list[str]:
    targets = {
        name: CONFIGURATION.compose({"task": name})["task"]["_target_"]
        for name in CONFIGURATION.choices("task")
    }
    return [name for name, target in targets.items() if issubclass(load_class(target, Task), base)]


def check_contract(configuration: Configuration, overrides: list[str]) -> None:
    request = request_run(configuration, [*overrides, *TINY])
    spec = request.spec
    assert RunSpec.from_values(spec.to_values()) == spec
    trainer = trainer_of(spec)
    before = {name: parameter.clone() for name, parameter in trainer.model.named_parameters()}
    rows = list(trainer.fit())
    assert [row.step for row in rows] == [2]
    assert any(not torch.equal(before[name], each) for name, each in trainer.model.named_parameters())
    check_rows(request, trainer)


def trainer_of(spec: RunSpec) -> Trainer:
    sizes = len(spec.task.source_vocabulary.tokens), len(spec.task.target_vocabulary.tokens)
    spec.model.check()
    model = spec.model.build(*sizes, spec.seed)
    return Trainer(spec.task, model, spec.training, spec.lengths, spec.seed, torch.device("cpu"))


def check_rows(request: RunRequest, trainer: Trainer) -> None:
    """Every requested length has a row whose numbers are possible."""
    spec = request.spec
    assert request.lengths
    for length in request.lengths:
        lengths = spec.task.evaluation_range(length, request.lengths)
        row = metrics_row(spec, trainer, lengths, trainer.test(lengths))
        for score in ("token_accuracy", "sequence_accuracy", "teacher_forced_accuracy"):
            assert 0 <= row[score] <= 1
        assert 0 < row["chance_accuracy"] <= 1
        assert math.isfinite(row["cross_entropy_nats"])
        assert row["context_size"] >= 0
        assert row["alignment_accuracy"] is None or 0 <= row["alignment_accuracy"] <= 1
        assert row["bits_recovered"] is None or row["bits_recovered"] < row["bits_available"]


def test_there_is_something_to_test() -> None:
    assert {"fixed", "luong_general", "bahdanau"} <= set(CONFIGURATION.choices("model"))
    assert {"copy", "reverse", "recall"} <= set(tasks(SyntheticTask))


@pytest.mark.parametrize("task", tasks(SyntheticTask))
@pytest.mark.parametrize("model", CONFIGURATION.choices("model"))
def test_every_model_trains_and_is_evaluated_on_every_task(model: str, task: str) -> None:
    check_contract(CONFIGURATION, [f"model={model}", f"task={task}", "task.length=3"])


@pytest.mark.parametrize("model", CONFIGURATION.choices("model"))
def test_every_model_is_evaluated_over_a_range(model: str) -> None:
    check_contract(CONFIGURATION, [f"model={model}", "train_range=[1,5]", "test_lengths=[1,5,9]"])


@pytest.mark.parametrize("model", CONFIGURATION.choices("model"))
def test_every_model_reads_and_writes_text(model: str, tmp_path: Path) -> None:
    source = write_tsv(tmp_path / "pairs.tsv", numbered_pairs(200))
    overrides = [f"model={model}", "task=text_pairs", f"task.source={source}", "task.units=word"]
    check_contract(CONFIGURATION, [*overrides, "test_lengths=[9]"])


OWN_CLASS = """
from attnbench.models.contexts.bottleneck import FixedInitConfig

class Own(FixedInitConfig):
    pass
"""
OWN_YAML = """
defaults:
  - _recurrent
  - _self_
_target_: own_arms.Own
"""


def test_a_persons_own_yaml_is_held_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "own_arms", raising=False)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "own.yaml").write_text(OWN_YAML)
    (tmp_path / "own_arms.py").write_text(OWN_CLASS)
    configuration = Configuration(tmp_path)
    assert "own" in configuration.choices("model")
    check_contract(configuration, ["model=own", "task.length=3"])


def test_the_contract_can_be_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["model=fixed", "task=reverse", "task.length=3"]
    check_contract(CONFIGURATION, words)
    task = type(request_run(CONFIGURATION, words).spec.task)
    monkeypatch.setattr(task, "chance_accuracy", lambda *_: 1.5)
    with pytest.raises(AssertionError):
        check_contract(CONFIGURATION, words)

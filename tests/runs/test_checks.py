"""An unfair comparison is stopped before it starts, and what is unfair is named."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from attnbench.errors import UserError
from attnbench.models import initialisation
from attnbench.models.contexts.luong import LuongDotConfig
from attnbench.runs.checks import check_comparison
from attnbench.tasks.symbols import Copy
from tests.runs.tiny_runs import tiny_spec

MODELS = ("blind", "fixed", "bahdanau", "luong_general", "slots")


def specs(*overrides: str):
    return [tiny_spec(f"model={model}", "task=copy", *overrides) for model in MODELS]


def with_task(made):
    """The specs with another task; nothing else of them matters here."""
    return [replace(spec, task=made(**vars_of(spec.task))) for spec in specs()]


def vars_of(task):
    return {name: getattr(task, name) for name in ("name", "vocabulary_size", "eos")}


@dataclass(frozen=True, kw_only=True)
class WrongOracle(Copy):
    def solve(self, batch):
        return super().solve(batch).flip(1)


@dataclass(frozen=True, kw_only=True)
class OwnRandomState(Copy):
    def sample(self, split, length, count, generator):
        return super().sample(split, length, count, torch.Generator().manual_seed(int(torch.rand(1) * 1e6)))


@dataclass(frozen=True, kw_only=True)
class OwnStart(LuongDotConfig):
    def build(self, source_vocabulary_size, target_vocabulary_size, seed):
        model = super().build(source_vocabulary_size, target_vocabulary_size, seed)
        nn.init.ones_(model.decoder.output.weight)
        return model


def test_our_own_arms_and_tasks_are_fair() -> None:
    check_comparison([*specs(), *specs("seed=1", "task.length=7"), *specs("model.hidden_size=12")])


def test_an_oracle_that_errs_is_named() -> None:
    with pytest.raises(UserError, match=r"copy at length \d+: its own oracle does not score 1"):
        check_comparison(with_task(WrongOracle))


def test_a_task_with_a_random_state_of_its_own_is_named() -> None:
    with pytest.raises(UserError, match="copy: blind and fixed would not be trained on the same batches"):
        check_comparison(with_task(OwnRandomState))


def test_an_arm_that_starts_elsewhere_is_named_with_what_it_shares() -> None:
    ours, *_ = specs()
    dot = tiny_spec("model=luong_dot", "task=copy").model
    own = OwnStart(**{name: getattr(dot, name) for name in dot.__dataclass_fields__} | {"name": "own"})
    with pytest.raises(UserError, match=r"blind and own share decoder\.output\.weight"):
        check_comparison([ours, replace(ours, model=own)])


def test_blocks_are_compared_by_name_and_shape() -> None:
    model = tiny_spec("model=bahdanau").model.build(9, 9, 0)
    assert "decoder.recurrence.layers.0.weight_ih[context]" in initialisation.named_blocks(model)

"""Small trainings for tests."""

from collections.abc import Callable

import torch

from attnbench.models.config import ModelConfig
from attnbench.schema import build
from attnbench.tasks.base import LengthRange, SyntheticTask
from attnbench.training.recorded import Recorder
from attnbench.training.schedule import TrainingConfig
from attnbench.training.trainer import Trainer
from tests.configuration import CONFIGURATION
from tests.models.arms import arm
from tests.tasks.synthetic import synthetic_task

CPU = torch.device("cpu")
SMALL = {
    "steps": 25,
    "batch_size": 4,
    "warmup_steps": 5,
    "evaluate_every": 10,
    "validation_examples": 8,
    "test_examples": 8,
    "evaluation_batch_size": 8,
}


def training(**changed: object) -> TrainingConfig:
    """Return the training of conf/, made small, with the values given in place of its own."""
    values = CONFIGURATION.compose({})["training"]
    return build(TrainingConfig, {**values, **SMALL, **changed}, "training")


def make_trainer(
    configured: ModelConfig | None = None,
    task: SyntheticTask | None = None,
    lengths: LengthRange | None = None,
    seed: int = 0,
    device: torch.device = CPU,
    recorder: Recorder | None = None,
    **changed: object,
) -> Trainer:
    """Return a trainer of `fixed` on `reverse` at length 3, or of what is given in place of these.

    With a recorder it replays its steps.
    """
    task = task or synthetic_task("reverse")
    sizes = len(task.source_vocabulary.tokens), len(task.target_vocabulary.tokens)
    model = (configured or arm("fixed")).build(*sizes, seed)
    config = training(**({"cuda_graphs": True} if recorder else {}), **changed)
    return Trainer(task, model, config, lengths or LengthRange(3, 3), seed, device, recorder)


def stops_after(calls: int) -> Callable[[], bool]:
    """Return a `should_stop` that lets so many steps pass."""
    left = iter(range(calls))
    return lambda: next(left, None) is None

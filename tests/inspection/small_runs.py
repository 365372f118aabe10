"""Runs of any arm, small, and models that were not trained at all."""

from pathlib import Path

import torch

from attnbench.config.run_request import request_run
from attnbench.inspection.load import TrainedRun
from attnbench.runs.execute import make_trainer
from attnbench.runs.folder import RunFolder
from attnbench.runs.spec import RunSpec
from tests.commands import TINY
from tests.configuration import CONFIGURATION

CPU = torch.device("cpu")


def small_spec(*overrides: str) -> RunSpec:
    """Return a run on three of whatever the task counts; Transformers have no embedding of another size."""
    is_transformer = any(word.startswith("model=transformer") for word in overrides)
    words = [word for word in TINY if not (is_transformer and "embedding" in word)]
    return request_run(CONFIGURATION, [*words, "task.length=3", *overrides]).spec


def untrained(spec: RunSpec) -> TrainedRun:
    """Return a run at its first step."""
    return TrainedRun(RunFolder(Path("nowhere")), spec, make_trainer(spec, CPU).model.eval(), CPU)

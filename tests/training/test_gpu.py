"""The same two steps on a GPU, in both precisions."""

import math

import pytest
import torch

from attnbench.errors import InterruptedRunError
from attnbench.models.config import ModelConfig
from attnbench.tasks.base import LengthRange
from attnbench.training.device import Precision
from tests.models.arms import arm, arm_names, every_arm
from tests.tasks.synthetic import synthetic_task
from tests.training.fitting import make_trainer, stops_after

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
LENGTHS = LengthRange(2, 5)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("configured", every_arm())
def test_every_arm_trains_two_steps_and_is_evaluated(configured: ModelConfig, precision: Precision) -> None:
    device = torch.device("cuda")
    trainer = make_trainer(configured, lengths=LENGTHS, device=device, steps=2, precision=precision)
    rows = list(trainer.fit())
    assert math.isfinite(rows[-1].loss_nats)
    assert {parameter.device.type for parameter in trainer.model.parameters()} == {"cuda"}
    assert {parameter.dtype for parameter in trainer.model.parameters()} == {torch.float32}
    assert trainer.test(LengthRange(1, 1)).tokens == 8
    assert math.isfinite(trainer.test(LengthRange(9, 9)).nats)


@pytest.mark.parametrize("name", arm_names())
def test_the_first_steps_are_those_of_the_cpu(name: str) -> None:
    on_gpu, on_cpu = (
        make_trainer(arm(name), lengths=LENGTHS, device=torch.device(kind), steps=2)
        for kind in ("cuda", "cpu")
    )
    found, expected = list(on_gpu.fit())[-1], list(on_cpu.fit())[-1]
    assert found.loss_nats == pytest.approx(expected.loss_nats, rel=1e-3)
    assert found.validation_nats == pytest.approx(expected.validation_nats, rel=1e-3)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_stopped_training_goes_on(dropout: float) -> None:
    device = torch.device("cuda")
    whole, stopped, resumed = (make_trainer(arm("fixed", dropout=dropout), device=device) for _ in range(3))
    list(whole.fit())
    with pytest.raises(InterruptedRunError):
        list(stopped.fit(stops_after(13)))
    resumed.load_state_dict(stopped.state_dict())
    list(resumed.fit())
    # Sums on a GPU may come in any order, so near is all that is promised there.
    assert resumed.rows[-1].validation_nats == pytest.approx(whole.rows[-1].validation_nats, rel=1e-2)


def test_text_with_end_marks_is_written_on_the_gpu() -> None:
    task = synthetic_task("copy", eos=True)
    trainer = make_trainer(arm("luong_general"), task, device=torch.device("cuda"), steps=2)
    list(trainer.fit())
    assert trainer.test(LengthRange(4, 4)).tokens == 8 * 5

"""The same steps on a GPU, in every precision, one call at a time and replayed."""

import math

import pytest
import torch

from attnbench.errors import InterruptedRunError
from attnbench.models.config import ModelConfig
from attnbench.models.seq2seq import Seq2SeqOutput
from attnbench.tasks.base import LengthRange
from attnbench.training.device import Precision
from attnbench.training.recorded import WARM_UPS
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


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("name", arm_names())
def test_replayed_steps_come_to_what_ordinary_ones_come_to(name: str, precision: Precision) -> None:
    told: list[str] = []
    replayed, ordinary = (
        make_trainer(
            arm(name, dropout=0.0),
            lengths=LengthRange(3, 4),
            device=torch.device("cuda"),
            precision=precision,
            cuda_graphs=is_replayed,
        )
        for is_replayed in (True, False)
    )
    replayed.training_split.tell = told.append
    near = 1e-2 if precision == "float32" else 5e-2
    for found, expected in zip(replayed.fit(), ordinary.fit(), strict=True):
        assert found.loss_nats == pytest.approx(expected.loss_nats, rel=near)
        assert found.validation_nats == pytest.approx(expected.validation_nats, rel=near)
        assert found.learning_rate == expected.learning_rate
    assert told == []
    assert replayed.recorded is not None
    assert replayed.recorded.replays == replayed.step - 2 * WARM_UPS


def test_the_first_replayed_steps_are_the_ordinary_ones() -> None:
    replayed, ordinary = (
        make_trainer(device=torch.device("cuda"), cuda_graphs=is_replayed) for is_replayed in (True, False)
    )
    for step in range(WARM_UPS + 3):
        losses = []
        for trainer in (replayed, ordinary):
            losses.append(float(trainer._train_step()))
            trainer.step += 1
        assert losses[0] == pytest.approx(losses[1], rel=1e-4), step
    weights = ordinary.model.state_dict()
    for key, each in replayed.model.state_dict().items():
        torch.testing.assert_close(each, weights[key], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("goes_on_replayed", [True, False])
def test_what_replayed_steps_saved_either_way_goes_on_from(goes_on_replayed: bool) -> None:
    device, lengths = torch.device("cuda"), LengthRange(3, 4)
    whole, stopped = (make_trainer(lengths=lengths, device=device, cuda_graphs=True) for _ in range(2))
    list(whole.fit())
    with pytest.raises(InterruptedRunError):
        list(stopped.fit(stops_after(13)))
    resumed = make_trainer(lengths=lengths, device=device, cuda_graphs=goes_on_replayed)
    resumed.load_state_dict(stopped.state_dict())
    list(resumed.fit())
    assert resumed.rows[-1].validation_nats == pytest.approx(whole.rows[-1].validation_nats, rel=1e-2)


def test_a_step_that_waits_for_the_gpu_is_not_recorded_and_training_goes_on() -> None:
    told: list[str] = []
    replayed, ordinary = (
        make_trainer(device=torch.device("cuda"), cuda_graphs=is_replayed) for is_replayed in (True, False)
    )
    replayed.training_split.tell = told.append

    def wait(_module: object, _inputs: object, output: Seq2SeqOutput) -> None:
        output.logits.sum().item()

    replayed.model.register_forward_hook(wait)
    found, expected = list(replayed.fit())[-1], list(ordinary.fit())[-1]
    assert found.validation_nats == pytest.approx(expected.validation_nats, rel=1e-2)
    assert [text.partition("(")[0] for text in told] == [
        "Steps are not replayed as CUDA graphs: recording one failed "
    ]


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

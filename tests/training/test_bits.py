"""The bits recovered are a lower bound on what crosses: the claim on which every word about memory rests."""

import math
from dataclasses import dataclass
from functools import cache

import pytest
import torch

from attnbench.models.contexts.bottleneck import FixedConfig
from attnbench.models.encoder import EncoderOutput
from attnbench.models.seq2seq import RecurrentSeq2Seq
from attnbench.tasks.base import LengthRange
from attnbench.training.trainer import Trainer
from tests.models.arms import arm
from tests.tasks.synthetic import synthetic_task
from tests.training.fitting import make_trainer

pytestmark = pytest.mark.slow(seconds=10)

TASK = synthetic_task("reverse", vocabulary_size=4, eos=False)
LENGTH = LengthRange(8, 8)
AVAILABLE = 16.0


@dataclass(frozen=True, kw_only=True)
class LeakyArm(FixedConfig):
    """`fixed` through a channel of known size, whose decoder's first state is still made of the real final state."""

    def assemble(self, source_vocabulary_size: int, target_vocabulary_size: int) -> RecurrentSeq2Seq:
        model = super().assemble(source_vocabulary_size, target_vocabulary_size)
        whole: list[EncoderOutput] = []
        model.encoder.register_forward_hook(
            lambda _module, _inputs, output: whole.__setitem__(slice(None), [output])
        )
        model.bridge.register_forward_pre_hook(lambda *_: (whole[0],))
        return model


BUDGET = {
    "steps": 800,
    "batch_size": 64,
    "learning_rate": 0.01,
    "warmup_steps": 50,
    "evaluate_every": 400,
    "validation_examples": 64,
    "test_examples": 4000,
    "evaluation_batch_size": 1000,
}


@cache
def trained(bits: int | None, leaks: bool = False) -> Trainer:
    honest = arm("fixed", cell="gru", hidden_size=32, embedding_size=16, context_bits=bits)
    configured = LeakyArm(**vars(honest)) if leaks else honest
    return train(make_trainer(configured, TASK, LENGTH, **BUDGET))


def train(trainer: Trainer) -> Trainer:
    list(trainer.fit())
    return trainer


def recovered(trainer: Trainer) -> tuple[float, float]:
    """Return the bits recovered per example and four standard errors."""
    scores = trainer.test(LENGTH)
    bits = scores.bits_recovered(AVAILABLE)
    batches = trainer.task.evaluation_batches("test", 0, LENGTH, 4000, 1000)
    with torch.no_grad():
        nats = [
            torch.nn.functional.cross_entropy(
                trainer.model(batch).logits.transpose(1, 2), batch.target, reduction="none"
            )
            for batch in batches
        ]
    each = AVAILABLE - torch.cat(nats).sum(dim=1) / math.log(2)
    assert bits == pytest.approx(float(each.mean()), abs=1e-3)
    return bits, 4 * float(each.std()) / len(each) ** 0.5


def test_the_task_has_sixteen_bits() -> None:
    assert TASK.information_bits(LENGTH) == AVAILABLE


@pytest.mark.parametrize("bits", [4, 8])
def test_no_more_bits_are_recovered_than_cross(bits: int) -> None:
    found, error = recovered(trained(bits))
    assert found <= bits + error
    assert found > bits / 2  # it did learn to use them


def test_a_state_that_crosses_whole_recovers_more() -> None:
    found, error = recovered(trained(None))
    assert found > 8 + error


def test_the_first_state_counts_too() -> None:
    """A quantised context beside a whole first state carries more than its bits, and the bits say so."""
    found, error = recovered(trained(4, leaks=True))
    assert found > 4 + error


def accuracies(trainer: Trainer) -> tuple[float, float]:
    """Return the better of both accuracies, and four standard errors of the mean of its 32,000 answers at most."""
    scores = trainer.test(LENGTH)
    return max(scores.token_accuracy, scores.teacher_forced_accuracy), 4 * 0.5 / 4000**0.5


def ceiling(trainer: Trainer, bits: int) -> float:
    answers = trainer.task.uniform_answers(LENGTH)
    assert answers is not None
    return answers.accuracy_ceiling(bits)


@pytest.mark.parametrize("bits", [4, 8])
def test_no_accuracy_is_above_the_ceiling(bits: int) -> None:
    trainer = trained(bits)
    found, error = accuracies(trainer)
    assert 0.35 < found <= ceiling(trainer, bits) + error


def test_a_leak_goes_above_the_ceiling() -> None:
    trainer = trained(4, leaks=True)
    found, error = accuracies(trainer)
    assert found > ceiling(trainer, 4) + error


def test_attention_through_the_same_quantiser_goes_above_the_ceiling_of_one_vector() -> None:
    configured = arm("luong_general", cell="gru", hidden_size=32, embedding_size=16, context_bits=4)
    trainer = train(make_trainer(configured, TASK, LENGTH, **BUDGET))
    found, error = accuracies(trainer)
    assert configured.channel_bits(8) == 36
    assert found > ceiling(trainer, 4) + error


@pytest.mark.parametrize("name", ["reverse", "recall"])
def test_a_blind_decoder_recovers_nothing(name: str) -> None:
    task = synthetic_task(name)
    trainer = train(make_trainer(arm("blind", hidden_size=32), task, LENGTH, **{**BUDGET, "steps": 300}))
    scores = trainer.test(LENGTH)
    bits = scores.bits_recovered(task.information_bits(LENGTH))
    # Close to nothing, from below: a guess that is nearly uniform costs a little. The error of the mean of 4,000
    # examples is far below a hundredth, since every answer costs nearly the same.
    assert -0.5 < bits <= 0.01

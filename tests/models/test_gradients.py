"""Gradients against differences: of every context, and of every whole model's loss, in float64."""

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError, gradcheck
from torch.func import functional_call

from attnbench.batch import Batch
from attnbench.models.config import ModelConfig, RecurrentConfig
from attnbench.models.contexts.base import Context
from attnbench.models.encoder import EncoderOutput, Memory
from attnbench.models.seq2seq import RecurrentSeq2Seq, Seq2SeqModel
from tests.models.arms import WIRINGS, arms_wired, build, every_arm, uneven_batch
from tests.models.reading import random

HIDDEN = 4
# Signs have another gradient than their own: test_quantiser.py.
EVERY = [each for each in every_arm() if each.values[0].context_bits is None]
# The windows of local attention are constant between jumps; random states do not meet a jump within 1e-6.
RECURRENT = [
    each
    for each in arms_wired(WIRINGS[0] | {"hidden_size": HIDDEN})
    if isinstance(each.values[0], RecurrentConfig)
    and not each.values[0].feeds_input
    and each.values[0].context_bits is None
]
READING = [each for each in RECURRENT if each.values[0].build_context().size]


class Reading(nn.Module):
    """A context from preparing to reading: two sources of 4 and 2 states, and target positions 1 to 3."""

    def __init__(self, context: Context, wants_weights: bool) -> None:
        super().__init__()
        self.context = context
        self.wants_weights = wants_weights

    def forward(self, states: Tensor, final: Tensor, query: Tensor) -> tuple[Tensor, ...]:
        mask = torch.arange(4) < torch.tensor([[4], [2]])
        memory = self.context.prepare(EncoderOutput(states, final, mask))
        context, weights = self.context.read(query, memory, 1, self.wants_weights)
        return (context,) if weights is None else (context, weights)


def assert_reading_is_differentiated(context: Context, wants_weights: bool) -> None:
    reading = Reading(context, wants_weights)
    parameters = dict(reading.named_parameters())

    def read(states: Tensor, final: Tensor, query: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        return functional_call(reading, dict(zip(parameters, values, strict=True)), (states, final, query))

    shapes = ((2, 4, HIDDEN), (2, HIDDEN), (2, 3, HIDDEN))
    inputs = [random(*shape, seed=seed).requires_grad_() for seed, shape in enumerate(shapes)]
    # Every entry of the Jacobian is looked at together with the weights, and random sums of them without.
    assert gradcheck(read, (*inputs, *parameters.values()), fast_mode=not wants_weights)


@pytest.mark.parametrize("wants_weights", [True, False], ids=["weighed", "read"])
@pytest.mark.parametrize("arm", READING)
def test_a_context_is_differentiated_by_states_query_and_weights(
    arm: RecurrentConfig, wants_weights: bool
) -> None:
    model = build(arm)
    assert isinstance(model, RecurrentSeq2Seq)
    assert_reading_is_differentiated(model.decoder.context, wants_weights)


def loss_nats(model: Seq2SeqModel, values: dict[str, Tensor], batch: Batch) -> Tensor:
    """Return the cross-entropy of the scored tokens; training rounds it to float32, which is too rough here."""
    logits = functional_call(model, values, (batch, False)).logits
    return nn.functional.cross_entropy(logits[batch.scored], batch.target[batch.scored], reduction="sum")


@pytest.mark.parametrize("arm", EVERY)
def test_the_loss_is_differentiated_by_every_weight(arm: ModelConfig) -> None:
    model, batch = build(arm), uneven_batch()
    parameters = dict(model.named_parameters())

    def loss(*values: Tensor) -> Tensor:
        return loss_nats(model, dict(zip(parameters, values, strict=True)), batch)

    # Differences along one random direction for each parameter: all of them one by one would take minutes.
    assert gradcheck(loss, tuple(parameters.values()), fast_mode=True)


class Leaky(Context):
    """Reads the mean of all states, and forgets that it did."""

    size, reads_before, reads_after, follows_state = HIDDEN, False, True, True

    def prepare(self, encoded: EncoderOutput) -> Memory:
        return Memory(values=encoded.states.detach(), mask=encoded.mask)

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, None]:
        return query + memory.values.mean(dim=1, keepdim=True), None


def test_a_wrong_gradient_is_noticed() -> None:
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        assert_reading_is_differentiated(Leaky(), wants_weights=False)

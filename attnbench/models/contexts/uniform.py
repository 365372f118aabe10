"""A shortcut to every encoder state without choosing among them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from attnbench.models.contexts.base import Context, Reading, read_where
from attnbench.models.memory import EncoderOutput, Memory, equal_shares
from attnbench.models.recurrent_arm import RecurrentArm


class Uniform(Context):
    """The mean of the encoder states at every step: c_i = 1/S · Σ_j h_j.

    Source: the uniform-weights control of Wiegreffe & Pinter 2019, section 3.2.
    """

    def __init__(self, hidden_size: int, reading: Reading) -> None:
        super().__init__()
        self.size = hidden_size
        read_where(self, reading)

    def prepare(self, encoded: EncoderOutput) -> Memory:
        return Memory(values=encoded.states, mask=encoded.mask)

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor]:
        weights = equal_shares(memory.mask, memory.values).unsqueeze(1)
        mean = torch.bmm(weights, memory.values)
        target_len = query.shape[1]
        return mean.expand(-1, target_len, -1), weights.expand(-1, target_len, -1)


@dataclass(frozen=True, kw_only=True)
class UniformArm(RecurrentArm):
    """The mean of the encoder states, handed to the decoder at every step.

    Attributes:
        read: "after" the recurrence (as Luong's attention, so that only the weights differ), "before" or "both".
    """

    read: Reading

    def build_context(self) -> Uniform:
        return Uniform(self.hidden_size, self.read)

    def context_size(self, source_tokens: int) -> int:
        """Count the mean and the first state; with one source token the two are the same numbers."""
        return self.hidden_size * min(2, source_tokens)

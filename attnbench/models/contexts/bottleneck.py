"""Contexts of one vector, or of none: what a decoder without attention has of the source."""

from dataclasses import dataclass

import torch
from torch import Tensor

from attnbench.models.config import RecurrentConfig
from attnbench.models.contexts.base import Context, Reading, read_where
from attnbench.models.encoder import EncoderOutput, Memory, ZeroBridge, equal_shares


class Nothing(Context):
    """No context: c_i is empty."""

    size = 0
    reads_before = False
    reads_after = False
    follows_state = False
    reads_states = False

    def prepare(self, encoded: EncoderOutput) -> Memory:
        return Memory(values=encoded.states[:, :0, :0], mask=encoded.mask[:, :0])

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, None]:
        return query[:, :, :0], None  # B T 0


@dataclass(frozen=True, kw_only=True)
class FixedInitConfig(RecurrentConfig):
    """The vector is only the decoder's first state.

    Source: Sutskever et al. 2014, section 2.
    """

    def build_context(self) -> Nothing:
        return Nothing()

    def context_size(self, source_tokens: int) -> int:
        return self.first_size + self.carried_beside_top

    def crossing_vectors(self, source_tokens: int) -> int:
        return 1


@dataclass(frozen=True, kw_only=True)
class BlindConfig(RecurrentConfig):
    """The decoder sees no source, and its first state is zero: the floor of every score."""

    def build_context(self) -> Nothing:
        return Nothing()

    def build_bridge(self) -> ZeroBridge:
        return ZeroBridge(self.layers)

    def build_channel(self, context: Context) -> None:
        return None

    def context_size(self, source_tokens: int) -> int:
        return 0

    def crossing_vectors(self, source_tokens: int) -> int:
        return 0


class Fixed(Context):
    """The encoder's final state, the same at every step: c_i = h_final.

    Source: Cho et al. 2014a, section 2.2; "if we fix c_i to h_T" in Bahdanau et al. 2015, section 3.1.
    """

    reads_states = False

    def __init__(self, hidden_size: int, reading: Reading) -> None:
        super().__init__()
        self.size = hidden_size
        read_where(self, reading)

    def prepare(self, encoded: EncoderOutput) -> Memory:
        return Memory(values=encoded.final.unsqueeze(1), mask=encoded.mask[:, :1])  # B 1 H, B 1

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, None]:
        return memory.values.expand(-1, query.shape[1], -1), None  # B T H


@dataclass(frozen=True, kw_only=True)
class FixedConfig(RecurrentConfig):
    """One vector, handed to the decoder at every step.

    Attributes:
        read: "before" the recurrence (Cho), "after" it (like Luong's attention), or "both".
    """

    read: Reading

    def build_context(self) -> Fixed:
        return Fixed(self.hidden_size, self.read)

    def context_size(self, source_tokens: int) -> int:
        return self.hidden_size + self.carried_beside_top

    def crossing_vectors(self, source_tokens: int) -> int:
        return 1


class Uniform(Context):
    """The mean of the encoder states at every step: c_i = 1/S · Σ_j h_j.

    Source: the uniform-weights control of Wiegreffe & Pinter 2019, section 3.2.
    """

    reads_states = False

    def __init__(self, hidden_size: int, reading: Reading) -> None:
        super().__init__()
        self.size = self.distilled_size = hidden_size
        read_where(self, reading)

    def prepare(self, encoded: EncoderOutput) -> Memory:
        if self.quantiser is None:
            return Memory(values=encoded.states, mask=encoded.mask)
        weights = equal_shares(encoded.mask, encoded.states).unsqueeze(1)  # B 1 S
        mean = self.quantiser(torch.bmm(weights, encoded.states))  # B 1 H
        return Memory(values=mean.expand_as(encoded.states), mask=encoded.mask)

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor]:
        weights = equal_shares(memory.mask, memory.values).unsqueeze(1)  # B 1 S
        mean = torch.bmm(weights, memory.values)  # B 1 H
        target_len = query.shape[1]
        return mean.expand(-1, target_len, -1), weights.expand(-1, target_len, -1)


@dataclass(frozen=True, kw_only=True)
class UniformConfig(RecurrentConfig):
    """The mean of the encoder states, handed to the decoder at every step.

    Attributes:
        read: "after" the recurrence (as Luong's attention, so that only the weights differ), "before" or "both".
    """

    read: Reading

    def build_context(self) -> Uniform:
        return Uniform(self.hidden_size, self.read)

    def context_size(self, source_tokens: int) -> int:
        """Count the mean and the first state; with one source token the two are the same numbers."""
        first = self.first_size if source_tokens > 1 else 0
        return self.hidden_size + first + self.carried_beside_top

    def crossing_vectors(self, source_tokens: int) -> int:
        """Count the mean and the last state, each by itself also where they are equal."""
        return 2

"""Attention over a few vectors that the encoder states were distilled into once."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attnbench.models.config import RecurrentConfig
from attnbench.models.contexts.base import Context, weigh
from attnbench.models.encoder import EncoderOutput, Memory
from attnbench.ranges import Count


class Slots(Context):
    """M = softmax(Q tanh(W H)) H: K learned queries Q make K vectors of H; the decoder attends over M.

    The decoder weighs the slots by s_i · U m_k, like Luong's "general".

    Source: Lin et al. 2017, equations 5 and 6, for M.
    """

    reads_before = False
    reads_after = True
    follows_state = True
    reads_states = False

    def __init__(self, hidden_size: int, slots: int) -> None:
        super().__init__()
        self.size = self.distilled_size = hidden_size
        self.state_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.slot_queries = nn.Linear(hidden_size, slots, bias=False)
        self.key_projection = nn.Linear(hidden_size, hidden_size, bias=False)

    def prepare(self, encoded: EncoderOutput) -> Memory:
        """Distil the states; the memory's length is the number of slots, all of them open."""
        # B M S, M slots
        scores = self.slot_queries(torch.tanh(self.state_projection(encoded.states))).transpose(1, 2)
        distilled, _ = weigh(scores, Memory(values=encoded.states, mask=encoded.mask))  # B M H
        if self.quantiser is not None:
            distilled = self.quantiser(distilled)
        is_open = torch.ones_like(distilled[:, :, 0], dtype=torch.bool)
        return Memory(values=distilled, mask=is_open, keys=self.key_projection(distilled))

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, None]:
        """Return the context; its weights are over slots and say nothing of source positions."""
        assert memory.keys is not None
        context, _ = weigh(torch.bmm(query, memory.keys.transpose(1, 2)), memory)  # B T H
        return context, None


@dataclass(frozen=True, kw_only=True)
class SlotsConfig(RecurrentConfig):
    """Attention over K vectors.

    Attributes:
        slots: K; more than source tokens is allowed and wasteful.
    """

    slots: Count

    def build_context(self) -> Slots:
        return Slots(self.hidden_size, self.slots)

    def context_size(self, source_tokens: int) -> int:
        """Count the slots and the first state."""
        return self.slots * self.hidden_size + self.first_size + self.carried_beside_top

    def crossing_vectors(self, source_tokens: int) -> int:
        """Count the slots and the last state."""
        return self.slots + 1

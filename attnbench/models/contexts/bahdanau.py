"""Additive attention, read before the recurrence."""

from dataclasses import dataclass

from torch import Tensor, nn

from attnbench.models.contexts.additive_steps import SteppedMemory, read_steps, stepped_memory
from attnbench.models.contexts.base import Context
from attnbench.models.memory import EncoderOutput, Memory
from attnbench.models.recurrent_arm import RecurrentArm


class Bahdanau(Context):
    """c_i = Σ_j α_ij h_j with α_ij = softmax_j(v · tanh(W s_{i-1} + U h_j)).

    The query is the state of the step before, so the context can take part in making the next state.

    Source: Bahdanau et al. 2015, section 3.1 and appendix A.1.2.
    """

    reads_before = True
    reads_after = False
    follows_state = True

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.size = hidden_size
        self.query_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.key_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.score = nn.Linear(hidden_size, 1, bias=False)

    def prepare(self, encoded: EncoderOutput) -> Memory:
        keys = self.key_projection(encoded.states)
        return stepped_memory(
            keys, encoded.states, encoded.mask, self.query_projection.weight, self.score.weight[0]
        )

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor]:
        assert isinstance(memory, SteppedMemory)
        return read_steps(query, memory)


@dataclass(frozen=True, kw_only=True)
class BahdanauArm(RecurrentArm):
    """Attention by a small network that scores each pair of decoder and encoder state."""

    def build_context(self) -> Bahdanau:
        return Bahdanau(self.hidden_size)

    def context_size(self, source_tokens: int) -> int:
        """Count every encoder state; the first state of the decoder is among their numbers."""
        return source_tokens * self.hidden_size

"""The bottleneck: one vector for the whole source."""

from dataclasses import dataclass

from torch import Tensor

from attnbench.models.contexts.base import Context, Reading, read_where
from attnbench.models.memory import EncoderOutput, Memory
from attnbench.models.recurrent_arm import RecurrentArm


class Fixed(Context):
    """The encoder's final state, the same at every step: c_i = h_final.

    Source: Cho et al. 2014a, section 2.2; "if we fix c_i to h_T" in Bahdanau et al. 2015, section 3.1.
    """

    def __init__(self, hidden_size: int, reading: Reading) -> None:
        super().__init__()
        self.size = hidden_size
        read_where(self, reading)

    def prepare(self, encoded: EncoderOutput) -> Memory:
        return Memory(values=encoded.final.unsqueeze(1), mask=encoded.mask[:, :1])

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, None]:
        return memory.values.expand(-1, query.shape[1], -1), None


@dataclass(frozen=True, kw_only=True)
class FixedArm(RecurrentArm):
    """One vector, handed to the decoder at every step.

    Attributes:
        read: "before" the recurrence (Cho), "after" it (like Luong's attention), or "both".
    """

    read: Reading

    def build_context(self) -> Fixed:
        return Fixed(self.hidden_size, self.read)

    def context_size(self, source_tokens: int) -> int:
        return self.hidden_size

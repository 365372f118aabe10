"""Multiplicative attention, read after the recurrence."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attnbench.models.contexts.base import Context, weigh
from attnbench.models.memory import EncoderOutput, Memory
from attnbench.models.recurrent_arm import RecurrentArm


class LuongDot(Context):
    """c_i = Σ_j softmax_j(s_i · h_j) h_j, with s_i the decoder state of the same step.

    Source: Luong et al. 2015, section 3.1, "dot".
    """

    reads_before = False
    reads_after = True
    follows_state = True

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.size = hidden_size

    def prepare(self, encoded: EncoderOutput) -> Memory:
        return Memory(values=encoded.states, mask=encoded.mask, keys=self.keys_of(encoded.states))

    def keys_of(self, states: Tensor) -> Tensor:
        """Return what the decoder state is multiplied with; (batch, source_len, hidden)."""
        return states

    def read(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        assert memory.keys is not None
        return weigh(torch.bmm(query, memory.keys.transpose(1, 2)), memory)


class LuongGeneral(LuongDot):
    """c_i = Σ_j softmax_j(s_i · W h_j) h_j.

    Source: Luong et al. 2015, section 3.1, "general".
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__(hidden_size)
        self.key_projection = nn.Linear(hidden_size, hidden_size, bias=False)

    def keys_of(self, states: Tensor) -> Tensor:
        return self.key_projection(states)


@dataclass(frozen=True, kw_only=True)
class LuongArm(RecurrentArm):
    """Attention over all encoder states."""

    def context_size(self, source_tokens: int) -> int:
        """Count every encoder state; the first state of the decoder is among their numbers."""
        return source_tokens * self.hidden_size


@dataclass(frozen=True, kw_only=True)
class LuongDotArm(LuongArm):
    """Attention by the plain dot product."""

    def build_context(self) -> LuongDot:
        return LuongDot(self.hidden_size)


@dataclass(frozen=True, kw_only=True)
class LuongGeneralArm(LuongArm):
    """Attention by a learned bilinear product."""

    def build_context(self) -> LuongGeneral:
        return LuongGeneral(self.hidden_size)

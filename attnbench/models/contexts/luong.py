"""Attention over all encoder states, read after the recurrence."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from attnbench.models.contexts.additive import additive_scores
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

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor]:
        return weigh(self.scores(query, memory), memory)

    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        """Return how well each decoder state matches each encoder state; (batch, target_len, source_len)."""
        assert memory.keys is not None
        return torch.bmm(query, memory.keys.transpose(1, 2))


class LuongGeneral(LuongDot):
    """c_i = Σ_j softmax_j(s_i · W h_j) h_j.

    Source: Luong et al. 2015, section 3.1, "general".
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__(hidden_size)
        self.key_projection = nn.Linear(hidden_size, hidden_size, bias=False)

    def keys_of(self, states: Tensor) -> Tensor:
        return self.key_projection(states)


class LuongConcat(LuongDot):
    """c_i = Σ_j softmax_j(v · tanh(W [s_i; h_j])) h_j, with W in two blocks, W s_i + U h_j.

    Source: Luong et al. 2015, section 3.1, "concat".
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__(hidden_size)
        self.query_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.key_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.score = nn.Linear(hidden_size, 1, bias=False)

    def keys_of(self, states: Tensor) -> Tensor:
        return self.key_projection(states)

    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        assert memory.keys is not None
        return additive_scores(self.query_projection(query), memory.keys, self.score.weight[0])


Score = Literal["dot", "general", "concat"]
SCORES: dict[Score, type[LuongDot]] = {"dot": LuongDot, "general": LuongGeneral, "concat": LuongConcat}


@dataclass(frozen=True, kw_only=True)
class LuongArm(RecurrentArm):
    """Attention over all encoder states.

    Attributes:
        input_feeding: whether h̃ of one step joins the input of the next. Source: Luong et al. 2015, section 3.3.
    """

    input_feeding: bool = False

    @property
    def feeds_input(self) -> bool:
        return self.input_feeding

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


@dataclass(frozen=True, kw_only=True)
class LuongConcatArm(LuongArm):
    """Attention by a small network that scores each pair of decoder and encoder state."""

    def build_context(self) -> LuongConcat:
        return LuongConcat(self.hidden_size)

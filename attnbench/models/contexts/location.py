"""Attention by position alone: the decoder state says where to look without seeing what stands there."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attnbench.models.contexts.base import Context, weigh
from attnbench.models.contexts.luong import LuongArm
from attnbench.models.memory import EncoderOutput, Memory
from attnbench.ranges import Count


class LuongLocation(Context):
    """c_i = Σ_j softmax_j((W s_i)_j) h_j, with one row of W per source position.

    Source words behind the last row of W are never looked at, and for shorter sources the rows behind their end
    are not used, as in the source.

    Source: Luong et al. 2015, section 3.1, equation 8.
    """

    reads_before = False
    reads_after = True
    follows_state = True

    def __init__(self, hidden_size: int, positions: int) -> None:
        super().__init__()
        self.size = hidden_size
        self.position_scores = nn.Linear(hidden_size, positions, bias=False)

    def prepare(self, encoded: EncoderOutput) -> Memory:
        reachable = self.position_scores.out_features
        mask = encoded.mask.clone()
        mask[:, reachable:] = False
        return Memory(values=encoded.states, mask=mask)

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor]:
        scores = self.position_scores(query)
        missing = max(0, memory.mask.shape[1] - scores.shape[2])
        fitted = torch.nn.functional.pad(scores, (0, missing))[:, :, : memory.mask.shape[1]]
        return weigh(fitted, memory)


@dataclass(frozen=True, kw_only=True)
class LuongLocationArm(LuongArm):
    """Attention by position.

    Attributes:
        positions: how many source positions can be looked at.
    """

    positions: Count

    def build_context(self) -> LuongLocation:
        return LuongLocation(self.hidden_size, self.positions)

    def context_size(self, source_tokens: int) -> int:
        """Count the states that can be looked at, and the first state where it is not made of these."""
        if source_tokens <= self.positions:
            return source_tokens * self.hidden_size
        return (self.positions + 1) * self.hidden_size

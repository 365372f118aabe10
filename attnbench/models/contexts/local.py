"""Attention within a window that moves over the source."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attnbench.models.contexts.base import Context, weigh
from attnbench.models.contexts.luong import SCORES, LuongArm, LuongDot, Score
from attnbench.models.memory import EncoderOutput, Memory
from attnbench.ranges import Count


class LuongLocal(Context):
    """Global attention, narrowed to the 2D + 1 source positions around a centre p_i.

    Attributes:
        whole: the global form, whose scores are used.
        window: D.
    """

    reads_before = False
    reads_after = True
    follows_state = True

    def __init__(self, whole: LuongDot, window: int) -> None:
        super().__init__()
        self.size = whole.size
        self.whole = whole
        self.window = window

    def prepare(self, encoded: EncoderOutput) -> Memory:
        return self.whole.prepare(encoded)

    @abstractmethod
    def centres(self, query: Tensor, memory: Memory, first_position: int) -> Tensor:
        """Return p_i within [0, source length − 1], counted from 0; (batch, target_len)."""

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor]:
        distances = self._distances(query, memory, first_position)
        return weigh(self.whole.scores(query, memory), memory, distances.abs() <= self.window)

    def _distances(self, query: Tensor, memory: Memory, first_position: int) -> Tensor:
        """Return j − p_i for every source position; (batch, target_len, source_len)."""
        positions = torch.arange(memory.mask.shape[1], device=query.device)
        return positions - self.centres(query, memory, first_position).unsqueeze(2)


class LuongLocalMonotonic(LuongLocal):
    """p_i = i: source and target are taken to run side by side; behind the source's end the window stays there.

    Source: Luong et al. 2015, section 3.2, "local-m".
    """

    def centres(self, query: Tensor, memory: Memory, first_position: int) -> Tensor:
        steps = torch.arange(first_position, first_position + query.shape[1], device=query.device)
        last = memory.mask.sum(dim=1, keepdim=True) - 1
        return torch.minimum(steps, last)


class LuongLocalPredictive(LuongLocal):
    """p_i = (S − 1) · sigmoid(v · tanh(W s_i)); the weights are multiplied by exp(−(j − p_i)² / 2σ²), σ = D / 2.

    The product is not normalised again, as in the source, so that p_i learns: the weights sum to at most 1.
    Positions count from 0 here and from 1 in the source, hence S − 1 for its S. The window is the one around the
    nearest whole position, so that it is never empty.

    Source: Luong et al. 2015, section 3.2, "local-p", equations 9 and 10.
    """

    def __init__(self, whole: LuongDot, window: int, has_gaussian: bool) -> None:
        super().__init__(whole, window)
        self.position_projection = nn.Linear(self.size, self.size, bias=False)
        self.position_score = nn.Linear(self.size, 1, bias=False)
        self.has_gaussian = has_gaussian

    def centres(self, query: Tensor, memory: Memory, first_position: int) -> Tensor:
        last = memory.mask.sum(dim=1, keepdim=True) - 1
        shares = torch.sigmoid(self.position_score(torch.tanh(self.position_projection(query))))
        return last * shares.squeeze(2)

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor]:
        positions = torch.arange(memory.mask.shape[1], device=query.device)
        centres = self.centres(query, memory, first_position).unsqueeze(2)
        window = (positions - centres.detach().round()).abs() <= self.window
        context, weights = weigh(self.whole.scores(query, memory), memory, window)
        if not self.has_gaussian:
            return context, weights
        weights = weights * torch.exp(-((positions - centres) ** 2) / (2 * (self.window / 2) ** 2))
        return torch.bmm(weights.to(memory.values.dtype), memory.values), weights


@dataclass(frozen=True, kw_only=True)
class LuongLocalArm(LuongArm):
    """Attention within a window.

    Attributes:
        window: D: how many positions on either side of the centre can be looked at.
        score: how a decoder state is matched with an encoder state.
    """

    window: Count
    score: Score

    def build_whole(self) -> LuongDot:
        """Return the global form that the window narrows."""
        return SCORES[self.score](self.hidden_size)


@dataclass(frozen=True, kw_only=True)
class LuongLocalMonotonicArm(LuongLocalArm):
    """The window moves one source position per step."""

    def build_context(self) -> LuongLocalMonotonic:
        return LuongLocalMonotonic(self.build_whole(), self.window)


@dataclass(frozen=True, kw_only=True)
class LuongLocalPredictiveArm(LuongLocalArm):
    """The window moves where the decoder predicts.

    Attributes:
        gaussian: whether the weights fall off around the centre; without, the centre has no gradient.
    """

    gaussian: bool

    def build_context(self) -> LuongLocalPredictive:
        return LuongLocalPredictive(self.build_whole(), self.window, self.gaussian)

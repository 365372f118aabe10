"""Attention read after the recurrence: over all encoder states, by position alone, or within a window."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from attnbench.models.config import RecurrentConfig
from attnbench.models.contexts.additive_kernel import additive_scores
from attnbench.models.contexts.base import Context, weigh
from attnbench.models.encoder import EncoderOutput, Memory
from attnbench.ranges import Count


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
        return torch.bmm(query, memory.keys.transpose(1, 2))  # B T H · B H S = B T S


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
class LuongConfig(RecurrentConfig):
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
        return source_tokens * self.hidden_size + self.carried_beside_top


@dataclass(frozen=True, kw_only=True)
class LuongDotConfig(LuongConfig):
    """Attention by the plain dot product."""

    def build_context(self) -> LuongDot:
        return LuongDot(self.hidden_size)


@dataclass(frozen=True, kw_only=True)
class LuongGeneralConfig(LuongConfig):
    """Attention by a learned bilinear product."""

    def build_context(self) -> LuongGeneral:
        return LuongGeneral(self.hidden_size)


@dataclass(frozen=True, kw_only=True)
class LuongConcatConfig(LuongConfig):
    """Attention by a small network that scores each pair of decoder and encoder state."""

    def build_context(self) -> LuongConcat:
        return LuongConcat(self.hidden_size)


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
        scores = self.position_scores(query)  # B T positions
        missing = max(0, memory.mask.shape[1] - scores.shape[2])
        fitted = torch.nn.functional.pad(scores, (0, missing))[:, :, : memory.mask.shape[1]]  # B T S
        return weigh(fitted, memory)


@dataclass(frozen=True, kw_only=True)
class LuongLocationConfig(LuongConfig):
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
            return source_tokens * self.hidden_size + self.carried_beside_top
        # The backward state at the first word is among those that can be looked at.
        first = 0 if self.first_state == "backward" else self.first_size
        return self.positions * self.hidden_size + first + self.carried_beside_top

    def crossing_vectors(self, source_tokens: int) -> int:
        """Count the states that can be looked at, and the last state."""
        return 1 + min(source_tokens, self.positions)


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
        return positions - self.centres(query, memory, first_position).unsqueeze(2)  # B T S


class LuongLocalMonotonic(LuongLocal):
    """p_i = i: source and target are taken to run side by side; behind the source's end the window stays there.

    Source: Luong et al. 2015, section 3.2, "local-m".
    """

    def centres(self, query: Tensor, memory: Memory, first_position: int) -> Tensor:
        steps = torch.arange(first_position, first_position + query.shape[1], device=query.device)
        last = memory.mask.sum(dim=1, keepdim=True) - 1
        return torch.minimum(steps, last)  # B T


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
        return last * shares.squeeze(2)  # B T

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor]:
        positions = torch.arange(memory.mask.shape[1], device=query.device)
        centres = self.centres(query, memory, first_position).unsqueeze(2)  # B T 1
        window = (positions - centres.detach().round()).abs() <= self.window  # B T S
        context, weights = weigh(self.whole.scores(query, memory), memory, window)
        if not self.has_gaussian:
            return context, weights
        weights = weights * torch.exp(-((positions - centres) ** 2) / (2 * (self.window / 2) ** 2))
        return torch.bmm(weights.to(memory.values.dtype), memory.values), weights


@dataclass(frozen=True, kw_only=True)
class LuongLocalConfig(LuongConfig):
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
class LuongLocalMonotonicConfig(LuongLocalConfig):
    """The window moves one source position per step."""

    def build_context(self) -> LuongLocalMonotonic:
        return LuongLocalMonotonic(self.build_whole(), self.window)


@dataclass(frozen=True, kw_only=True)
class LuongLocalPredictiveConfig(LuongLocalConfig):
    """The window moves where the decoder predicts.

    Attributes:
        gaussian: whether the weights fall off around the centre; without, the centre has no gradient.
    """

    gaussian: bool

    def build_context(self) -> LuongLocalPredictive:
        return LuongLocalPredictive(self.build_whole(), self.window, self.gaussian)

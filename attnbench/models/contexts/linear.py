"""Linear attention: a matrix per head, written once over the source and read by the decoder's query."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from attnbench.models.config import RecurrentConfig
from attnbench.models.contexts.base import Context
from attnbench.models.contexts.multihead import check_heads, join_heads, split_heads
from attnbench.models.encoder import EncoderOutput, Memory
from attnbench.ranges import Count

FeatureMap = Literal["elu", "relu"]
# Keeps the division finite where no feature of the query meets one of a key.
SMALLEST_NORMALISER = 1e-6


class Linear(Context):
    """Each head: φ(q_i)ᵀ S / φ(q_i)ᵀ z with S = Σ_j φ(k_j) v_jᵀ and z = Σ_j φ(k_j).

    S and z are all that the decoder has of the source: fast weights, whose size does not grow with it.
    φ is elu + 1 ("elu") or max(0, ·) ("relu"). To be squeezed to bits, S and z of all heads are one vector; z stays
    positive by softplus.

    Source: Katharopoulos et al. 2020, equations 4 to 7; Schlag et al. 2021 for the view as fast weights.
    """

    reads_before = False
    reads_after = True
    follows_state = True
    reads_states = False

    def __init__(self, hidden_size: int, heads: int, feature_map: FeatureMap) -> None:
        super().__init__()
        self.size = hidden_size
        self.heads = heads
        self.distilled_size = hidden_size * (hidden_size // heads + 1)
        self.feature_map = feature_map
        self.query_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.key_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.value_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.joint_projection = nn.Linear(hidden_size, hidden_size, bias=False)

    def prepare(self, encoded: EncoderOutput) -> Memory:
        """Write the matrices: values are S, (batch · heads, part, part), and keys z, (batch · heads, part, 1)."""
        features = self._features(split_heads(self.key_projection(encoded.states), self.heads))  # B N S D
        features = features * encoded.mask[:, None, :, None]
        values = split_heads(self.value_projection(encoded.states), self.heads)  # B N S D
        matrices = features.transpose(2, 3) @ values.to(features.dtype)  # B N D D
        normalisers = features.sum(dim=2).unsqueeze(3)  # B N D 1
        if self.quantiser is not None:
            # Means instead of sums read the same, and their size does not grow with the source.
            written = torch.cat([matrices, normalisers], dim=3) / encoded.mask.sum(dim=1)[:, None, None, None]
            arrived = self.quantiser(written.flatten(1)).view_as(written)  # B N D D+1
            matrices, normalisers = arrived[..., :-1], nn.functional.softplus(arrived[..., -1:])
        return Memory(values=matrices.flatten(0, 1), mask=encoded.mask[:, :0], keys=normalisers.flatten(0, 1))

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, None]:
        """Return the context; there are no weights, since the source positions have been added up."""
        assert memory.keys is not None
        # B·N T D
        features = self._features(split_heads(self.query_projection(query), self.heads)).flatten(0, 1)
        read = torch.bmm(features, memory.values.to(features.dtype))  # B·N T D
        normaliser = torch.bmm(features, memory.keys.to(features.dtype)).clamp_min(SMALLEST_NORMALISER)
        heads = (read / normaliser).unflatten(0, (-1, self.heads))  # B N T D
        return self.joint_projection(join_heads(heads)), None

    def _features(self, states: Tensor) -> Tensor:
        if self.feature_map == "relu":
            return nn.functional.relu(states)
        return nn.functional.elu(states) + 1


@dataclass(frozen=True, kw_only=True)
class LinearConfig(RecurrentConfig):
    """A matrix per head instead of the encoder states.

    Attributes:
        heads: how many; they share the hidden size.
        feature_map: φ, "elu" or "relu".
    """

    heads: Count
    feature_map: FeatureMap

    def check(self) -> None:
        super().check()
        check_heads(self.heads, self.hidden_size)

    def build_context(self) -> Linear:
        return Linear(self.hidden_size, self.heads, self.feature_map)

    def context_size(self, source_tokens: int) -> int:
        """Count matrices, normalisers and the first state."""
        part = self.hidden_size // self.heads
        return self.heads * (part * part + part) + self.first_size + self.carried_beside_top

    def crossing_vectors(self, source_tokens: int) -> int:
        """Count all the matrices and normalisers as one vector, and the last state."""
        return 2

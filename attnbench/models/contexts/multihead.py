"""Several heads of scaled dot-product attention, read after the recurrence."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attnbench.errors import UserError
from attnbench.models.config import RecurrentConfig
from attnbench.models.contexts.base import Context
from attnbench.models.encoder import EncoderOutput, Memory
from attnbench.ranges import Count


def split_heads(states: Tensor, heads: int) -> Tensor:
    """Give each head its part: (batch, length, hidden) → (batch, heads, length, hidden / heads)."""
    return states.unflatten(2, (heads, -1)).transpose(1, 2)


def join_heads(states: Tensor) -> Tensor:
    """Put the heads' parts side by side: (batch, heads, length, part) → (batch, length, hidden)."""
    return states.transpose(1, 2).flatten(2)


def check_heads(heads: int, hidden_size: int) -> None:
    """Refuse heads that do not divide the hidden size.

    Raises:
        UserError: naming both.
    """
    if hidden_size % heads:
        raise UserError(
            f"model.heads={heads} does not divide model.hidden_size={hidden_size}; every head needs as much of it."
        )


class MultiHead(Context):
    """Each head: softmax(Q Kᵀ / √d) V with Q = W s_i, K = U h, V = Z h; the heads are joined by one more matrix.

    Source: Vaswani et al. 2017, section 3.2.
    """

    reads_before = False
    reads_after = True
    follows_state = True

    def __init__(self, hidden_size: int, heads: int) -> None:
        super().__init__()
        self.size = hidden_size
        self.heads = heads
        self.query_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.key_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.value_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.joint_projection = nn.Linear(hidden_size, hidden_size, bias=False)

    def prepare(self, encoded: EncoderOutput) -> Memory:
        """Return keys and values split by head, (batch, heads, source_len, hidden / heads).

        They lie side by side, so that a step of decoding multiplies them as they are and copies nothing.
        """
        keys, values = self.key_projection(encoded.states), self.value_projection(encoded.states)
        keys, values = (split_heads(each, self.heads).contiguous() for each in (keys, values))
        return Memory(values=values, mask=encoded.mask, keys=keys)

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Return the joined context, and the mean of the heads' weights where they are wanted."""
        if wants_weights:
            weights = self.head_weights(query, memory)  # B N T S
            heads = weights.to(memory.values.dtype) @ memory.values  # B N T D
            return self.joint_projection(join_heads(heads)), weights.mean(dim=1)
        assert memory.keys is not None
        mask = memory.mask[:, None, None, :]  # B 1 1 S
        heads = nn.functional.scaled_dot_product_attention(
            self._queries(query), memory.keys, memory.values, attn_mask=mask
        )
        return self.joint_projection(join_heads(heads)), None

    def head_weights(self, query: Tensor, memory: Memory) -> Tensor:
        """Return every head's weights, (batch, heads, target_len, source_len)."""
        assert memory.keys is not None
        queries = self._queries(query)
        scores = queries @ memory.keys.transpose(2, 3) / queries.shape[3] ** 0.5  # B N T S
        return torch.softmax(scores.masked_fill(~memory.mask[:, None, None, :], float("-inf")), dim=-1)

    def _queries(self, query: Tensor) -> Tensor:
        return split_heads(self.query_projection(query), self.heads)  # B N T D


@dataclass(frozen=True, kw_only=True)
class MultiHeadConfig(RecurrentConfig):
    """Attention over all encoder states by several heads.

    Attributes:
        heads: how many; they share the hidden size.
    """

    heads: Count

    def check(self) -> None:
        super().check()
        check_heads(self.heads, self.hidden_size)

    def build_context(self) -> MultiHead:
        return MultiHead(self.hidden_size, self.heads)

    def context_size(self, source_tokens: int) -> int:
        """Count every encoder state; keys and values are made of these."""
        return source_tokens * self.hidden_size + self.carried_beside_top

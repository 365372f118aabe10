"""Scaled dot-product attention between two sequences, or within one."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attnbench.models.contexts.multihead import join_heads, split_heads
from attnbench.models.transformer.positions import rotate


@dataclass(frozen=True)
class KeysAndValues:
    """What queries are matched with and what they read, each (batch, heads, length, part)."""

    keys: Tensor
    values: Tensor

    def extended(self, later: "KeysAndValues") -> "KeysAndValues":
        """Return these followed by later ones."""
        keys = torch.cat([self.keys, later.keys], dim=2)
        return KeysAndValues(keys, torch.cat([self.values, later.values], dim=2))


class Attention(nn.Module):
    """softmax(Q Kᵀ / √d) V for each head, the heads joined by one more matrix.

    Source: Vaswani et al. 2017, section 3.2.
    """

    def __init__(self, hidden_size: int, heads: int, is_rotary: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.is_rotary = is_rotary
        self.query_projection = nn.Linear(hidden_size, hidden_size)
        self.key_projection = nn.Linear(hidden_size, hidden_size)
        self.value_projection = nn.Linear(hidden_size, hidden_size)
        self.joint_projection = nn.Linear(hidden_size, hidden_size)

    def project(self, states: Tensor, first_position: int = 0) -> KeysAndValues:
        """Return keys and values of states (batch, length, hidden) that begin at a position."""
        keys = split_heads(self.key_projection(states), self.heads)
        values = split_heads(self.value_projection(states), self.heads)
        return KeysAndValues(rotate(keys, first_position) if self.is_rotary else keys, values)

    def forward(
        self,
        states: Tensor,
        read: KeysAndValues,
        mask: Tensor,
        first_position: int = 0,
        wants_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Let states (batch, length, hidden) read.

        Args:
            states: from which the queries are made; they begin at `first_position`.
            read: what they read, of another length.
            mask: True where a query may look; broadcast to (batch, heads, length, read_len).
            first_position: of the first query.
            wants_weights: whether weights are returned; where not, torch's fused kernel is used.

        Returns:
            what was read (batch, length, hidden), and weights (batch, heads, length, read_len) or None.
        """
        queries = split_heads(self.query_projection(states), self.heads)
        if self.is_rotary:
            queries = rotate(queries, first_position)
        if not wants_weights:
            heads = nn.functional.scaled_dot_product_attention(
                queries, read.keys, read.values, attn_mask=mask
            )
            return self.joint_projection(join_heads(heads)), None
        scores = queries @ read.keys.transpose(2, 3) / queries.shape[3] ** 0.5
        weights = torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1)
        return self.joint_projection(join_heads(weights.to(read.values.dtype) @ read.values)), weights

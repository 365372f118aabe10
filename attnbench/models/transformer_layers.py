"""The layers of a Transformer: positions, attention, and the sublayers of encoder and decoder."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from attnbench.models.contexts.multihead import join_heads, split_heads

Positions = Literal["sinusoidal", "rotary", "learnt"]
# The wave lengths go from 2π to 10000 · 2π in both sources.
LONGEST_WAVE = 10_000.0


def sinusoids(first_position: int, length: int, size: int, like: Tensor) -> Tensor:
    """Return sin and cos of each position at size / 2 wave lengths, (length, size).

    Source: Vaswani et al. 2017, section 3.5; sines fill the first half and cosines the second.
    """
    angles = _angles(first_position, length, size, like)  # T H/2
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class SinusoidalPositions(nn.Module):
    """Adds sinusoids to embeddings."""

    def forward(self, embedded: Tensor, first_position: int) -> Tensor:
        """Add to (batch, length, hidden), which begins at a position."""
        return embedded + sinusoids(first_position, embedded.shape[1], embedded.shape[2], embedded)


class LearntPositions(nn.Module):
    """Adds one trained vector for each position to embeddings; positions behind the last row get none.

    Source: Vaswani et al. 2017, section 3.5 and table 3, row (E); Gehring et al. 2017, section 3.1.
    """

    def __init__(self, positions: int, hidden_size: int) -> None:
        super().__init__()
        self.rows = nn.Embedding(positions, hidden_size)

    def forward(self, embedded: Tensor, first_position: int) -> Tensor:
        """Add to (batch, length, hidden), which begins at a position."""
        length = embedded.shape[1]
        rows = self.rows.weight[first_position : first_position + length]
        return embedded + nn.functional.pad(rows, (0, 0, 0, length - len(rows)))  # B T H + T H


def rotate(states: Tensor, first_position: int) -> Tensor:
    """Turn each pair of numbers by an angle that grows with the position, so that products see distances alone.

    Args:
        states: queries or keys, (batch, heads, length, part), with an even part; number k is paired with number
            k + part / 2.
        first_position: of the first state.

    Source: Su et al. 2021, equation 34.
    """
    angles = _angles(first_position, states.shape[2], states.shape[3], states)  # T D/2
    first, second = states.chunk(2, dim=3)  # B N T D/2 each
    sin, cos = angles.sin(), angles.cos()
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=3)


def _angles(first_position: int, length: int, size: int, like: Tensor) -> Tensor:
    dtype = torch.promote_types(like.dtype, torch.float32)
    steps = torch.arange(0, size, 2, device=like.device, dtype=dtype)
    positions = torch.arange(first_position, first_position + length, device=like.device, dtype=dtype)
    return positions.unsqueeze(1) * LONGEST_WAVE ** (-steps / size)


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
        keys = split_heads(self.key_projection(states), self.heads)  # B N S D
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
        queries = split_heads(self.query_projection(states), self.heads)  # B N T D
        if self.is_rotary:
            queries = rotate(queries, first_position)
        if not wants_weights:
            heads = nn.functional.scaled_dot_product_attention(
                queries, read.keys, read.values, attn_mask=mask
            )
            return self.joint_projection(join_heads(heads)), None
        scores = queries @ read.keys.transpose(2, 3) / queries.shape[3] ** 0.5  # B N T S
        weights = torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1)
        return self.joint_projection(join_heads(weights.to(read.values.dtype) @ read.values)), weights


@dataclass(frozen=True)
class LayerSizes:
    """What the layers of encoder and decoder have in common."""

    hidden_size: int
    feedforward_size: int
    heads: int
    dropout: float
    positions: Positions
    learnt_positions: int

    @property
    def is_rotary(self) -> bool:
        """Whether queries and keys are turned by their position; nothing is added to embeddings then."""
        return self.positions == "rotary"

    def build_positions(self) -> nn.Module | None:
        """Return what adds positions to embeddings; None where nothing does."""
        if self.is_rotary:
            return None
        if self.positions == "learnt":
            return LearntPositions(self.learnt_positions, self.hidden_size)
        return SinusoidalPositions()


class FeedForward(nn.Sequential):
    """max(0, x W + b) U + c at every position by itself. Source: Vaswani et al. 2017, section 3.3."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__(
            nn.Linear(sizes.hidden_size, sizes.feedforward_size),
            nn.ReLU(),
            nn.Linear(sizes.feedforward_size, sizes.hidden_size),
        )


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward network. Pre-norm: Xiong et al. 2020, figure 1 (b)."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(sizes.hidden_size)
        self.attention = Attention(sizes.hidden_size, sizes.heads, sizes.is_rotary)
        self.feedforward_norm = nn.LayerNorm(sizes.hidden_size)
        self.feedforward = FeedForward(sizes)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, states: Tensor, mask: Tensor, wants_weights: bool) -> tuple[Tensor, Tensor | None]:
        """Map states (batch, source_len, hidden), of which those in the mask are real, to new ones."""
        normed = self.attention_norm(states)
        read = self.attention.project(normed)
        update, weights = self.attention(normed, read, mask[:, None, None, :], wants_weights=wants_weights)
        states = states + self.dropout(update)
        return states + self.dropout(self.feedforward(self.feedforward_norm(states))), weights


@dataclass(frozen=True)
class LayerMemory:
    """What a decoder layer reads: the target so far, and the source, projected once."""

    target: KeysAndValues | None
    source: KeysAndValues
    source_mask: Tensor


class DecoderLayer(nn.Module):
    """Causal self-attention, attention over the source, then the feed-forward network."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(sizes.hidden_size)
        self.self_attention = Attention(sizes.hidden_size, sizes.heads, sizes.is_rotary)
        self.source_norm = nn.LayerNorm(sizes.hidden_size)
        self.source_attention = Attention(sizes.hidden_size, sizes.heads)
        self.feedforward_norm = nn.LayerNorm(sizes.hidden_size)
        self.feedforward = FeedForward(sizes)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(
        self, states: Tensor, memory: LayerMemory, causal_mask: Tensor, position: int, wants_weights: bool
    ) -> tuple[Tensor, LayerMemory, Tensor | None, Tensor | None]:
        """Go on over states (batch, length, hidden) that begin at a target position.

        Returns:
            new states, the memory with these positions in it, and the weights over target and source, each
            (batch, heads, length, read_len) or None.
        """
        normed = self.self_norm(states)
        projected = self.self_attention.project(normed, position)
        target = memory.target.extended(projected) if memory.target is not None else projected
        update, self_weights = self.self_attention(normed, target, causal_mask, position, wants_weights)
        states = states + self.dropout(update)
        update, source_weights = self.source_attention(
            self.source_norm(states), memory.source, memory.source_mask, wants_weights=wants_weights
        )
        states = states + self.dropout(update)
        states = states + self.dropout(self.feedforward(self.feedforward_norm(states)))
        return states, replace(memory, target=target), self_weights, source_weights

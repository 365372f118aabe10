"""Layers of encoder and decoder, each sublayer normalised before and added after (pre-norm)."""

from dataclasses import dataclass, replace

from torch import Tensor, nn

from attnbench.models.transformer.attention import Attention, KeysAndValues


@dataclass(frozen=True)
class LayerSizes:
    """What the layers of encoder and decoder have in common."""

    hidden_size: int
    feedforward_size: int
    heads: int
    dropout: float
    is_rotary: bool


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

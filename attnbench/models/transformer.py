"""The Transformer: self-attention instead of recurrence, on both sides."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from attnbench.batch import Batch
from attnbench.errors import UserError
from attnbench.models.config import ModelConfig
from attnbench.models.contexts.multihead import check_heads
from attnbench.models.encoder import equal_shares, reorder, reversed_positions
from attnbench.models.quantiser import Quantiser
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.models.transformer_layers import (
    DecoderLayer,
    EncoderLayer,
    LayerMemory,
    LayerSizes,
    Positions,
)
from attnbench.ranges import Count, DropProbability
from attnbench.vocabulary import PAD


@dataclass(frozen=True)
class AttentionMaps:
    """Every layer's and head's weights under teacher forcing, each (batch, layers, heads, length, read_len).

    Attributes:
        encoder: source over source.
        decoder: target over target.
        source: target over source; over the one pooled vector where there is but that.
    """

    encoder: Tensor
    decoder: Tensor
    source: Tensor


@dataclass(frozen=True)
class TransformerState:
    """Where decoding stands: each layer's projected target and source, and the next target position."""

    layers: list[LayerMemory]
    position: int


class TransformerEncoder(nn.Module):
    """Embeds the source and lets it look at itself."""

    def __init__(self, vocabulary_size: int, layers: int, sizes: LayerSizes, reverse_source: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, sizes.hidden_size, padding_idx=PAD)
        self.layers = nn.ModuleList(EncoderLayer(sizes) for _ in range(layers))
        self.norm = nn.LayerNorm(sizes.hidden_size)
        self.dropout = nn.Dropout(sizes.dropout)
        self.positions = sizes.build_positions()
        self.reverse_source = reverse_source

    def forward(
        self, source: Tensor, source_lengths: Tensor, wants_weights: bool = False
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return states (batch, source_len, hidden), the mask of real tokens, and each layer's weights if wanted."""
        mask = torch.arange(source.shape[1], device=source.device) < source_lengths.unsqueeze(1)  # B S
        turned = reversed_positions(source, source_lengths)
        states = self.embedding(source.gather(1, turned) if self.reverse_source else source)  # B S H
        if self.positions is not None:
            states = self.positions(states, 0)
        states = self.dropout(states)
        all_weights = []
        for layer in self.layers:
            states, weights = layer(states, mask, wants_weights)
            all_weights += [] if weights is None else [weights]
        states = self.norm(states)
        return reorder(states, turned) if self.reverse_source else states, mask, all_weights


class TransformerDecoder(nn.Module):
    """Embeds the target so far and lets it look at itself and at the source."""

    def __init__(self, vocabulary_size: int, layers: int, sizes: LayerSizes) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, sizes.hidden_size, padding_idx=PAD)
        self.layers = nn.ModuleList(DecoderLayer(sizes) for _ in range(layers))
        self.norm = nn.LayerNorm(sizes.hidden_size)
        self.output = nn.Linear(sizes.hidden_size, vocabulary_size)
        self.dropout = nn.Dropout(sizes.dropout)
        self.positions = sizes.build_positions()

    def start(self, source: Tensor, mask: Tensor) -> TransformerState:
        """Project what the decoder reads of the source, (batch, read_len, hidden), once for each layer."""
        layers = [
            LayerMemory(None, layer.source_attention.project(source), mask[:, None, None, :])
            for layer in self.layers
            if isinstance(layer, DecoderLayer)
        ]
        return TransformerState(layers, 0)

    def forward(
        self, inputs: Tensor, state: TransformerState, wants_weights: bool
    ) -> tuple[Tensor, TransformerState, list[Tensor], list[Tensor]]:
        """Return logits, the new state, and each layer's weights over target and source if wanted."""
        states = self.embedding(inputs)  # B T H
        first, length = state.position, inputs.shape[1]
        if self.positions is not None:
            states = self.positions(states, first)
        states = self.dropout(states)
        everything = torch.ones(length, first + length, dtype=torch.bool, device=inputs.device)
        causal_mask = everything.tril(diagonal=first)  # T S, S the target so far
        memories, over_target, over_source = [], [], []
        for layer, memory in zip(self.layers, state.layers, strict=True):
            states, memory, on_target, on_source = layer(states, memory, causal_mask, first, wants_weights)
            memories.append(memory)
            if wants_weights:
                over_target.append(on_target)
                over_source.append(on_source)
        logits = self.output(self.norm(states))  # B T V
        return logits, TransformerState(memories, first + length), over_target, over_source


class Transformer(Seq2SeqModel):
    """Encoder and decoder of self-attention.

    Attributes:
        is_pooled: whether the decoder sees one vector, the mean of the encoder's states, instead of all of them.
        quantiser: what squeezes each vector that the decoder sees to its bits; None where real numbers cross.

    Source: Vaswani et al. 2017.
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        decoder: TransformerDecoder,
        is_pooled: bool,
        quantiser: Quantiser | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.is_pooled = is_pooled
        self.quantiser = quantiser

    def start(self, source: Tensor, source_lengths: Tensor) -> TransformerState:
        states, mask, _ = self.encoder(source, source_lengths)
        return self.decoder.start(*self._crossing(states, mask))

    def _crossing(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the decoder may read, and its mask."""
        if self.is_pooled:
            states = torch.bmm(equal_shares(mask, states).unsqueeze(1), states)  # B 1 H
            mask = mask[:, :1]
        return states if self.quantiser is None else self.quantiser(states), mask

    def advance(
        self, inputs: Tensor, state: TransformerState, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor | None, TransformerState]:
        """Go on from a state; the weights are the mean over layers and heads, None where there is but one vector."""
        is_wanted = wants_weights and not self.is_pooled
        logits, state, _, over_source = self.decoder(inputs, state, is_wanted)
        weights = torch.stack(over_source).mean(dim=(0, 2)) if is_wanted else None  # layers B N T S → B T S
        return logits, weights, state

    def attention_maps(self, batch: Batch) -> AttentionMaps:
        """Return the weights of every layer and head under teacher forcing."""
        states, mask, over_source_itself = self.encoder(
            batch.source, batch.source_lengths, wants_weights=True
        )
        state = self.decoder.start(*self._crossing(states, mask))
        _, _, over_target, over_source = self.decoder(self.shifted(batch.target), state, wants_weights=True)
        # B layers N T S
        stacked = (torch.stack(each, dim=1) for each in (over_source_itself, over_target, over_source))
        return AttentionMaps(*stacked)


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(ModelConfig):
    """Self-attention on both sides; the decoder sees every state of the encoder.

    Attributes:
        layers: of the encoder and of the decoder.
        heads: of every attention; they share the hidden size.
        feedforward_size: numbers between the two matrices of the feed-forward networks.
        positions: "sinusoidal", "rotary" or "learnt".
        learnt_positions: how many positions of source and target have a trained vector with "learnt"; those behind
            have none, and those that training never met keep their first weights.
        dropout: share dropped at embeddings and after every sublayer.
        reverse_source: whether the encoder reads the source backwards.
    """

    is_pooled: ClassVar[bool] = False

    layers: Count
    heads: Count
    feedforward_size: Count
    positions: Positions
    dropout: DropProbability
    reverse_source: bool
    learnt_positions: Count = 256

    def check(self) -> None:
        super().check()
        check_heads(self.heads, self.hidden_size)
        part = self.hidden_size // self.heads if self.positions == "rotary" else self.hidden_size
        if part % 2 and self.positions != "learnt":
            raise UserError(
                f"model.positions={self.positions} pairs up numbers, and model.hidden_size={self.hidden_size} with "
                f"model.heads={self.heads} leaves an odd number of them. Use an even size per head."
            )

    def assemble(self, source_vocabulary_size: int, target_vocabulary_size: int) -> Transformer:
        sizes = LayerSizes(
            hidden_size=self.hidden_size,
            feedforward_size=self.feedforward_size,
            heads=self.heads,
            dropout=self.dropout,
            positions=self.positions,
            learnt_positions=self.learnt_positions,
        )
        return Transformer(
            TransformerEncoder(source_vocabulary_size, self.layers, sizes, self.reverse_source),
            TransformerDecoder(target_vocabulary_size, self.layers, sizes),
            self.is_pooled,
            None if self.context_bits is None else Quantiser(self.hidden_size, self.context_bits),
        )

    def context_size(self, source_tokens: int) -> int:
        """Count every encoder state."""
        return source_tokens * self.hidden_size

    def crossing_vectors(self, source_tokens: int) -> int:
        """Count every encoder state; the decoder has no first state."""
        return source_tokens


@dataclass(frozen=True, kw_only=True)
class TransformerFixedConfig(TransformerConfig):
    """The same, whose decoder sees but the mean of the encoder's states: a bottleneck without recurrence."""

    is_pooled: ClassVar[bool] = True

    def context_size(self, source_tokens: int) -> int:
        """Count the one vector."""
        return self.hidden_size

    def crossing_vectors(self, source_tokens: int) -> int:
        return 1

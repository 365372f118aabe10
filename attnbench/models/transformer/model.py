"""The Transformer: self-attention instead of recurrence, on both sides."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attnbench.batch import Batch
from attnbench.models.memory import equal_shares
from attnbench.models.order import reorder, reversed_positions
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.models.transformer.layers import DecoderLayer, EncoderLayer, LayerMemory, LayerSizes
from attnbench.models.transformer.positions import sinusoids
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
        self.has_sinusoids = not sizes.is_rotary
        self.reverse_source = reverse_source

    def forward(
        self, source: Tensor, source_lengths: Tensor, wants_weights: bool = False
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return states (batch, source_len, hidden), the mask of real tokens, and each layer's weights if wanted."""
        mask = torch.arange(source.shape[1], device=source.device) < source_lengths.unsqueeze(1)
        turned = reversed_positions(source, source_lengths)
        states = self.embedding(source.gather(1, turned) if self.reverse_source else source)
        if self.has_sinusoids:
            states = states + sinusoids(0, states.shape[1], states.shape[2], states)
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
        self.has_sinusoids = not sizes.is_rotary

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
        states = self.embedding(inputs)
        first, length = state.position, inputs.shape[1]
        if self.has_sinusoids:
            states = states + sinusoids(first, length, states.shape[2], states)
        states = self.dropout(states)
        everything = torch.ones(length, first + length, dtype=torch.bool, device=inputs.device)
        causal_mask = everything.tril(diagonal=first)
        memories, over_target, over_source = [], [], []
        for layer, memory in zip(self.layers, state.layers, strict=True):
            states, memory, on_target, on_source = layer(states, memory, causal_mask, first, wants_weights)
            memories.append(memory)
            if wants_weights:
                over_target.append(on_target)
                over_source.append(on_source)
        logits = self.output(self.norm(states))
        return logits, TransformerState(memories, first + length), over_target, over_source


class Transformer(Seq2SeqModel):
    """Encoder and decoder of self-attention.

    Attributes:
        is_pooled: whether the decoder sees one vector, the mean of the encoder's states, instead of all of them.

    Source: Vaswani et al. 2017.
    """

    def __init__(self, encoder: TransformerEncoder, decoder: TransformerDecoder, is_pooled: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.is_pooled = is_pooled

    def start(self, source: Tensor, source_lengths: Tensor) -> TransformerState:
        states, mask, _ = self.encoder(source, source_lengths)
        return self.decoder.start(*self._crossing(states, mask))

    def _crossing(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the decoder may read, and its mask."""
        if not self.is_pooled:
            return states, mask
        return torch.bmm(equal_shares(mask, states).unsqueeze(1), states), mask[:, :1]

    def advance(
        self, inputs: Tensor, state: TransformerState, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor | None, TransformerState]:
        """Go on from a state; the weights are the mean over layers and heads, None where there is but one vector."""
        is_wanted = wants_weights and not self.is_pooled
        logits, state, _, over_source = self.decoder(inputs, state, is_wanted)
        weights = torch.stack(over_source).mean(dim=(0, 2)) if is_wanted else None
        return logits, weights, state

    def attention_maps(self, batch: Batch) -> AttentionMaps:
        """Return the weights of every layer and head under teacher forcing."""
        states, mask, over_source_itself = self.encoder(
            batch.source, batch.source_lengths, wants_weights=True
        )
        state = self.decoder.start(*self._crossing(states, mask))
        _, _, over_target, over_source = self.decoder(self.shifted(batch.target), state, wants_weights=True)
        stacked = (torch.stack(each, dim=1) for each in (over_source_itself, over_target, over_source))
        return AttentionMaps(*stacked)

"""The encoder that all recurrent arms share, and what crosses from it to the decoder."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from attnbench.models.recurrence import LayerState, Recurrence


@dataclass(frozen=True)
class EncoderOutput:
    """What the encoder made of the source.

    Attributes:
        states: one per source token, (batch, source_len, hidden); meaningless at padding.
        final: the last hidden state, of the top layer, directions concatenated, (batch, hidden).
        mask: True at real source tokens, (batch, source_len).
        layers: the last state of every layer, directions concatenated: hidden state and, where it crosses, cell.
    """

    states: Tensor
    final: Tensor
    mask: Tensor
    layers: tuple[LayerState, ...] = ()


@dataclass(frozen=True)
class Memory:
    """What a context prepares once per source, so that reading it at every step is cheap.

    Attributes:
        values: what is averaged or handed on, (batch, memory_len, hidden); some contexts split them by head.
        keys: what the query is matched with, (batch, memory_len, hidden), where there is matching; likewise.
        mask: True where there is something to read, (batch, memory_len).
    """

    values: Tensor
    mask: Tensor
    keys: Tensor | None = None


def equal_shares(mask: Tensor, like: Tensor) -> Tensor:
    """Return 1 / length at real source tokens and 0 at padding, (batch, source_len), in the dtype of `like`."""
    # A type of half the size cannot count beyond 256.
    exact = torch.promote_types(like.dtype, torch.float32)
    return (mask.to(exact) / mask.sum(dim=1, keepdim=True)).to(like.dtype)


def reversed_positions(source: Tensor, source_lengths: Tensor) -> Tensor:
    """Return where each position finds its token when real tokens are turned round; padding stays; (batch, length)."""
    positions = torch.arange(source.shape[1], device=source.device)
    turned = source_lengths.unsqueeze(1) - 1 - positions  # B S
    return turned.where(turned >= 0, positions)


def turned_round(sequence: Tensor, positions: Tensor, is_even: bool) -> Tensor:
    """Turn each row of (batch, length, hidden) round within its own length.

    Args:
        sequence: to be turned.
        positions: what `reversed_positions` returned.
        is_even: whether no row is padded: then one flip does it, whose gradient is another flip.
    """
    return sequence.flip(1) if is_even else reorder(sequence, positions)


def has_no_padding(source: Tensor, source_lengths: Tensor) -> bool:
    """Say whether every row is as long as the batch, where asking costs nothing; a GPU would be waited for."""
    return source_lengths.device.type == "cpu" and bool((source_lengths == source.shape[1]).all())


def reorder(sequence: Tensor, positions: Tensor) -> Tensor:
    """Take from (batch, length, hidden) the positions (batch, new_length); (batch, new_length, hidden)."""
    return sequence.gather(1, positions.unsqueeze(2).expand(-1, -1, sequence.shape[2]))


class RecurrentEncoder(nn.Module):
    """Embeds the source and runs over it in one direction or in both.

    Padding changes nothing: it stands on the right, so the forward direction meets it only after the last real
    token; the backward direction reads each source turned round within its own length. So nothing needs to be
    packed, which would double the cost.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        layers: list[list[Recurrence]],
        hidden_size: int,
        dropout: float,
        reverse_source: bool = False,
    ) -> None:
        """Take for each layer one recurrence per direction, whose hidden sizes add up to `hidden_size`."""
        super().__init__()
        self.embedding = embedding
        self.layers = nn.ModuleList(nn.ModuleList(directions) for directions in layers)
        self.hidden_size = hidden_size
        self.dropout = nn.Dropout(dropout)
        self.reverse_source = reverse_source

    def forward(self, source: Tensor, source_lengths: Tensor) -> EncoderOutput:
        """Encode token numbers (batch, source_len) with their real lengths (batch,)."""
        mask = torch.arange(source.shape[1], device=source.device) < source_lengths.unsqueeze(1)  # B S
        turned, is_even = reversed_positions(source, source_lengths), has_no_padding(source, source_lengths)
        states = self.embedding(source.gather(1, turned) if self.reverse_source else source)  # B S E
        layers = []
        for directions in self.layers:
            assert isinstance(directions, nn.ModuleList)
            states, last = self._layer(directions, self.dropout(states), (turned, is_even), mask)
            layers.append(last)
        if self.reverse_source:
            states = turned_round(states, turned, is_even)  # so that a state stands where its token stands
        return EncoderOutput(states=states, final=layers[-1][0], mask=mask, layers=tuple(layers))

    def _layer(
        self,
        directions: Iterable[nn.Module],
        inputs: Tensor,
        turned: tuple[Tensor, bool],
        mask: Tensor,
    ) -> tuple[Tensor, LayerState]:
        """Return the states (batch, source_len, hidden) of one layer, and its last state."""
        states, finals = [], []
        for is_backward, recurrence in enumerate(directions):
            assert isinstance(recurrence, Recurrence)
            # B S E, above the first layer B S H
            ordered = turned_round(inputs, *turned) if is_backward else inputs
            zero = inputs.new_zeros(len(inputs), recurrence.layer.hidden_size)
            first = recurrence.first_state(zero)
            # Padding stands on the right in both directions: `ordered` has each source turned in its own length.
            outputs, last = recurrence(ordered, first, None if turned[1] else ~mask)  # B S H/directions
            finals.append(last)
            states.append(turned_round(outputs, *turned) if is_backward else outputs)
        last_state = tuple(torch.cat(parts, dim=1) for parts in zip(*finals, strict=True))  # B H each
        return torch.cat(states, dim=2), last_state  # B S H


Carry = Literal["state", "hidden"]
FirstState = Literal["projected", "copied", "backward"]


class Bridge(nn.Module):
    """The decoder's first state s_0 = tanh(W h_final), one W per decoder layer, and the cell as it is.

    With carry "state" every layer of the decoder starts from hidden state and cell of its layer of the encoder, as in
    Sutskever et al. 2014. With "hidden" all start from the top layer's hidden state, and with cells of zeros.

    Source: Bahdanau et al. 2015, appendix A.2.2, with the whole final state instead of its backward half; the half
    alone with `first_state` "backward". "copied" is s_0 = h_final, as in Sutskever et al. 2014.
    """

    def __init__(
        self,
        hidden_size: int,
        layers: int,
        carry: Carry = "hidden",
        first_state: FirstState = "projected",
    ) -> None:
        super().__init__()
        self.read_size = hidden_size // 2 if first_state == "backward" else hidden_size
        self.projections = nn.ModuleList(
            nn.Identity() if first_state == "copied" else nn.Linear(self.read_size, hidden_size)
            for _ in range(layers)
        )
        self.carry = carry
        self.is_copied = first_state == "copied"

    def forward(self, encoded: EncoderOutput) -> list[LayerState]:
        """Return the first state of each decoder layer; without a cell where zeros are to be its cell."""
        if self.carry == "hidden":
            return [(self._first(projection, encoded.final),) for projection in self.projections]
        return [
            (self._first(projection, hidden), *cell)
            for projection, (hidden, *cell) in zip(self.projections, encoded.layers, strict=True)
        ]

    def _first(self, projection: nn.Module, hidden: Tensor) -> Tensor:
        # The backward direction's half stands behind the forward one's.
        return hidden if self.is_copied else torch.tanh(projection(hidden[:, -self.read_size :]))


class ZeroBridge(nn.Module):
    """A first state of zeros, whatever the source was."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, encoded: EncoderOutput) -> list[LayerState]:
        return [(torch.zeros_like(encoded.final),) for _ in range(self.layers)]

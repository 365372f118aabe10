"""Recurrent layers, over a whole sequence in one fused call or a single step at a time."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Cell = Literal["lstm", "gru"]
LayerState = tuple[Tensor, ...]
"""The hidden state and, for an LSTM, the cell; each (batch, hidden)."""
# A gate with so much more in it is shut, or open, to the last digit.
SHUT = 1e4


class Recurrence(nn.Module):
    """One LSTM or GRU layer.

    Attributes:
        input_blocks: the parts that are concatenated into the input, by name with their sizes. Weights are
            initialised block by block, so a block that two arms share starts equal in both.
        keeps_cell: whether the cell at the last token is told where there is padding behind it.
    """

    def __init__(
        self, cell: Cell, input_blocks: dict[str, int], hidden_size: int, keeps_cell: bool = False
    ) -> None:
        super().__init__()
        self.input_blocks = {name: size for name, size in input_blocks.items() if size > 0}
        layer = nn.LSTM if cell == "lstm" else nn.GRU
        self.layer: nn.LSTM | nn.GRU = layer(sum(self.input_blocks.values()), hidden_size, batch_first=True)
        self.has_cell = cell == "lstm"
        self.keeps_cell = keeps_cell and self.has_cell

    def first_state(self, hidden: Tensor, *cell: Tensor) -> LayerState:
        """Return the state with this hidden state, (batch, hidden), and this cell, or one of zeros."""
        if not self.has_cell:
            return (hidden,)
        return (hidden, *(cell or (torch.zeros_like(hidden),)))

    def forward(
        self, inputs: Tensor, state: LayerState, is_padding: Tensor | None = None
    ) -> tuple[Tensor, LayerState]:
        """Run over the inputs.

        Args:
            inputs: (batch, length, input).
            state: where to start from.
            is_padding: True where there is no token, on the right alone, (batch, length); None where nowhere.

        Returns:
            the hidden states (batch, length, hidden), meaningless at padding, and the state at the last token.
        """
        if inputs.shape[1] == 1:
            return self._step(inputs.squeeze(1), state)
        if is_padding is not None:
            return self._past_padding(inputs, state, is_padding)
        first = tuple(part.unsqueeze(0) for part in state)  # 1 B H, as nn.LSTM wants it
        if self.has_cell:
            states, last = self.layer(inputs, first)
            return states, tuple(part.squeeze(0) for part in last)
        states, last = self.layer(inputs, first[0])
        return states, (last.squeeze(0),)

    def _past_padding(
        self, inputs: Tensor, state: LayerState, is_padding: Tensor
    ) -> tuple[Tensor, LayerState]:
        """Run over padded inputs in one fused call; to pack them would cost half as much again.

        At padding one input more closes an LSTM's input gate and opens its forget gate, so that the cell stays.
        """
        last = (~is_padding).sum(dim=1).sub(1).view(-1, 1, 1).expand(-1, 1, self.layer.hidden_size)  # B 1 H
        if not self.keeps_cell:
            first = tuple(part.unsqueeze(0) for part in state)
            states, _ = self.layer(inputs, first if self.has_cell else first[0])
            return states, (states.gather(1, last).squeeze(1),)
        input_weights, *others = self.layer.all_weights[0]
        size = self.layer.hidden_size
        gates = input_weights.new_zeros(4, size)  # input, forget, cell, output
        gates[0] -= SHUT  # numbers of Python: a tensor made of them would be copied from the host
        gates[1] += SHUT
        weights = [torch.cat([input_weights, gates.view(-1, 1)], dim=1), *others]
        marked = torch.cat([inputs, is_padding.unsqueeze(2).to(inputs.dtype)], dim=2)
        first = tuple(part.unsqueeze(0) for part in state)
        states, _, cell = torch.lstm(marked, first, weights, True, 1, 0.0, self.training, False, True)
        return states, (states.gather(1, last).squeeze(1), cell.squeeze(0))

    def _step(self, inputs: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        input_weights, state_weights, input_bias, state_bias = self.layer.all_weights[0]
        weights = (input_weights, state_weights, input_bias, state_bias)
        if self.has_cell:
            new_state: LayerState = torch.lstm_cell(inputs, state, *weights)
        else:
            new_state = (torch.gru_cell(inputs, state[0], *weights),)
        return new_state[0].unsqueeze(1), new_state  # B 1 H


class RecurrentStack(nn.Module):
    """Recurrent layers one above the other, with dropout between them."""

    def __init__(self, layers: Sequence[Recurrence], dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        # nn.LSTM's own dropout is not reproducible on a GPU.
        self.dropout = nn.Dropout(dropout)

    def first_states(self, given: Sequence[LayerState]) -> list[LayerState]:
        """Return each layer's state from its hidden state and, where it is given, its cell; (batch, hidden) each."""
        states = []
        for layer, each in zip(self.layers, given, strict=True):
            assert isinstance(layer, Recurrence)
            states.append(layer.first_state(*each))
        return states

    def bottom(self, inputs: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        """Run the bottom layer alone."""
        return self.layers[0](inputs, state)

    def forward(
        self, inputs: Tensor, states: list[LayerState], first_layer: int = 0
    ) -> tuple[Tensor, list[LayerState]]:
        """Run over the inputs (batch, length, input) from one state per layer; return the top layer's states."""
        last_states = []
        layers = self.layers[first_layer:] if first_layer else self.layers
        for number, (layer, state) in enumerate(zip(layers, states, strict=True), start=first_layer):
            inputs, last = layer(self.dropout(inputs) if number else inputs, state)
            last_states.append(last)
        return inputs, last_states

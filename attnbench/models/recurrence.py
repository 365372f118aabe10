"""Recurrent layers, over a whole sequence in one fused call or a single step at a time."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Cell = Literal["lstm", "gru"]
LayerState = tuple[Tensor, ...]
"""The hidden state and, for an LSTM, the cell; each (batch, hidden)."""


class Recurrence(nn.Module):
    """One LSTM or GRU layer.

    Attributes:
        input_blocks: the parts that are concatenated into the input, by name with their sizes. Weights are
            initialised block by block, so a block that two arms share starts equal in both.
    """

    def __init__(self, cell: Cell, input_blocks: dict[str, int], hidden_size: int) -> None:
        super().__init__()
        self.input_blocks = {name: size for name, size in input_blocks.items() if size > 0}
        layer = nn.LSTM if cell == "lstm" else nn.GRU
        self.layer: nn.LSTM | nn.GRU = layer(sum(self.input_blocks.values()), hidden_size, batch_first=True)
        self.has_cell = cell == "lstm"

    def first_state(self, hidden: Tensor) -> LayerState:
        """Return the state with this hidden state, (batch, hidden), and a cell of zeros."""
        return (hidden, torch.zeros_like(hidden)) if self.has_cell else (hidden,)

    def forward(self, inputs: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        """Run over the inputs.

        Args:
            inputs: (batch, length, input).
            state: where to start from.

        Returns:
            the hidden states (batch, length, hidden) and the last state.
        """
        if inputs.shape[1] == 1:
            return self._step(inputs.squeeze(1), state)
        first = tuple(part.unsqueeze(0) for part in state)  # 1 B H, as nn.LSTM wants it
        if self.has_cell:
            states, last = self.layer(inputs, first)
            return states, tuple(part.squeeze(0) for part in last)
        states, last = self.layer(inputs, first[0])
        return states, (last.squeeze(0),)

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

    def first_states(self, hidden: Sequence[Tensor]) -> list[LayerState]:
        """Return each layer's state from its hidden state, (batch, hidden), with a cell of zeros."""
        states = []
        for layer, each in zip(self.layers, hidden, strict=True):
            assert isinstance(layer, Recurrence)
            states.append(layer.first_state(each))
        return states

    def forward(self, inputs: Tensor, states: list[LayerState]) -> tuple[Tensor, list[LayerState]]:
        """Run over the inputs (batch, length, input) from one state per layer; return the top layer's states."""
        last_states = []
        for number, (layer, state) in enumerate(zip(self.layers, states, strict=True)):
            inputs, last = layer(self.dropout(inputs) if number else inputs, state)
            last_states.append(last)
        return inputs, last_states

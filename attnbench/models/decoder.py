"""The decoder that all recurrent arms share; only its context differs."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from attnbench.models.contexts.base import Context
from attnbench.models.encoder import Memory
from attnbench.models.recurrence import LayerState, RecurrentStack


@dataclass(frozen=True)
class DecoderState:
    """Everything that the decoder carries from one step to the next.

    Attributes:
        layers: the state of each recurrent layer.
        position: of the next target token.
        readout: h̃ of the last step, (batch, hidden), which input feeding needs; zeros at the start.
    """

    layers: list[LayerState]
    position: int
    readout: Tensor

    @property
    def top(self) -> Tensor:
        """The hidden state of the top layer, (batch, hidden)."""
        return self.layers[-1][0]


class Readout(nn.Module):
    """h̃ = tanh(W[c; s]); the block for c is absent where the context is not read after the recurrence.

    Source: Luong et al. 2015, equation 5.
    """

    def __init__(self, hidden_size: int, context_size: int) -> None:
        super().__init__()
        self.state = nn.Linear(hidden_size, hidden_size)
        self.context = nn.Linear(context_size, hidden_size, bias=False) if context_size else None

    def forward(self, states: Tensor, context: Tensor | None) -> Tensor:
        """Combine states (batch, target_len, hidden) with context (batch, target_len, context)."""
        combined = self.state(states)  # B T H
        if self.context is not None:
            combined = combined + self.context(context)
        return torch.tanh(combined)


class Decoder(nn.Module):
    """Embedding, recurrence, context, readout, output layer."""

    def __init__(
        self,
        embedding: nn.Embedding,
        recurrence: RecurrentStack,
        context: Context,
        output: nn.Linear,
        dropout: float,
        feeds_input: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.recurrence = recurrence
        self.context = context
        self.readout = Readout(output.in_features, context.size if context.reads_after else 0)
        self.output = output
        self.dropout = nn.Dropout(dropout)
        self.feeds_input = feeds_input

    def first_state(self, layers: list[LayerState]) -> DecoderState:
        """Return where decoding starts, from each layer's first state, of which the cell may be missing."""
        return DecoderState(self.recurrence.first_states(layers), 0, torch.zeros_like(layers[-1][0]))

    @property
    def steps_through_time(self) -> bool:
        """Whether a step needs what the step before came to, so that no fused call can take them all."""
        return self.feeds_input or (self.context.reads_before and self.context.follows_state)

    def forward(
        self, inputs: Tensor, state: DecoderState, memory: Memory, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor | None, DecoderState]:
        """Run over known inputs: one fused call, unless something feeds back into the next state.

        Args:
            inputs: token numbers, (batch, target_len): at each step the token before.
            state: where to start from.
            memory: what the context prepared.
            wants_weights: whether the weights will be looked at.

        Returns:
            logits (batch, target_len, vocab), weights (batch, target_len, source_len) or None, and the last state.
        """
        embedded = self.dropout(self.embedding(inputs))  # B T E
        advance = self._step_through if self.steps_through_time else self._advance
        readout, weights, state = advance(embedded, state, memory, wants_weights)
        return self.output(self.dropout(readout)), weights, state  # B T V, B T S

    def _advance(
        self, embedded: Tensor, state: DecoderState, memory: Memory, wants_weights: bool
    ) -> tuple[Tensor, Tensor | None, DecoderState]:
        states, context, weights, state = self._recur(embedded, state, memory, wants_weights)
        return self.readout(states, context), weights, state

    def _recur(
        self, embedded: Tensor, state: DecoderState, memory: Memory, wants_weights: bool
    ) -> tuple[Tensor, Tensor | None, Tensor | None, DecoderState]:
        """Return states (batch, target_len, hidden), the context that the readout reads, weights, the new state."""
        context, weights = None, None
        inputs = [embedded]
        if self.context.reads_before:
            query = state.top.unsqueeze(1) if self.context.follows_state else embedded
            context, weights = self.context.read(query, memory, state.position, wants_weights)
            inputs.append(context.to(embedded.dtype))
        if self.feeds_input:
            inputs.append(state.readout.unsqueeze(1).to(embedded.dtype))  # B 1 H
        joined = torch.cat(inputs, dim=2) if len(inputs) > 1 else embedded  # B T E+H+H at most
        states, layers = self.recurrence(joined, state.layers)  # B T H
        if self.context.reads_after:
            context, weights = self.context.read(states, memory, state.position, wants_weights)
        return (
            states,
            context,
            weights,
            DecoderState(layers, state.position + embedded.shape[1], state.readout),
        )

    def _step_through(
        self, embedded: Tensor, state: DecoderState, memory: Memory, wants_weights: bool
    ) -> tuple[Tensor, Tensor | None, DecoderState]:
        """Advance one step at a time; what nothing feeds back is read out in one go afterwards."""
        steps: list[Tensor] = []
        all_weights: list[Tensor] = []
        for now in embedded.split(1, dim=1):  # B 1 E
            states, context, weights, state = self._recur(now, state, memory, wants_weights)
            if self.feeds_input:
                states = self.readout(states, context)
                state = replace(state, readout=states.squeeze(1))
            steps.append(states)
            if weights is not None:
                all_weights.append(weights)
        stacked = torch.cat(steps, dim=1)  # B T H
        readout = stacked if self.feeds_input else self.readout(stacked, None)
        return readout, torch.cat(all_weights, dim=1) if all_weights else None, state

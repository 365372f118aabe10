"""The decoder that all recurrent arms share; only its context differs."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attnbench.models.contexts.base import Context
from attnbench.models.memory import Memory
from attnbench.models.recurrence import LayerState, RecurrentStack


@dataclass(frozen=True)
class DecoderState:
    """Everything that the decoder carries from one step to the next."""

    layers: list[LayerState]

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
        combined = self.state(states)
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
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.recurrence = recurrence
        self.context = context
        self.readout = Readout(output.in_features, context.size if context.reads_after else 0)
        self.output = output
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, inputs: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[Tensor, Tensor | None, DecoderState]:
        """Run over known inputs: one fused call, unless the context feeds back into the next state.

        Args:
            inputs: token numbers, (batch, target_len): at each step the token before.
            state: where to start from.
            memory: what the context prepared.

        Returns:
            logits (batch, target_len, vocab), weights (batch, target_len, source_len) or None, and the last state.
        """
        embedded = self.dropout(self.embedding(inputs))
        if self.context.reads_before and self.context.follows_state:
            states, context, weights, state = self._step_through(embedded, state, memory)
        else:
            states, context, weights, state = self._recur(embedded, state, memory)
        readout = self.readout(states, context)
        return self.output(self.dropout(readout)), weights, state

    def _recur(
        self, embedded: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[Tensor, Tensor | None, Tensor | None, DecoderState]:
        context, weights = None, None
        if self.context.reads_before:
            query = state.top.unsqueeze(1) if self.context.follows_state else embedded
            context, weights = self.context.read(query, memory)
            embedded = torch.cat([embedded, context.to(embedded.dtype)], dim=2)
        states, layers = self.recurrence(embedded, state.layers)
        if self.context.reads_after:
            context, weights = self.context.read(states, memory)
        return states, context, weights, DecoderState(layers)

    def _step_through(
        self, embedded: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[Tensor, Tensor | None, Tensor | None, DecoderState]:
        all_states, all_weights = [], []
        for now in embedded.split(1, dim=1):
            states, _, weights, state = self._recur(now, state, memory)
            all_states.append(states)
            all_weights.append(weights)
        has_weights = all_weights[0] is not None
        stacked = (
            torch.cat([each for each in all_weights if each is not None], dim=1) if has_weights else None
        )
        return torch.cat(all_states, dim=1), None, stacked, state

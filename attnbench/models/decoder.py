"""The decoder that all recurrent arms share; its context differs, and where it is read."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from attnbench.models.contexts.base import Context
from attnbench.models.encoder import Memory
from attnbench.models.recurrence import LayerState, Recurrence, RecurrentStack


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


OutputReads = Literal["state", "state_context_word", "last_state_context_word"]


class Readout(nn.Module):
    """h̃ = tanh(W[c; s]); the block for c is absent where the context is not read after the recurrence.

    Attributes:
        reads_last_state: whether it reads, at each step, the state of the step before.

    Source: Luong et al. 2015, equation 5.
    """

    reads_last_state = False

    def __init__(self, hidden_size: int, context_size: int) -> None:
        super().__init__()
        self.state = nn.Linear(hidden_size, hidden_size)
        self.context = nn.Linear(context_size, hidden_size, bias=False) if context_size else None

    def forward(self, states: Tensor, context: Tensor | None, words: Tensor) -> Tensor:
        """Combine what the output layer reads.

        Args:
            states: (batch, target_len, hidden).
            context: (batch, target_len, context), where there is one.
            words: the token before each, embedded, (batch, target_len, embedding); not read here.

        Returns:
            (batch, target_len, readout).
        """
        return torch.tanh(self._combined(states, context))

    def _combined(self, states: Tensor, context: Tensor | None) -> Tensor:
        combined = self.state(states)  # B T H
        return combined if self.context is None else combined + self.context(context)


class DeepReadout(Readout):
    """t_j = max(t̃_2j−1, t̃_2j) with t̃ = U s + V E y + C c: state, word before and context, wherever that is read.

    As Cho has it s is the state of the same step, as Bahdanau has it that of the step before.

    Source: Cho et al. 2014a, appendix A.1.2; Bahdanau et al. 2015, appendix A.2.2; maxout of Goodfellow et al. 2013.
    """

    def __init__(
        self, hidden_size: int, context_size: int, embedding_size: int, reads_last_state: bool
    ) -> None:
        super().__init__(hidden_size, context_size)
        self.word = nn.Linear(embedding_size, hidden_size, bias=False)
        self.reads_last_state = reads_last_state

    def forward(self, states: Tensor, context: Tensor | None, words: Tensor) -> Tensor:
        combined = self._combined(states, context) + self.word(words)  # B T H
        return combined.unflatten(2, (-1, 2)).amax(dim=3)  # B T H/2


class Decoder(nn.Module):
    """Embedding, recurrence, context, readout, output layer.

    Attributes:
        transition: of a context that is read between two transitions of the bottom layer, the second one.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        recurrence: RecurrentStack,
        context: Context,
        readout: Readout,
        output: nn.Linear,
        dropout: float,
        feeds_input: bool = False,
        transition: Recurrence | None = None,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.recurrence = recurrence
        self.context = context
        self.readout = readout
        self.output = output
        self.dropout = nn.Dropout(dropout)
        self.feeds_input = feeds_input
        self.transition = transition

    def first_state(self, layers: list[LayerState]) -> DecoderState:
        """Return where decoding starts, from each layer's first state, of which the cell may be missing."""
        hidden = layers[-1][0]
        readout = hidden.new_zeros(len(hidden), self.output.in_features)
        return DecoderState(self.recurrence.first_states(layers), 0, readout)

    @property
    def steps_through_time(self) -> bool:
        """Whether a step needs what the step before came to, so that no fused call can take them all."""
        reads_on_the_way = self.context.reads_before or self.context.reads_between
        return self.feeds_input or (reads_on_the_way and self.context.follows_state)

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
        states, context, weights, after = self._recur(embedded, state, memory, wants_weights)
        return self._read_out(states, state, context, embedded), weights, after

    def _read_out(
        self, states: Tensor, before: DecoderState, context: Tensor | None, words: Tensor
    ) -> Tensor:
        if self.readout.reads_last_state:
            states = torch.cat([before.top.unsqueeze(1).to(states.dtype), states[:, :-1]], dim=1)  # B T H
        return self.readout(states, context, words)

    def _recur(
        self, embedded: Tensor, state: DecoderState, memory: Memory, wants_weights: bool
    ) -> tuple[Tensor, Tensor | None, Tensor | None, DecoderState]:
        """Return states (batch, target_len, hidden), the context, weights, and the new state."""
        context, weights = None, None
        inputs = [embedded]
        if self.context.reads_before:
            query = state.top.unsqueeze(1) if self.context.follows_state else embedded
            context, weights = self.context.read(query, memory, state.position, wants_weights)
            inputs.append(context.to(embedded.dtype))
        if self.feeds_input:
            inputs.append(state.readout.unsqueeze(1).to(embedded.dtype))  # B 1 H
        joined = torch.cat(inputs, dim=2) if len(inputs) > 1 else embedded  # B T E+H+H at most
        if self.transition is not None:
            first, bottom = self.recurrence.bottom(joined, state.layers[0])  # B 1 H
            context, weights = self.context.read(first, memory, state.position, wants_weights)
            second, bottom = self.transition(context.to(embedded.dtype), bottom)
            states, above = self.recurrence(second, state.layers[1:], first_layer=1)
            layers = [bottom, *above]
        else:
            states, layers = self.recurrence(joined, state.layers)  # B T H
        if self.context.reads_after:
            context, weights = self.context.read(states, memory, state.position, wants_weights)
        return (
            states,
            context,
            weights,
            DecoderState(layers, state.position + embedded.shape[1], state.readout),
        )

    def _run_through(
        self, embedded: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[Tensor, Tensor | None, DecoderState] | None:
        """Leave the loop to the context, where it has a faster one for a decoder that is wired like this."""
        is_plain = self.context.reads_before and not self.feeds_input and self.readout.context is None
        if not is_plain or embedded.shape[1] == 1 or len(self.recurrence.layers) > 1:
            return None
        (bottom,) = self.recurrence.layers
        assert isinstance(bottom, Recurrence)
        looped = self.context.run_through(embedded, bottom.layer, state.layers[0], memory)
        if looped is None:
            return None
        states, weights, last = looped
        after = DecoderState([last], state.position + embedded.shape[1], state.readout)
        return self._read_out(states, state, None, embedded), weights, after

    def _step_through(
        self, embedded: Tensor, state: DecoderState, memory: Memory, wants_weights: bool
    ) -> tuple[Tensor, Tensor | None, DecoderState]:
        """Advance one step at a time; what nothing feeds back is read out in one go afterwards."""
        start = state
        if looped := self._run_through(embedded, state, memory):
            return looped
        steps: list[Tensor] = []
        contexts: list[Tensor] = []
        all_weights: list[Tensor] = []
        for now in embedded.split(1, dim=1):  # B 1 E
            before = state
            states, context, weights, state = self._recur(now, state, memory, wants_weights)
            if self.feeds_input:
                states = self._read_out(states, before, context, now)
                state = replace(state, readout=states.squeeze(1))
            elif self.readout.context is not None and context is not None:
                contexts.append(context)
            steps.append(states)
            if weights is not None:
                all_weights.append(weights)
        readout = torch.cat(steps, dim=1)  # B T H
        if not self.feeds_input:
            context = torch.cat(contexts, dim=1) if contexts else None
            readout = self._read_out(readout, start, context, embedded)
        return readout, torch.cat(all_weights, dim=1) if all_weights else None, state

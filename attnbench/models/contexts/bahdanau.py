"""Additive attention, read before the recurrence."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from attnbench.models.config import RecurrentConfig
from attnbench.models.contexts.additive_kernel import SteppedMemory, is_autocast, read_steps, stepped_memory
from attnbench.models.contexts.additive_loop import run_through
from attnbench.models.contexts.base import Context, weigh
from attnbench.models.encoder import EncoderOutput, Memory

Query = Literal["before", "after_input"]


class Bahdanau(Context):
    """c_i = Σ_j α_ij h_j with α_ij = softmax_j(v · tanh(W s_{i-1} + U h_j)).

    The query is the state of the step before, so the context can take part in making the next state. Or it has read
    the last word: s'_i = f(s_{i-1}, y_{i-1}) asks in place of s_{i-1}, and s_i = f'(s'_i, c_i) (`query` "after_input").

    Attributes:
        is_fused: whether the fast kernel computes the same; its numbers differ in the last digits alone.

    Source: Bahdanau et al. 2015, section 3.1 and appendix A.1.2; Sennrich et al. 2017 (Nematus), section 2, for the
    conditional GRU with attention.
    """

    reads_after = False
    follows_state = True

    def __init__(self, hidden_size: int, is_fused: bool = True, query: Query = "before") -> None:
        super().__init__()
        self.reads_before, self.reads_between = query == "before", query == "after_input"
        self.size = hidden_size
        self.query_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.key_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.score = nn.Linear(hidden_size, 1, bias=False)
        self.is_fused = is_fused

    def prepare(self, encoded: EncoderOutput) -> Memory:
        keys = self.key_projection(encoded.states)  # U h_j: B S H
        if not self.is_fused:
            return Memory(values=encoded.states, mask=encoded.mask, keys=keys)
        W, v = self.query_projection.weight, self.score.weight[0]
        return stepped_memory(keys, encoded.states, encoded.mask, W, v)

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor]:
        if isinstance(memory, SteppedMemory):
            return read_steps(query, memory)
        assert memory.keys is not None
        W, v = self.query_projection, self.score
        s, Uh = query.unsqueeze(2), memory.keys.unsqueeze(1)  # B T 1 H, B 1 S H
        scores = v(torch.tanh(W(s) + Uh)).squeeze(3)  # B T S
        return weigh(scores, memory)

    def run_through(
        self, words: Tensor, layer: nn.Module, state: tuple[Tensor, ...], memory: Memory
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]] | None:
        if not (isinstance(layer, nn.LSTM) and isinstance(memory, SteppedMemory) and self.reads_before):
            return None
        if any(each.dtype != memory.values.dtype for each in (words, *state)) or is_autocast(
            words.device.type
        ):
            return None
        hidden, cell = state
        states, weights, cell = run_through(words, layer, hidden, cell, memory)
        return states, weights, (states[:, -1], cell)


@dataclass(frozen=True, kw_only=True)
class BahdanauConfig(RecurrentConfig):
    """Attention by a small network that scores each pair of decoder and encoder state.

    Attributes:
        fused: whether the fast kernel is used, or the formula as the paper has it.
        query: "before", the state of the step before, as published; or "after_input", a state that has read the last
            word, as in the conditional GRU.
    """

    fused: bool = True
    query: Query = "before"

    @property
    def asks_before_last_word(self) -> bool:
        return self.query == "before"

    def build_context(self) -> Bahdanau:
        return Bahdanau(self.hidden_size, self.fused, self.query)

    def context_size(self, source_tokens: int) -> int:
        """Count every encoder state; the first state of the decoder is among their numbers."""
        return source_tokens * self.hidden_size + self.carried_beside_top

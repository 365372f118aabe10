"""The one part in which the arms of the comparison differ: the context, and where it is read.

An arm is a `Context` and a `RecurrentConfig` (models/config.py) that builds it; slots.py is a short example.
"""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

from attnbench.models.encoder import EncoderOutput, Memory
from attnbench.models.quantiser import Quantiser

Reading = Literal["before", "after", "both"]


class Context(nn.Module, ABC):
    """How the decoder reaches the source. "Without attention" is a context like the others.

    A context holds parameters, and no tensors between calls.

    Attributes:
        size: numbers per context vector; 0 where there is none.
        reads_before: whether the context joins the input of the recurrence.
        reads_after: whether the context joins the readout, after the recurrence.
        reads_between: whether the bottom layer of the recurrence makes two transitions, the first by the word before
            and the second by the context, which the state between the two has read.
        follows_state: whether the context depends on the decoder's state. If it does and is read before the
            recurrence, teacher forcing has to step through time.
        reads_states: whether it reads the encoder states as they come. Where not, it reads the final state, nothing,
            or vectors that it distils of the states.
        distilled_size: numbers in each vector that it distils of the states; 0 where it distils none.
        quantiser: what squeezes each distilled vector to its bits; None where real numbers cross.
    """

    size: int
    reads_before: bool
    reads_after: bool
    follows_state: bool
    reads_between: bool = False
    reads_states: bool = True
    distilled_size: int = 0
    quantiser: Quantiser | None

    def __init__(self) -> None:
        super().__init__()
        self.quantiser = None

    @abstractmethod
    def prepare(self, encoded: EncoderOutput) -> Memory:
        """Compute what does not change from step to step."""

    @abstractmethod
    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Return the context for each query.

        Args:
            query: decoder states, (batch, target_len, hidden). A context that does not follow the state takes
                only target_len from it.
            memory: what `prepare` returned.
            first_position: target position of the first query, for contexts that go by position.
            wants_weights: whether the weights will be looked at; where not, None may come in their place.

        Returns:
            context (batch, target_len, size), and weights (batch, target_len, source_len), which sum to 1 over
            the source and are 0 at padding, or None where there are no weights.
        """

    def run_through(
        self, words: Tensor, layer: nn.Module, state: tuple[Tensor, ...], memory: Memory
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]] | None:
        """Run the only layer of a decoder through time, reading before each step, where that has a faster way.

        Args:
            words: embedded, (batch, target_len, embedding).
            layer: `nn.LSTM` or `nn.GRU`, whose input is a word and a context.
            state: to start from.
            memory: what `prepare` returned.

        Returns:
            hidden states (batch, target_len, hidden), weights (batch, target_len, source_len) and the last state; None
            where it goes step by step.
        """
        return None


def read_where(context: Context, reading: Reading) -> None:
    """Set where a context that does not follow the state is read."""
    context.reads_before = reading in ("before", "both")
    context.reads_after = reading in ("after", "both")
    context.follows_state = False


def weigh(scores: Tensor, memory: Memory, window: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Turn scores into weights by a softmax over real source tokens, and average the values by them.

    Args:
        scores: (batch, target_len, source_len).
        memory: values (batch, source_len, hidden) and mask.
        window: True where there may be weight besides, (batch, target_len, source_len); each row has a real token.

    Returns:
        context (batch, target_len, hidden) and weights (batch, target_len, source_len).
    """
    # B 1 S or B T S
    open_positions = memory.mask.unsqueeze(1) if window is None else memory.mask.unsqueeze(1) & window
    weights = torch.softmax(scores.masked_fill(~open_positions, float("-inf")), dim=-1)
    return torch.bmm(weights.to(memory.values.dtype), memory.values), weights

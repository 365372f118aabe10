"""What every model of the comparison offers, and the recurrent one."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from attnbench.batch import NOT_GIVEN, Batch
from attnbench.models.decoder import Decoder, DecoderState
from attnbench.models.encoder import Memory, RecurrentEncoder
from attnbench.models.quantiser import Channel
from attnbench.vocabulary import BOS, EOS, PAD


@dataclass(frozen=True)
class Seq2SeqOutput:
    """What a model answers under teacher forcing.

    Attributes:
        logits: (batch, target_len, vocab).
        attention: weights (batch, target_len, source_len), or None for an arm without any.
    """

    logits: Tensor
    attention: Tensor | None


@dataclass(frozen=True)
class Generated:
    """What a model wrote running freely.

    Attributes:
        tokens: (batch, steps), PAD behind an end mark.
        attention: weights (batch, steps, source_len), or None for an arm without any.
    """

    tokens: Tensor
    attention: Tensor | None


def steps_until_asked(device: torch.device) -> int:
    """Return after how many steps of decoding it is asked whether all have ended: a GPU is waited for each time."""
    return 1 if device.type == "cpu" else 16


class Seq2SeqModel(nn.Module, ABC):
    """A model that maps a source to a target."""

    @abstractmethod
    def start(self, source: Tensor, source_lengths: Tensor) -> Any:
        """Encode (batch, source_len) and return the state from which decoding starts."""

    @abstractmethod
    def advance(
        self, inputs: Tensor, state: Any, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor | None, Any]:
        """Go on from a state over known inputs.

        Args:
            inputs: at each step the token before, (batch, length).
            state: what `start` or the last `advance` returned.
            wants_weights: whether the weights will be looked at; where not, None may come in their place.

        Returns:
            logits (batch, length, vocab), weights (batch, length, source_len) or None, and the new state.
        """

    def forward(self, batch: Batch, wants_weights: bool = True) -> Seq2SeqOutput:
        """Answer every target position with the right tokens before it (teacher forcing)."""
        state = self.start(batch.source, batch.source_lengths)
        logits, attention, _ = self.advance(self.shifted(batch.target), state, wants_weights)
        return Seq2SeqOutput(logits, attention)

    @staticmethod
    def shifted(target: Tensor) -> Tensor:
        """Return the token before each target token, (batch, target_len), the start mark first."""
        return torch.cat([torch.full_like(target[:, :1], BOS), target[:, :-1]], dim=1)  # B T

    @torch.no_grad()
    def generate(
        self,
        source: Tensor,
        source_lengths: Tensor,
        given: Tensor,
        steps: int | None = None,
        ends_with_mark: bool = False,
    ) -> Generated:
        """Write greedily, each answer becoming the next input.

        Args:
            source: (batch, source_len).
            source_lengths: (batch,).
            given: (batch, target_len), the tokens that the decoder is given, NOT_GIVEN where it must answer.
            steps: how many tokens to write; by default target_len.
            ends_with_mark: whether an example is finished at its EOS.
        """
        state = self.start(source, source_lengths)
        token = torch.full_like(source[:, :1], BOS)  # B 1
        finished = torch.zeros_like(token, dtype=torch.bool)
        count = given.shape[1] if steps is None else steps
        # Rooms for all steps: what is kept of each would lie between the large tensors of the next ones, whose memory
        # could then not be used again.
        tokens = token.new_empty(len(token), count)  # B T
        attention: Tensor | None = None  # B T S
        until_asked = steps_until_asked(source.device)
        for step in range(count):
            logits, weights, state = self.advance(token, state)  # B 1 V, B 1 S
            token = logits.argmax(dim=2)  # B 1
            if step < given.shape[1]:
                now = given[:, step : step + 1]  # B 1
                token = token.where(now == NOT_GIVEN, now)
            token = token.masked_fill(finished, PAD)
            tokens[:, step : step + 1] = token
            if weights is not None:
                if attention is None:
                    attention = weights.new_empty(len(token), count, weights.shape[2])
                attention[:, step : step + 1] = weights
            if ends_with_mark:
                finished = finished | (token == EOS)
                if (step + 1) % until_asked == 0 and bool(finished.all()):
                    count = step + 1
                    break
        if ends_with_mark and until_asked > 1:
            written = tokens[:, :count]
            is_before_end = (written == EOS).cumsum(dim=1) <= (written == EOS)  # the mark itself included
            count = int(is_before_end.sum(dim=1).amax())
        return Generated(tokens[:, :count], None if attention is None else attention[:, :count])


@dataclass(frozen=True)
class RecurrentState:
    """Where the recurrent model stands: the decoder's state, and the memory that never changes."""

    decoder: DecoderState
    memory: Memory


class RecurrentSeq2Seq(Seq2SeqModel):
    """One encoder, one bridge, one decoder. Which context the decoder has makes the arm.

    Attributes:
        channel: what all that crosses is squeezed by, ahead of bridge and context; None where real numbers cross.
    """

    def __init__(
        self, encoder: RecurrentEncoder, bridge: nn.Module, decoder: Decoder, channel: Channel | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.bridge = bridge
        self.decoder = decoder
        self.channel = channel

    def start(self, source: Tensor, source_lengths: Tensor) -> RecurrentState:
        encoded = self.encoder(source, source_lengths)
        if self.channel is not None:
            encoded = self.channel(encoded)
        first = self.decoder.first_state(self.bridge(encoded))
        return RecurrentState(first, self.decoder.context.prepare(encoded))

    def advance(
        self, inputs: Tensor, state: RecurrentState, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor | None, RecurrentState]:
        logits, weights, decoder = self.decoder(inputs, state.decoder, state.memory, wants_weights)
        return logits, weights, replace(state, decoder=decoder)

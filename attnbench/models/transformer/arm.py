"""The Transformer arms as they are configured."""

from dataclasses import dataclass
from typing import ClassVar

from attnbench.errors import UserError
from attnbench.models.arm import Arm
from attnbench.models.contexts.multihead import check_heads
from attnbench.models.transformer.layers import LayerSizes
from attnbench.models.transformer.model import Transformer, TransformerDecoder, TransformerEncoder
from attnbench.models.transformer.positions import Positions
from attnbench.ranges import Count, DropProbability


@dataclass(frozen=True, kw_only=True)
class TransformerArm(Arm):
    """Self-attention on both sides; the decoder sees every state of the encoder.

    Attributes:
        layers: of the encoder and of the decoder.
        heads: of every attention; they share the hidden size.
        feedforward_size: numbers between the two matrices of the feed-forward networks.
        positions: "sinusoidal" or "rotary".
        dropout: share dropped at embeddings and after every sublayer.
        reverse_source: whether the encoder reads the source backwards.
    """

    is_pooled: ClassVar[bool] = False

    layers: Count
    heads: Count
    feedforward_size: Count
    positions: Positions
    dropout: DropProbability
    reverse_source: bool

    def check(self) -> None:
        check_heads(self.heads, self.hidden_size)
        part = self.hidden_size // self.heads if self.positions == "rotary" else self.hidden_size
        if part % 2:
            raise UserError(
                f"model.positions={self.positions} pairs up numbers, and model.hidden_size={self.hidden_size} with "
                f"model.heads={self.heads} leaves an odd number of them. Use an even size per head."
            )

    def assemble(self, source_vocabulary_size: int, target_vocabulary_size: int) -> Transformer:
        sizes = LayerSizes(
            self.hidden_size, self.feedforward_size, self.heads, self.dropout, self.positions == "rotary"
        )
        return Transformer(
            TransformerEncoder(source_vocabulary_size, self.layers, sizes, self.reverse_source),
            TransformerDecoder(target_vocabulary_size, self.layers, sizes),
            self.is_pooled,
        )

    def context_size(self, source_tokens: int) -> int:
        """Count every encoder state."""
        return source_tokens * self.hidden_size


@dataclass(frozen=True, kw_only=True)
class TransformerFixedArm(TransformerArm):
    """The same, whose decoder sees but the mean of the encoder's states: a bottleneck without recurrence."""

    is_pooled: ClassVar[bool] = True

    def context_size(self, source_tokens: int) -> int:
        """Count the one vector."""
        return self.hidden_size

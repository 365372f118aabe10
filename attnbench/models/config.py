"""The configurations that build a model: the base of all, and that of the recurrent arms."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn

from attnbench.errors import UserError
from attnbench.models.contexts.base import Context
from attnbench.models.decoder import Decoder
from attnbench.models.encoder import Bridge, Carry, RecurrentEncoder
from attnbench.models.initialisation import initialise
from attnbench.models.quantiser import Channel, Quantiser
from attnbench.models.recurrence import Cell, Recurrence, RecurrentStack
from attnbench.models.seq2seq import RecurrentSeq2Seq, Seq2SeqModel
from attnbench.ranges import Count, DropProbability
from attnbench.vocabulary import PAD

BITS_PER_NUMBER = 32
"""Of a number as it is trained: more bits for a vector than its numbers have would be no limit."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig(ABC):
    """A model's configuration, able to build it. Its fields' defaults live in conf/model/.

    Attributes:
        name: the name of the yaml that composed it.
        hidden_size: the decoder's, and the encoder's with its directions concatenated.
        context_bits: bits that cross of each vector; None: real numbers cross.
    """

    name: str
    hidden_size: Count
    context_bits: Count | None = None

    def check(self) -> None:
        """Refuse a combination of options that cannot work.

        Raises:
            UserError: with the reason and what to change.
        """
        if self.context_bits is None:
            return
        most = BITS_PER_NUMBER * self.hidden_size
        if self.context_bits > most:
            raise UserError(
                f"model.context_bits={self.context_bits}: a vector of {self.hidden_size} numbers has no more than "
                f"{most} bits. Use 1 to {most}, or null for real numbers."
            )
        if self.crossing_vectors(1) is None:
            raise UserError(
                f"model.context_bits={self.context_bits}: {type(self).__name__} does not say how many vectors cross. "
                f"Use null, or let its crossing_vectors() and its model squeeze them."
            )

    @abstractmethod
    def assemble(self, source_vocabulary_size: int, target_vocabulary_size: int) -> Seq2SeqModel:
        """Return the model with whatever weights torch gave it."""

    def build(self, source_vocabulary_size: int, target_vocabulary_size: int, seed: int) -> Seq2SeqModel:
        """Return the model with its first weights, which depend on the seed and their own names alone."""
        model = self.assemble(source_vocabulary_size, target_vocabulary_size)
        initialise(model, seed)
        return model

    @abstractmethod
    def context_size(self, source_tokens: int) -> int:
        """Count the distinct numbers that cross from encoder to decoder, the first state included.

        With context_bits it stays this count, of the numbers before they are squeezed.
        """

    def crossing_vectors(self, source_tokens: int) -> int | None:
        """Count the vectors of context_bits each that cross; None for a model that cannot squeeze them."""
        return None

    def channel_bits(self, source_tokens: int) -> int | None:
        """Count the bits that cross in all; None where real numbers cross."""
        vectors = self.crossing_vectors(source_tokens)
        return None if self.context_bits is None or vectors is None else self.context_bits * vectors


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig(ModelConfig):
    """An arm is this and a context.

    Attributes:
        cell: "lstm" or "gru".
        layers: of the encoder and of the decoder.
        bidirectional: whether the encoder reads in both directions, each with half of the hidden size.
        embedding_size: numbers per embedded token, on both sides.
        carry: what the decoder starts from: "state", hidden state and cell of every layer, or "hidden", the hidden
            state of the top layer alone. A GRU has no cell.
        reverse_source: whether the encoder reads the source backwards. Source: Sutskever et al. 2014, section 3.3.
        dropout: share of activations dropped at embeddings, between layers and before the output layer.
    """

    cell: Cell
    layers: Count
    bidirectional: bool
    embedding_size: Count
    dropout: DropProbability
    reverse_source: bool = False
    carry: Carry = "hidden"

    @property
    def feeds_input(self) -> bool:
        """Whether the readout of one step joins the input of the next."""
        return False

    @property
    def carried_beside_top(self) -> int:
        """Count the numbers of the decoder's first state that are not made of the top layer's hidden state."""
        if self.carry == "hidden":
            return 0
        parts = 2 if self.cell == "lstm" else 1
        return (parts * self.layers - 1) * self.hidden_size

    @abstractmethod
    def build_context(self) -> Context:
        """Return the context that makes this arm."""

    def build_bridge(self) -> nn.Module:
        """Return what maps the final state to the decoder's first states."""
        return Bridge(self.hidden_size, self.layers, self.carry)

    def build_channel(self, context: Context) -> Channel | None:
        """Return what squeezes all that crosses; None where real numbers cross, or nothing does."""
        if self.context_bits is None:
            return None
        if context.distilled_size:
            context.quantiser = Quantiser(context.distilled_size, self.context_bits)
        carried_size = self.hidden_size + self.carried_beside_top
        return Channel(self.hidden_size, carried_size, self.carry, self.context_bits, context.reads_states)

    def crossing_vectors(self, source_tokens: int) -> int:
        """Count one for the last state, of which the decoder's first state is made, and the context's own."""
        return 1 + source_tokens

    def check(self) -> None:
        super().check()
        if self.bidirectional and self.hidden_size % 2:
            raise UserError(
                f"model.hidden_size={self.hidden_size} cannot be halved between the two directions of the encoder. "
                f"Use an even number, or model.bidirectional=false."
            )

    def assemble(self, source_vocabulary_size: int, target_vocabulary_size: int) -> RecurrentSeq2Seq:
        context = self.build_context()
        return RecurrentSeq2Seq(
            encoder=self.build_encoder(source_vocabulary_size),
            bridge=self.build_bridge(),
            decoder=self._build_decoder(context, target_vocabulary_size),
            channel=self.build_channel(context),
        )

    def build_encoder(self, vocabulary_size: int) -> RecurrentEncoder:
        """Return the encoder over a source vocabulary of this size."""
        directions = 2 if self.bidirectional else 1
        layers = []
        for number in range(self.layers):
            blocks = {"below": self.hidden_size} if number else {"embedding": self.embedding_size}
            size = self.hidden_size // directions
            keeps_cell = self.carry == "state"
            layers.append([Recurrence(self.cell, blocks, size, keeps_cell) for _ in range(directions)])
        embedding = nn.Embedding(vocabulary_size, self.embedding_size, padding_idx=PAD)
        return RecurrentEncoder(embedding, layers, self.hidden_size, self.dropout, self.reverse_source)

    def _build_decoder(self, context: Context, vocabulary_size: int) -> Decoder:
        layers = []
        for number in range(self.layers):
            bottom = {
                "embedding": self.embedding_size,
                "context": context.size if context.reads_before else 0,
                "readout": self.hidden_size if self.feeds_input else 0,
            }
            blocks = {"below": self.hidden_size} if number else bottom
            layers.append(Recurrence(self.cell, blocks, self.hidden_size))
        return Decoder(
            embedding=nn.Embedding(vocabulary_size, self.embedding_size, padding_idx=PAD),
            recurrence=RecurrentStack(layers, self.dropout),
            context=context,
            output=nn.Linear(self.hidden_size, vocabulary_size),
            dropout=self.dropout,
            feeds_input=self.feeds_input,
        )

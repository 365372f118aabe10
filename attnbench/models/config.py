"""The configurations that build a model: the base of all, and that of the recurrent arms."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn

from attnbench.errors import UserError
from attnbench.models.contexts.base import Context
from attnbench.models.decoder import Decoder, DeepReadout, OutputReads, Readout
from attnbench.models.encoder import Bridge, Carry, FirstState, RecurrentEncoder
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

    @property
    def asks_before_last_word(self) -> bool:
        """Whether the query of the attention has not yet read the last word when it asks."""
        return False

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
        first_state: how each layer's first hidden state comes from what is carried: "projected", tanh(W h); "copied",
            as it is (Sutskever et al. 2014); or "backward", tanh(W h) of the backward direction's half (Bahdanau et
            al. 2015). The cell is copied in any case.
        output_reads: what the output layer reads: "state", and a context that is read after the recurrence, through
            a tanh; or state, context and embedded word before, through a maxout, which is the published read-out:
            "state_context_word" (Cho et al. 2014a) or "last_state_context_word", of the step before (Bahdanau et
            al. 2015).
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
    first_state: FirstState = "projected"
    output_reads: OutputReads = "state"

    @property
    def feeds_input(self) -> bool:
        """Whether the readout of one step joins the input of the next."""
        return False

    @property
    def first_size(self) -> int:
        """Count the numbers of a layer's hidden state that the decoder's first state is made of."""
        return self.hidden_size // 2 if self.first_state == "backward" else self.hidden_size

    @property
    def carried_beside_top(self) -> int:
        """Count the numbers of the decoder's first state that are not made of the top layer's hidden state."""
        if self.carry == "hidden":
            return 0
        cells = self.layers * self.hidden_size if self.cell == "lstm" else 0
        return (self.layers - 1) * self.first_size + cells

    @abstractmethod
    def build_context(self) -> Context:
        """Return the context that makes this arm."""

    def build_bridge(self) -> nn.Module:
        """Return what maps the final state to the decoder's first states."""
        return Bridge(self.hidden_size, self.layers, self.carry, self.first_state)

    def build_channel(self, context: Context) -> Channel | None:
        """Return what squeezes all that crosses; None where real numbers cross, or nothing does."""
        if self.context_bits is None:
            return None
        if context.distilled_size:
            context.quantiser = Quantiser(context.distilled_size, self.context_bits)
        parts = (2 if self.cell == "lstm" else 1) * self.layers if self.carry == "state" else 1
        carried_size = parts * self.hidden_size
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
        if self.first_state == "backward" and not self.bidirectional:
            raise UserError(
                "model.first_state=backward: an encoder of one direction has no backward state. Use "
                "model.bidirectional=true, or model.first_state=projected."
            )
        if self.output_reads != "state" and self.hidden_size % 2:
            raise UserError(
                f"model.output_reads={self.output_reads} takes the larger of two numbers each, and "
                f"model.hidden_size={self.hidden_size} is odd. Use an even number, or model.output_reads=state."
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
        output = nn.Linear(self.hidden_size // (1 if self.output_reads == "state" else 2), vocabulary_size)
        layers = []
        for number in range(self.layers):
            bottom = {
                "embedding": self.embedding_size,
                "context": context.size if context.reads_before else 0,
                "readout": output.in_features if self.feeds_input else 0,
            }
            blocks = {"below": self.hidden_size} if number else bottom
            layers.append(Recurrence(self.cell, blocks, self.hidden_size))
        return Decoder(
            embedding=nn.Embedding(vocabulary_size, self.embedding_size, padding_idx=PAD),
            recurrence=RecurrentStack(layers, self.dropout),
            context=context,
            readout=self._build_readout(context),
            output=output,
            dropout=self.dropout,
            feeds_input=self.feeds_input,
            transition=Recurrence(self.cell, {"context": context.size}, self.hidden_size)
            if context.reads_between
            else None,
        )

    def _build_readout(self, context: Context) -> Readout:
        if self.output_reads == "state":
            return Readout(self.hidden_size, context.size if context.reads_after else 0)
        reads_last_state = self.output_reads == "last_state_context_word"
        return DeepReadout(self.hidden_size, context.size, self.embedding_size, reads_last_state)

"""A trained model whose weights over the source are changed as it reads: erased, or permuted.

Nothing of the model is altered: an edited copy shares its parameters, and an edit acts on a state that is thrown away.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from attnbench.inspection.attention_scores import as_shares
from attnbench.models.contexts.base import Context
from attnbench.models.contexts.multihead import MultiHead, join_heads
from attnbench.models.decoder import Decoder
from attnbench.models.encoder import EncoderOutput, Memory
from attnbench.models.seq2seq import RecurrentSeq2Seq, RecurrentState, Seq2SeqModel
from attnbench.models.transformer import Transformer, TransformerState
from attnbench.models.transformer_layers import KeysAndValues, LayerMemory

TOLERANCE = 1e-3


class Edit(ABC):
    """A change of the weights over the source, for each example and target position."""

    @abstractmethod
    def within(self, span: slice) -> "Edit":
        """Return the edit for some of the target positions."""

    @abstractmethod
    def reweigh(self, weights: Tensor) -> Tensor:
        """Return the weights (batch, target_len, source_len) or (batch, heads, target_len, source_len) as changed."""

    @abstractmethod
    def of_layer(self, layer: LayerMemory) -> LayerMemory:
        """Return what a Transformer's layer reads, so that it comes to the same; for a single target position."""


@dataclass(frozen=True)
class NoEdit(Edit):
    """Leaves the weights as they are."""

    def within(self, span: slice) -> "NoEdit":
        return self

    def reweigh(self, weights: Tensor) -> Tensor:
        return weights

    def of_layer(self, layer: LayerMemory) -> LayerMemory:
        return layer


@dataclass(frozen=True)
class RecordedHeads(NoEdit):
    """Leaves the weights as they are and keeps them."""

    weights: list[Tensor] = field(default_factory=list)

    def reweigh(self, weights: Tensor) -> Tensor:
        self.weights.append(weights)
        return weights


@dataclass(frozen=True)
class Erasure(Edit):
    """No weight at one source position; the others' are brought to their old sum. In every layer and head.

    Where nothing else had any weight, nothing is read: the context is a vector of zeros.

    Attributes:
        positions: (batch, target_len).

    Source: Serrano & Smith 2019, section 3.
    """

    positions: Tensor

    def within(self, span: slice) -> "Erasure":
        return Erasure(self.positions[:, span])

    def reweigh(self, weights: Tensor) -> Tensor:
        positions = self.positions.unsqueeze(2)  # B T 1
        if weights.dim() == 4:
            positions = positions.unsqueeze(1).expand(-1, weights.shape[1], -1, -1)  # B N T 1
        left = weights.scatter(-1, positions, 0.0)  # B T S, or B N T S
        return as_shares(left) * weights.sum(dim=-1, keepdim=True)

    def of_layer(self, layer: LayerMemory) -> LayerMemory:
        is_kept = torch.arange(layer.source_mask.shape[3], device=self.positions.device) != self.positions
        is_kept = is_kept[:, None, None, :]  # B 1 1 S
        mask = layer.source_mask & is_kept  # B 1 1 S
        # A softmax over nothing is no number: where nothing is left, the weights stay and what they read is zero.
        mask = mask.where(mask.any(dim=3, keepdim=True), layer.source_mask)
        values = layer.source.values * is_kept.transpose(2, 3)  # B N S D
        return replace(layer, source=KeysAndValues(layer.source.keys, values), source_mask=mask)


@dataclass(frozen=True)
class Permutation(Edit):
    """Each weight at another source position; in every layer and head alike.

    Attributes:
        orders: position j gets the weight of position orders[…, j]; (batch, target_len, source_len).

    Source: Jain & Wallace 2019, section 4.2.1.
    """

    orders: Tensor

    def within(self, span: slice) -> "Permutation":
        return Permutation(self.orders[:, span])

    def reweigh(self, weights: Tensor) -> Tensor:
        if weights.dim() == 4:
            return weights.gather(3, self.orders.unsqueeze(1).expand_as(weights))
        return weights.gather(2, self.orders)

    def of_layer(self, layer: LayerMemory) -> LayerMemory:
        """Permute the values instead of the weights, the other way round."""
        back = self.orders[:, 0].argsort(dim=1)[:, None, :, None]  # B 1 S 1
        values = layer.source.values.gather(2, back.expand_as(layer.source.values))
        return replace(layer, source=KeysAndValues(layer.source.keys, values))


class EditableModel(ABC):
    """A model that can go on from a state with changed weights."""

    @property
    @abstractmethod
    def reads_at_once(self) -> bool:
        """Whether the whole target can be read in one call: what was read feeds back into no later step."""

    @abstractmethod
    def advance(self, inputs: Tensor, state: object, edit: Edit) -> Tensor:
        """Go on from a state of the model over known inputs.

        Args:
            inputs: at each step the token before, (batch, length); a single step unless the model reads at once.
            state: what the model's own `start` or `advance` returned.
            edit: for as many target positions.

        Returns:
            logits (batch, length, vocab).
        """


def editable(model: Seq2SeqModel) -> EditableModel | None:
    """Return the model with weights that can be changed; None for a kind whose reading we do not know."""
    if isinstance(model, Transformer) and not model.is_pooled:
        return _EditableTransformer(model)
    if isinstance(model, RecurrentSeq2Seq) and model.decoder.context.size:
        return _EditableRecurrent(model)
    return None


@torch.no_grad()
def can_be_edited(model: Seq2SeqModel, source: Tensor, source_lengths: Tensor, inputs: Tensor) -> bool:
    """Say whether reading by weights that were not changed comes to the model's own answers.

    It does not where the context is no average of values by these weights, as it may be in a person's own class.
    """
    edited = editable(model)
    if edited is None:
        return False
    state = model.start(source, source_lengths)
    logits, weights, _ = model.advance(inputs[:, :1], state)
    if weights is None:
        return False
    again = edited.advance(inputs[:, :1], state, NoEdit())
    return torch.allclose(again.softmax(dim=2), logits.softmax(dim=2), rtol=0, atol=TOLERANCE)


class _EditableTransformer(EditableModel):
    def __init__(self, model: Transformer) -> None:
        self.model = model

    @property
    def reads_at_once(self) -> bool:
        return False

    def advance(self, inputs: Tensor, state: object, edit: Edit) -> Tensor:
        assert isinstance(state, TransformerState)
        layers = [edit.of_layer(layer) for layer in state.layers]
        return self.model.advance(inputs, replace(state, layers=layers), wants_weights=False)[0]


class _EditableRecurrent(EditableModel):
    def __init__(self, model: RecurrentSeq2Seq) -> None:
        original = model.decoder
        context = _EditedContext(original.context)
        self.decoder = Decoder(
            original.embedding,
            original.recurrence,
            context,
            original.readout,
            original.output,
            0.0,
            original.feeds_input,
            original.transition,
        )

    @property
    def reads_at_once(self) -> bool:
        context = self.decoder.context
        return not (context.reads_before or context.reads_between or self.decoder.feeds_input)

    def advance(self, inputs: Tensor, state: object, edit: Edit) -> Tensor:
        assert isinstance(state, RecurrentState)
        memory = _EditedMemory(
            values=state.memory.values, mask=state.memory.mask, whole=state.memory, edit=edit
        )
        return self.decoder(inputs, state.decoder, memory)[0]


@dataclass(frozen=True, kw_only=True)
class _EditedMemory(Memory):
    """A memory, whole, with the edit of the weights that read it."""

    whole: Memory
    edit: Edit


class _EditedContext(Context):
    """A context read by changed weights."""

    def __init__(self, original: Context) -> None:
        super().__init__()
        self.original = original
        self.size = original.size
        self.reads_before, self.reads_after = original.reads_before, original.reads_after
        self.reads_between, self.follows_state = original.reads_between, original.follows_state

    def prepare(self, encoded: EncoderOutput) -> Memory:
        return self.original.prepare(encoded)

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        assert isinstance(memory, _EditedMemory)
        if isinstance(self.original, MultiHead):
            return self._read_by_heads(self.original, query, memory)
        context, weights = self.original.read(query, memory.whole, first_position)
        if weights is None:
            return context, None
        weights = memory.edit.reweigh(weights)  # B T S
        return torch.bmm(weights.to(memory.values.dtype), memory.values), weights  # B T H

    @staticmethod
    def _read_by_heads(context: MultiHead, query: Tensor, memory: _EditedMemory) -> tuple[Tensor, Tensor]:
        weights = memory.edit.reweigh(context.head_weights(query, memory.whole))  # B N T S
        heads = weights.to(memory.values.dtype) @ memory.values  # B N T D
        return context.joint_projection(join_heads(heads)), weights.mean(dim=1)

"""What a model wrote, running freely, and where it looked as it wrote."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from attnbench.batch import NOT_GIVEN, Batch
from attnbench.inspection.editing import RecordedHeads, editable
from attnbench.models.contexts.multihead import MultiHead
from attnbench.models.seq2seq import RecurrentSeq2Seq, Seq2SeqModel
from attnbench.models.transformer import Transformer
from attnbench.models.transformer_layers import Attention
from attnbench.tasks.base import Task
from attnbench.training.evaluation import most_tokens, write_freely
from attnbench.vocabulary import EOS, PAD

# Numbers that one portion of a batch may hold at once in a tensor: 256 MiB of float32.
AT_ONCE = 2**26


@dataclass(frozen=True)
class Answers:
    """What a model wrote.

    Attributes:
        batch: what was asked.
        tokens: given tokens included, PAD behind the end of an answer; (batch, steps).
        chosen: True where the model chose the token itself, the end mark included; (batch, steps).
        weights: (batch, steps, source_len), the mean over layers and heads where there are several; None for an arm
            without weights over the source.
    """

    batch: Batch
    tokens: Tensor
    chosen: Tensor
    weights: Tensor | None

    def written_at(self, width: int) -> Tensor:
        """Return the tokens cut or padded to (batch, width), the width of a target to compare with."""
        missing = max(0, width - self.tokens.shape[1])
        return torch.nn.functional.pad(self.tokens, (0, missing), value=PAD)[:, :width]

    @property
    def replay(self) -> Batch:
        """The batch whose target is what the model wrote: under teacher forcing it comes to the same answers."""
        return replace(
            self.batch,
            target=self.tokens,
            scored=self.chosen,
            alignment_sure=None,
            alignment_possible=None,
            references=None,
        )


@dataclass(frozen=True)
class HeadMaps:
    """Every layer's and head's weights, each (batch, layers, heads, length, read_len).

    Attributes:
        source: of written words over source words; None where the decoder sees no single source words.
        encoder: of source words over source words; None for recurrent encoders.
        decoder: of written words over those before; None for recurrent decoders.
    """

    source: Tensor | None
    encoder: Tensor | None = None
    decoder: Tensor | None = None


@torch.no_grad()
def answer_freely(model: Seq2SeqModel, task: Task, batch: Batch) -> Answers:
    """Let the model write, to the limits of the evaluation: to its end mark, or as much as the target has."""
    generated = write_freely(model, task, batch)
    tokens, limits = generated.tokens, most_tokens(batch, task)
    steps = tokens.shape[1]
    is_within = torch.arange(steps, device=limits.device) < limits.unsqueeze(1)
    if task.ends_with_mark:
        ends = (tokens == EOS).int()
        is_within &= ends.cumsum(dim=1) - ends == 0
    return Answers(batch, tokens, is_within & ~_is_given(batch, steps), generated.attention)


def _is_given(batch: Batch, steps: int) -> Tensor:
    """Return True where a token is given to the decoder; (batch, steps)."""
    missing = max(0, steps - batch.target.shape[1])
    given = torch.nn.functional.pad(batch.given, (0, missing), value=NOT_GIVEN)[:, :steps]
    return given != NOT_GIVEN


@torch.no_grad()
def head_maps(model: Seq2SeqModel, batch: Batch) -> HeadMaps | None:
    """Return the weights of every layer and head over the batch's target; None for an arm without several.

    They take layers × heads × (target_len + source_len)² numbers per example: meant for a few at a time.
    """
    if isinstance(model, Transformer):
        maps = model.attention_maps(batch)
        return HeadMaps(None if model.is_pooled else maps.source, maps.encoder, maps.decoder)
    if not (isinstance(model, RecurrentSeq2Seq) and isinstance(model.decoder.context, MultiHead)):
        return None
    edited, recorded = editable(model), RecordedHeads()
    assert edited is not None
    state = model.start(batch.source, batch.source_lengths)
    edited.advance(model.shifted(batch.target), state, recorded)
    return HeadMaps(torch.cat(recorded.weights, dim=2).unsqueeze(1))


def rows_of(batch: Batch, rows: slice) -> Batch:
    """Return some examples of a batch, padded as they were."""
    values = ((field.name, getattr(batch, field.name)) for field in fields(batch))
    chosen: dict[str, Any] = {name: None if value is None else value[rows] for name, value in values}
    return Batch(**chosen)


def example_alone(batch: Batch, row: int) -> Batch:
    """Return one example of a batch without its padding."""
    alone = rows_of(batch, slice(row, row + 1))
    source_len, target_len = int(alone.source_lengths[0]), int(alone.target_mask.sum())
    sure, possible = (
        None if mask is None else mask[:, :target_len, :source_len]
        for mask in (alone.alignment_sure, alone.alignment_possible)
    )
    return replace(
        alone,
        source=alone.source[:, :source_len],
        target=alone.target[:, :target_len],
        scored=alone.scored[:, :target_len],
        alignment_sure=sure,
        alignment_possible=possible,
    )


def portions(batch: Batch, numbers_per_pair: int = 1, numbers_per_word: int = 1) -> Iterator[Batch]:
    """Cut a batch into parts that fit, so that memory depends neither on its size nor on how many there are.

    Args:
        batch: to be cut.
        numbers_per_pair: what is held for each pair of words: one weight, or every layer's and head's.
        numbers_per_word: what is held for each word: logits of a whole vocabulary.
    """
    words = batch.source.shape[1] + batch.target.shape[1]
    rows = max(1, AT_ONCE // (words * (words * numbers_per_pair + numbers_per_word)))
    yield from (rows_of(batch, slice(start, start + rows)) for start in range(0, len(batch), rows))


def maps_of(model: Seq2SeqModel) -> int:
    """Return how many weights the model makes for a pair of words: layers × heads."""
    if isinstance(model, Transformer):
        heads = [each.heads for each in model.decoder.modules() if isinstance(each, Attention)]
        return sum(heads) // 2  # each layer has one attention over the target and one over the source
    if isinstance(model, RecurrentSeq2Seq) and isinstance(model.decoder.context, MultiHead):
        return model.decoder.context.heads
    return 1

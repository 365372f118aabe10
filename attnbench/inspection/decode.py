"""What a model writes running freely, where it looked, and what its words hang on by gradients."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from attnbench.batch import NOT_GIVEN, Batch
from attnbench.inspection.editing import RecordedHeads, editable
from attnbench.models.contexts.bahdanau import Bahdanau
from attnbench.models.contexts.luong import LuongConcat
from attnbench.models.contexts.multihead import MultiHead
from attnbench.models.encoder import reorder, reversed_positions
from attnbench.models.seq2seq import RecurrentSeq2Seq, Seq2SeqModel
from attnbench.models.transformer import Transformer
from attnbench.models.transformer_layers import Attention
from attnbench.tasks.base import Task
from attnbench.training.evaluation import most_tokens, write_freely
from attnbench.vocabulary import EOS, PAD

# Numbers that one portion of a batch may hold at once in a tensor: 256 MiB of float32.
AT_ONCE = 2**26


@dataclass(frozen=True)
class Decoded:
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
def greedy_decode(model: Seq2SeqModel, task: Task, batch: Batch) -> Decoded:
    """Let the model write, to the limits of the evaluation: to its end mark, or as much as the target has."""
    generated = write_freely(model, task, batch)
    tokens, limits = generated.tokens, most_tokens(batch, task)
    steps = tokens.shape[1]
    is_within = torch.arange(steps, device=limits.device) < limits.unsqueeze(1)  # B T
    if task.ends_with_mark:
        ends = (tokens == EOS).int()
        # The first end mark still counts, nothing behind it does.
        is_within &= ends.cumsum(dim=1) - ends == 0
    return Decoded(batch, tokens, is_within & ~_is_given(batch, steps), generated.attention)


def _is_given(batch: Batch, steps: int) -> Tensor:
    """Return True where a token is given to the decoder; (batch, steps)."""
    missing = max(0, steps - batch.target.shape[1])
    given = torch.nn.functional.pad(batch.given, (0, missing), value=NOT_GIVEN)[:, :steps]  # B steps
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


# Target words × target words × source words × numbers for each pair: about half a minute on two idle cores.
MOST_WORK = 10**10
_STATES = 8  # of each word, that the way back needs


def _say_nothing(done: int, of: int) -> None:
    pass


def source_gradients(
    model: Seq2SeqModel, batch: Batch, on_progress: Callable[[int, int], None] = _say_nothing
) -> Tensor | None:
    """Return ‖∂ log p(y_i | y_<i, source) / ∂ e_j‖ for every scored target token y_i and source embedding e_j.

    The norm, not gradient × input: it has no sign, and cannot be 0 where its parts cancel. It says what a small
    change of the word would do, not what the model would do without it. One backward pass for as many target
    positions as fit: the batch is copied for each, and read no further than the last of them.

    Args:
        model: in eval mode.
        batch: its target as the model wrote it (`Decoded.replay`), or the right one.
        on_progress: told of target positions done and in all.

    Returns:
        norms (batch, target_len, source_len), 0 at padding and in the rows of tokens that are not scored; None for
        a model of a person's own without an embedding of the source that we know of. `as_shares` lays them beside
        weights.

    Source: Li et al. 2016, section 5, first-derivative saliency.
    """
    embedding = getattr(getattr(model, "encoder", None), "embedding", None)
    if not isinstance(embedding, nn.Module):
        return None
    steps = batch.scored.any(dim=0).nonzero().flatten().tolist()
    norms: Tensor | None = None
    done = 0
    with (
        torch.enable_grad(),
        torch.backends.cudnn.flags(enabled=False),
    ):  # its RNNs go backward in training alone
        while done < len(steps):
            together = steps[done : done + _copies_at_once(model, batch, steps[done:])]
            found = _norms(model, embedding, batch, together)
            if norms is None:
                norms = found.new_zeros(*batch.target.shape, batch.source.shape[1])
            norms[:, together] = found
            done += len(together)
            on_progress(done, len(steps))
    if norms is None:
        return torch.zeros(*batch.target.shape, batch.source.shape[1], device=batch.source.device)
    return norms.masked_fill(~batch.scored.unsqueeze(2), 0.0)


def answers_within_reach(model: Seq2SeqModel, batch: Batch) -> int:
    """Return of how many target positions, from the first on, gradients take no more than MOST_WORK."""
    per_word = len(batch) * batch.source.shape[1] * (_numbers_per_pair(model) + _STATES)
    return min(batch.target.shape[1], max(1, isqrt(MOST_WORK // per_word)))


def _copies_at_once(model: Seq2SeqModel, batch: Batch, steps: Sequence[int]) -> int:
    """Return how many of the next target positions go backward together."""
    source_len = batch.source.shape[1]

    def is_fitting(count: int) -> bool:
        target_len = steps[count - 1] + 1
        pairs = 2 * target_len * source_len * _numbers_per_pair(model)
        return count * len(batch) * (pairs + _STATES * (source_len + target_len) * _width(model)) <= AT_ONCE

    # Bisected, since the more there are, the further they read.
    return max(1, bisect_right(range(1, len(steps) + 1), False, key=lambda count: not is_fitting(count)))


def _width(model: Seq2SeqModel) -> int:
    """Return how many numbers a state of the model has, or more."""
    return max((each.shape[-1] for each in model.parameters()), default=1)


def _numbers_per_pair(model: Seq2SeqModel) -> int:
    """Return what is held for each pair of a target and a source word: weights; of additive scores whole states."""
    context = model.decoder.context if isinstance(model, RecurrentSeq2Seq) else None
    return max(maps_of(model), _width(model) if isinstance(context, Bahdanau | LuongConcat) else 1)


def _norms(model: Seq2SeqModel, embedding: nn.Module, batch: Batch, steps: Sequence[int]) -> Tensor:
    """Return the norms at some target positions, (batch, len(steps), source_len)."""
    count = len(steps)
    copies = Batch(
        source=batch.source.repeat(count, 1),  # count·B S: all examples for the first position, then the next
        source_lengths=batch.source_lengths.repeat(count),
        target=batch.target[:, : steps[-1] + 1].repeat(count, 1),
        scored=batch.scored[:, : steps[-1] + 1].repeat(count, 1),
    )
    log_probability, embedded = _chosen_log_probability(model, embedding, copies)
    columns = torch.tensor(steps, device=batch.target.device).repeat_interleave(len(batch)).unsqueeze(1)
    # Each copy hangs on its own log p alone, so the gradient of their sum holds every copy's own.
    (gradient,) = torch.autograd.grad(log_probability.gather(1, columns).sum(), embedded, allow_unused=True)
    if gradient is None:
        return embedded.new_zeros(len(batch), count, batch.source.shape[1])
    norms = _in_order(model, gradient, copies).norm(dim=2)  # count·B S
    return norms.unflatten(0, (count, len(batch))).transpose(0, 1)  # B count S


def _chosen_log_probability(model: Seq2SeqModel, embedding: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return log p of each target token, (batch, target_len), and the embedded source that it hangs on."""
    leaves: list[Tensor] = []

    def cut(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        leaves.append(output.detach().requires_grad_())
        return leaves[-1]

    hook = embedding.register_forward_hook(cut)
    try:
        logits = model(batch, wants_weights=False).logits
    finally:
        hook.remove()
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return exact.log_softmax(dim=2).gather(2, batch.target.unsqueeze(2)).squeeze(2), leaves[0]


def _in_order(model: Seq2SeqModel, gradient: Tensor, batch: Batch) -> Tensor:
    """Return the gradient (batch, source_len, embedding) by the source as it stands, not as an encoder turned it."""
    if not getattr(model.encoder, "reverse_source", False):
        return gradient
    return reorder(gradient, reversed_positions(batch.source, batch.source_lengths))

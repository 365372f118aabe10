"""How much each source word moves an answer, by the gradient: defined for every arm, with attention or without."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from math import isqrt

import torch
from torch import Tensor, nn

from attnbench.batch import Batch
from attnbench.inspection.looking import AT_ONCE, maps_of
from attnbench.models.contexts.bahdanau import Bahdanau
from attnbench.models.contexts.luong import LuongConcat
from attnbench.models.encoder import reorder, reversed_positions
from attnbench.models.seq2seq import RecurrentSeq2Seq, Seq2SeqModel

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
        batch: its target as the model wrote it (`Answers.replay`), or the right one.
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
        source=batch.source.repeat(count, 1),
        source_lengths=batch.source_lengths.repeat(count),
        target=batch.target[:, : steps[-1] + 1].repeat(count, 1),
        scored=batch.scored[:, : steps[-1] + 1].repeat(count, 1),
    )
    log_probability, embedded = _chosen_log_probability(model, embedding, copies)
    columns = torch.tensor(steps, device=batch.target.device).repeat_interleave(len(batch)).unsqueeze(1)
    (gradient,) = torch.autograd.grad(log_probability.gather(1, columns).sum(), embedded, allow_unused=True)
    if gradient is None:
        return embedded.new_zeros(len(batch), count, batch.source.shape[1])
    norms = _in_order(model, gradient, copies).norm(dim=2)
    return norms.unflatten(0, (count, len(batch))).transpose(0, 1)


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

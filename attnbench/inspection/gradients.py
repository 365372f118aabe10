"""How much each source word moves an answer, by the gradient: defined for every arm, with attention or without."""

import torch
from torch import Tensor, nn

from attnbench.batch import Batch
from attnbench.models.encoder import reorder, reversed_positions
from attnbench.models.seq2seq import Seq2SeqModel


def source_gradients(model: Seq2SeqModel, batch: Batch) -> Tensor | None:
    """Return ‖∂ log p(y_i | y_<i, source) / ∂ e_j‖ for every scored target token y_i and source embedding e_j.

    The norm, not gradient × input: it has no sign, and cannot be 0 where its parts cancel. It says what a small
    change of the word would do, not what the model would do without it. One backward pass per target position.

    Args:
        model: in eval mode.
        batch: its target as the model wrote it (`Answers.replay`), or the right one.

    Returns:
        norms (batch, target_len, source_len), 0 at padding and in the rows of tokens that are not scored; None for
        a model of a person's own without an embedding of the source that we know of. `as_shares` lays them beside
        weights.

    Source: Li et al. 2016, section 5, first-derivative saliency.
    """
    embedding = getattr(getattr(model, "encoder", None), "embedding", None)
    if not isinstance(embedding, nn.Module):
        return None
    with (
        torch.enable_grad(),
        torch.backends.cudnn.flags(enabled=False),
    ):  # its RNNs go backward in training alone
        log_probability, embedded = _chosen_log_probability(model, embedding, batch)
        norms = embedded.new_zeros(*batch.target.shape, batch.source.shape[1])
        for step in batch.scored.any(dim=0).nonzero().flatten().tolist():
            (gradient,) = torch.autograd.grad(
                log_probability[:, step].sum(), embedded, retain_graph=True, allow_unused=True
            )
            if gradient is not None:
                norms[:, step] = _in_order(model, gradient, batch).norm(dim=2)
    return norms.masked_fill(~batch.scored.unsqueeze(2), 0.0)


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

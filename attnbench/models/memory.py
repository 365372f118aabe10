"""What crosses from the encoder to the decoder."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class EncoderOutput:
    """What the encoder made of the source.

    Attributes:
        states: one per source token, (batch, source_len, hidden); meaningless at padding.
        final: the last state, of the top layer, directions concatenated, (batch, hidden).
        mask: True at real source tokens, (batch, source_len).
    """

    states: Tensor
    final: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Memory:
    """What a context prepares once per source, so that reading it at every step is cheap.

    Attributes:
        values: what is averaged or handed on, (batch, memory_len, hidden).
        keys: what the query is matched with, (batch, memory_len, hidden), where there is matching.
        mask: True where there is something to read, (batch, memory_len).
    """

    values: Tensor
    mask: Tensor
    keys: Tensor | None = None


def equal_shares(mask: Tensor, like: Tensor) -> Tensor:
    """Return 1 / length at real source tokens and 0 at padding, (batch, source_len), in the dtype of `like`."""
    # A type of half the size cannot count beyond 256.
    exact = torch.promote_types(like.dtype, torch.float32)
    return (mask.to(exact) / mask.sum(dim=1, keepdim=True)).to(like.dtype)

"""Turning sequences round within their own lengths."""

import torch
from torch import Tensor


def reversed_positions(source: Tensor, source_lengths: Tensor) -> Tensor:
    """Return where each position finds its token when real tokens are turned round; padding stays; (batch, length)."""
    positions = torch.arange(source.shape[1], device=source.device)
    turned = source_lengths.unsqueeze(1) - 1 - positions
    return turned.where(turned >= 0, positions)


def turned_round(sequence: Tensor, positions: Tensor, is_even: bool) -> Tensor:
    """Turn each row of (batch, length, hidden) round within its own length.

    Args:
        sequence: to be turned.
        positions: what `reversed_positions` returned.
        is_even: whether no row is padded: then one flip does it, whose gradient is another flip.
    """
    return sequence.flip(1) if is_even else reorder(sequence, positions)


def has_no_padding(source: Tensor, source_lengths: Tensor) -> bool:
    """Say whether every row is as long as the batch, where asking costs nothing; a GPU would be waited for."""
    return source_lengths.device.type == "cpu" and bool((source_lengths == source.shape[1]).all())


def reorder(sequence: Tensor, positions: Tensor) -> Tensor:
    """Take from (batch, length, hidden) the positions (batch, new_length); (batch, new_length, hidden)."""
    return sequence.gather(1, positions.unsqueeze(2).expand(-1, -1, sequence.shape[2]))

"""Turning sequences round within their own lengths."""

import torch
from torch import Tensor


def reversed_positions(source: Tensor, source_lengths: Tensor) -> Tensor:
    """Return where each position finds its token when real tokens are turned round; padding stays; (batch, length)."""
    positions = torch.arange(source.shape[1], device=source.device)
    turned = source_lengths.unsqueeze(1) - 1 - positions
    return turned.where(turned >= 0, positions)


def reorder(sequence: Tensor, positions: Tensor) -> Tensor:
    """Take from (batch, length, hidden) the positions (batch, new_length); (batch, new_length, hidden)."""
    return sequence.gather(1, positions.unsqueeze(2).expand(-1, -1, sequence.shape[2]))

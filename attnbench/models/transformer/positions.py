"""How a Transformer knows where a token stands."""

from typing import Literal

import torch
from torch import Tensor

Positions = Literal["sinusoidal", "rotary"]
# The wave lengths go from 2π to 10000 · 2π in both sources.
LONGEST_WAVE = 10_000.0


def sinusoids(first_position: int, length: int, size: int, like: Tensor) -> Tensor:
    """Return sin and cos of each position at size / 2 wave lengths, (length, size).

    Source: Vaswani et al. 2017, section 3.5; sines fill the first half and cosines the second.
    """
    angles = _angles(first_position, length, size, like)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def rotate(states: Tensor, first_position: int) -> Tensor:
    """Turn each pair of numbers by an angle that grows with the position, so that products see distances alone.

    Args:
        states: queries or keys, (batch, heads, length, part), with an even part; number k is paired with number
            k + part / 2.
        first_position: of the first state.

    Source: Su et al. 2021, equation 34.
    """
    angles = _angles(first_position, states.shape[2], states.shape[3], states)
    first, second = states.chunk(2, dim=3)
    sin, cos = angles.sin(), angles.cos()
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=3)


def _angles(first_position: int, length: int, size: int, like: Tensor) -> Tensor:
    dtype = torch.promote_types(like.dtype, torch.float32)
    steps = torch.arange(0, size, 2, device=like.device, dtype=dtype)
    positions = torch.arange(first_position, first_position + length, device=like.device, dtype=dtype)
    return positions.unsqueeze(1) * LONGEST_WAVE ** (-steps / size)

"""A channel of known size: each vector that crosses from encoder to decoder is squeezed to k bits."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from attnbench.models.encoder import Carry, EncoderOutput

BITS_PER_LEVEL = 4
"""Bits of one number that crosses: it has one of 16 levels.

More levels give learning a smoother way. Of 16 bits, numbers of two levels held 11.3, of four 12.7, of 16 14.5 (lab
book, 2026-11-29).
"""


def levels_of(bits: int) -> list[int]:
    """Return how many levels each number has, so that all of them together have 2^bits values."""
    whole, rest = divmod(bits, BITS_PER_LEVEL)
    return [2**BITS_PER_LEVEL] * whole + [2**rest] * (rest > 0)


class Quantiser(nn.Module):
    """U q(tanh(W x + a)) + b: of a vector x, k bits cross, and the reader makes of them a vector as wide as x.

    q takes each number to the middle of its level, of 2, 4, 8 or 16 that are equally wide from -1 to 1. Backwards it is
    left out, since its own gradient is zero nearly everywhere.

    Attributes:
        inward: to the numbers that cross; their scale is learned with W.
        outward: from the levels to what is read.

    Source: Mentzer et al. 2024, "Finite scalar quantization"; Bengio et al. 2013 for the straight-through gradient.
    """

    half_levels: Tensor

    def __init__(self, size: int, bits: int) -> None:
        super().__init__()
        levels = levels_of(bits)
        self.inward = nn.Linear(size, len(levels))
        self.outward = nn.Linear(len(levels), size)
        self.register_buffer("half_levels", torch.tensor(levels) / 2, persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Squeeze vectors (…, size), each by itself, so that padding and other rows have no part in it."""
        soft = torch.tanh(self.inward(vectors))  # … numbers
        middles = ((self._level(soft) + 0.5) / self.half_levels).to(soft.dtype)
        # The difference is exactly zero; in `soft + (middles - soft)` the last digits would let the numbers through.
        return self.outward(middles + (soft - soft.detach()))

    def code(self, vectors: Tensor) -> Tensor:
        """Return what crosses: the level of each number, from 0, (…, numbers)."""
        return (self._level(torch.tanh(self.inward(vectors))) + self.half_levels).long()

    def _level(self, soft: Tensor) -> Tensor:
        """Return the level of each number, from -levels / 2; the uppermost holds 1 itself too."""
        return torch.minimum((soft.detach() * self.half_levels).floor(), self.half_levels - 1)


class Channel(nn.Module):
    """What lies between the encoder and all that reads it: one code for the last state, one for each state.

    Everything that bridge and context are handed is made of these codes: nothing else crosses, but the real states
    for a context that distils vectors of its own, which it squeezes itself (`Context.quantiser`).

    Attributes:
        last: squeezes hidden state and cell of every layer as one vector (carry "state"), or the final hidden state.
        states: squeezes each encoder state; None where no context reads them.
    """

    def __init__(
        self, hidden_size: int, carried_size: int, carry: Carry, bits: int, reads_states: bool
    ) -> None:
        super().__init__()
        self.carry = carry
        self.last = Quantiser(carried_size, bits)
        self.states = Quantiser(hidden_size, bits) if reads_states else None

    def forward(self, encoded: EncoderOutput) -> EncoderOutput:
        """Return the encoder's output as it arrives."""
        states = encoded.states if self.states is None else self.states(encoded.states)  # B S H
        if self.carry == "hidden":
            return replace(encoded, states=states, final=self.last(encoded.final), layers=())
        parts = [part for layer in encoded.layers for part in layer]
        arrived = iter(self.last(torch.cat(parts, dim=1)).split(encoded.final.shape[1], dim=1))  # B H each
        layers = tuple(tuple(next(arrived) for _ in layer) for layer in encoded.layers)
        return replace(encoded, states=states, final=layers[-1][0], layers=layers)

"""A channel of known size: each vector that crosses from encoder to decoder is squeezed to k bits."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from attnbench.models.encoder import Carry, EncoderOutput


@dataclass(frozen=True)
class Surrogate:
    """The gradient that a sign gets in place of its own, which is zero nearly everywhere.

    Attributes:
        gradient: "tanh", that of tanh(slope · x), or "identity", as if the units crossed as they are.
        slope: of the tanh: a steeper one is nearer to the sign and reaches fewer units.
        noise: deviation of the normal noise that is added to the units in training, and in training alone.

    Source: Bengio et al. 2013, section 4, "straight-through estimator".
    """

    gradient: Literal["tanh", "identity"] = "tanh"
    slope: float = 1.0
    noise: float = 0.0

    def signs(self, units: Tensor, is_training: bool) -> Tensor:
        """Return +1 where a unit is not negative and −1 elsewhere, with the gradient of the surrogate."""
        if is_training and self.noise > 0:
            units = units + self.noise * torch.randn_like(units)
        soft = torch.tanh(self.slope * units) if self.gradient == "tanh" else units
        # The difference is exactly zero; in `soft + (signs - soft)` the last digits would let the units through.
        return torch.where(units >= 0, 1.0, -1.0).to(units.dtype) + (soft - soft.detach())


SURROGATE = Surrogate()
"""What is trained with. Others are for experiments: they change trained weights and stand in no run's specification."""


class Quantiser(nn.Module):
    """U sign(W x + a) + b: of a vector x, k bits cross, and the reader makes of them a vector as wide as x.

    Attributes:
        inward: to the k units whose signs cross; their scale is learned with W.
        outward: from the signs to what is read.
    """

    def __init__(self, size: int, bits: int, surrogate: Surrogate = SURROGATE) -> None:
        super().__init__()
        self.inward = nn.Linear(size, bits)
        self.outward = nn.Linear(bits, size)
        self.surrogate = surrogate

    def forward(self, vectors: Tensor) -> Tensor:
        """Squeeze vectors (…, size), each by itself, so that padding and other rows have no part in it."""
        return self.outward(self.code(vectors))

    def code(self, vectors: Tensor) -> Tensor:
        """Return the bits that cross, as ±1, (…, bits)."""
        return self.surrogate.signs(self.inward(vectors), self.training)


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

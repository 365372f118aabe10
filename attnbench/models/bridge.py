"""The decoder's first state, from the encoder's final state."""

import torch
from torch import Tensor, nn


class Bridge(nn.Module):
    """s_0 = tanh(W h_final), one W per decoder layer.

    Source: Bahdanau et al. 2015, appendix A.2.2, with the whole final state instead of its backward half.
    """

    def __init__(self, hidden_size: int, layers: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(hidden_size, hidden_size) for _ in range(layers))

    def forward(self, final: Tensor) -> list[Tensor]:
        """Map the final state (batch, hidden) to one first hidden state per layer, each (batch, hidden)."""
        return [torch.tanh(projection(final)) for projection in self.projections]


class ZeroBridge(nn.Module):
    """A first state of zeros, whatever the source was."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, final: Tensor) -> list[Tensor]:
        return [torch.zeros_like(final) for _ in range(self.layers)]

"""The source again, last symbol first."""

from dataclasses import dataclass

import torch
from torch import Tensor

from attnbench.tasks.sequence import RearrangementTask


@dataclass(frozen=True, kw_only=True)
class Reverse(RearrangementTask):
    """Write the source backwards.

    >>> Reverse(name="reverse", vocabulary_size=16, eos=False).source_positions(4).tolist()
    [3, 2, 1, 0]

        source   c a f b
        target   b f a c
    """

    def source_positions(self, length: int) -> Tensor:
        return torch.arange(length - 1, -1, -1)

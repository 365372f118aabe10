"""The source again, in order."""

from dataclasses import dataclass

import torch
from torch import Tensor

from attnbench.tasks.sequence import RearrangementTask


@dataclass(frozen=True, kw_only=True)
class Copy(RearrangementTask):
    """Write the source again.

    >>> Copy(name="copy", vocabulary_size=16, eos=False).source_positions(4).tolist()
    [0, 1, 2, 3]

        source   c a f b
        target   c a f b
    """

    def source_positions(self, length: int) -> Tensor:
        return torch.arange(length)

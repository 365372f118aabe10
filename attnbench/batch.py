"""One batch of examples: the only thing that tasks and models both know."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor

from attnbench.vocabulary import PAD

NOT_GIVEN = -1


@dataclass(frozen=True)
class Batch:
    """Source and target token numbers, padded with PAD on the right.

    Attributes:
        source: (batch, source_len).
        source_lengths: real tokens of each source, (batch,), each at least 1.
        target: (batch, target_len).
        scored: (batch, target_len), True where the model must answer; False where the token is given to the
            decoder even when it runs freely (a question, a key), and at padding.
        alignment_sure: (batch, target_len, source_len), True at the source positions that hold an answer;
            None where the task does not know.
        alignment_possible: the same for positions that may hold it; includes the sure ones.
        references: each target as people write it, for BLEU and chrF; None for tasks that are not text.
    """

    source: Tensor
    source_lengths: Tensor
    target: Tensor
    scored: Tensor
    alignment_sure: Tensor | None = None
    alignment_possible: Tensor | None = None
    references: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return self.source.shape[0]

    @property
    def gold(self) -> Tensor | None:
        """Where a look is right: the possible positions, or the sure ones where no others are known.

        Precision of an alignment is counted against these. Source: Och & Ney 2003, section 4.
        """
        return self.alignment_sure if self.alignment_possible is None else self.alignment_possible

    @property
    def given(self) -> Tensor:
        """The target where it is given to the decoder, NOT_GIVEN elsewhere; (batch, target_len).

        This is all that a model sees of the target when it runs freely. Padding is not given: it would tell where
        the answer ends.
        """
        return self.target.masked_fill(self.scored | ~self.target_mask, NOT_GIVEN)

    @property
    def target_mask(self) -> Tensor:
        """True at real target tokens, given or scored; (batch, target_len)."""
        return self.target != PAD

    def to(self, device: torch.device) -> Self:
        """Return the batch on another device."""
        if self.source.device == device:
            return self
        moved: dict[str, Any] = {
            field.name: value.to(device, non_blocking=True)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **moved)

    def split(self, parts: int) -> Iterator[Self]:
        """Yield consecutive parts of the examples, as equal as can be, none empty; padding stays as it is."""
        if parts == 1:
            yield self
            return
        count = min(parts, len(self))
        bounds = [len(self) * number // count for number in range(count + 1)]
        for first, last in pairwise(bounds):
            shortened: dict[str, Any] = {
                field.name: None if value is None else value[first:last]
                for field in fields(self)
                for value in [getattr(self, field.name)]
            }
            yield replace(self, **shortened)

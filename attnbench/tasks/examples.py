"""Examples in words, and the batches made of them: for tasks whose sources and targets differ in length."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.utils.rnn import pad_sequence

from attnbench.batch import Batch
from attnbench.vocabulary import PAD

Link = tuple[int, int]
"""A target position and the source position that belongs to it, both counted from 0."""


@dataclass(frozen=True)
class Example:
    """One example as token numbers.

    Attributes:
        source: at least one token.
        target: as many tokens as `scored`, the end mark included where the task has one.
        scored: True where the model must answer, False where the token is given to the decoder.
        sure: links from scored target positions to the source positions that hold the answer.
        possible: links to source positions that may hold it, besides the sure ones.
    """

    source: Sequence[int]
    target: Sequence[int]
    scored: Sequence[bool]
    sure: Sequence[Link]
    possible: Sequence[Link] = ()


def batch_of(examples: Sequence[Example]) -> Batch:
    """Return the examples as one batch, padded on the right."""
    target = _padded([example.target for example in examples])
    source = _padded([example.source for example in examples])
    shape = (*target.shape, source.shape[1])
    sure = _links_as_mask([example.sure for example in examples], shape)
    possible = _links_as_mask([example.possible for example in examples], shape)
    return Batch(
        source=source,
        source_lengths=torch.tensor([len(example.source) for example in examples]),
        target=target,
        scored=_padded([example.scored for example in examples]).bool(),
        alignment_sure=sure,
        alignment_possible=sure | possible,
    )


def draws_from(generator: Generator) -> random.Random:
    """Return Python's source of random choices, begun from the generator: choosing words one by one is its work."""
    return random.Random(int(torch.randint(2**62, (1,), generator=generator)))


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Return rows of numbers as (rows, longest)."""
    return pad_sequence([torch.tensor(list(row)) for row in rows], batch_first=True, padding_value=PAD)


def _links_as_mask(links: Sequence[Sequence[Link]], shape: tuple[int, int, int]) -> Tensor:
    """Return True at every link; (batch, target_len, source_len)."""
    mask = torch.zeros(shape, dtype=torch.bool)
    places = [(row, *link) for row, of_one in enumerate(links) for link in of_one]
    if places:
        mask[torch.tensor(places).unbind(1)] = True
    return mask

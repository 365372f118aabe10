"""Associative recall: keys with values, then questions for the values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Generator, Tensor

from attnbench.batch import Batch
from attnbench.ranges import Count
from attnbench.tasks.base import LengthRange, Split, SyntheticTask, refuse_length
from attnbench.tasks.ceiling import UniformAnswers
from attnbench.tasks.symbols import FIRST_SYMBOL, symbol_names
from attnbench.vocabulary import WordVocabulary


@dataclass(frozen=True, kw_only=True)
class Recall(SyntheticTask):
    """Say which value stood beside each key. The length counts pairs; all keys of an example are distinct.

    With `question: after` every key is asked once in random order; the key is given, the value scored:

        source   k7 c k2 a k9 f
        target   k2 a k9 f k7 c      (k2, k9, k7 are given)

    With `question: before`, the control, one key is named ahead of the source, so that one value is all that
    needs to be remembered:

        source   k2 k7 c k2 a k9 f
        target   a

    Attributes:
        vocabulary_size: how many values there are.
        keys: how many keys there are; the longest source has as many pairs.
        question: "after" or "before".
    """

    length_unit = "pairs"

    vocabulary_size: Count
    keys: Count
    question: Literal["after", "before"]

    @cached_property
    def source_vocabulary(self) -> WordVocabulary:
        values = symbol_names(self.vocabulary_size)
        return WordVocabulary([*values, *(f"k{key}" for key in range(self.keys))])

    @property
    def target_vocabulary(self) -> WordVocabulary:
        return self.source_vocabulary

    @property
    def answers(self) -> Sequence[int]:
        return range(FIRST_SYMBOL, FIRST_SYMBOL + self.vocabulary_size)

    @property
    def gives_key_just_ahead(self) -> bool:
        return self.question == "after"

    @property
    def _first_key(self) -> int:
        return FIRST_SYMBOL + self.vocabulary_size

    def check_length(self, length: int) -> None:
        if length > self.keys:
            reason = f"every pair needs a key of its own and there are {self.keys}."
            raise refuse_length(
                self, length, reason, f"Use lengths up to {self.keys}, or task.keys={length}."
            )

    def sample(self, split: Split, length: int, count: int, generator: Generator) -> Batch:
        order = torch.rand(count, self.keys, generator=generator).argsort(dim=1)
        keys = order[:, :length] + self._first_key
        last_value = FIRST_SYMBOL + self.vocabulary_size
        values = torch.randint(FIRST_SYMBOL, last_value, (count, length), generator=generator)
        asked = torch.rand(count, length, generator=generator).argsort(dim=1)
        pairs = torch.stack([keys, values], dim=2).flatten(1)
        if self.question == "before":
            return self._question_before(pairs, keys, values, asked[:, :1])
        return self._question_after(pairs, keys, values, asked)

    def _question_before(self, pairs: Tensor, keys: Tensor, values: Tensor, asked: Tensor) -> Batch:
        source = torch.cat([keys.gather(1, asked), pairs], dim=1)
        target = values.gather(1, asked)
        return _batch(source, target, torch.ones_like(target, dtype=torch.bool), 2 + 2 * asked)

    def _question_after(self, pairs: Tensor, keys: Tensor, values: Tensor, asked: Tensor) -> Batch:
        target = torch.stack([keys.gather(1, asked), values.gather(1, asked)], dim=2).flatten(1)
        scored = torch.zeros_like(target, dtype=torch.bool)
        scored[:, 1::2] = True
        return _batch(pairs, target, scored, (1 + 2 * asked).repeat_interleave(2, dim=1))

    def solve(self, batch: Batch) -> Tensor:
        pairs = batch.source[:, 1:] if self.question == "before" else batch.source
        keys, values = pairs[:, 0::2], pairs[:, 1::2]
        asked = batch.source[:, :1] if self.question == "before" else batch.given[:, 0::2]
        found = (asked.unsqueeze(2) == keys.unsqueeze(1)).int().argmax(dim=2)
        answers = values.gather(1, found)
        if self.question == "before":
            return answers
        return torch.stack([asked, answers], dim=2).flatten(1)

    def chance_accuracy(self, lengths: LengthRange) -> float:
        return 1 / self.vocabulary_size

    def information_bits(self, lengths: LengthRange) -> float:
        answers = self.uniform_answers(lengths)
        return answers.tokens * math.log2(answers.symbols)

    def uniform_answers(self, lengths: LengthRange) -> UniformAnswers:
        """Return the values asked for.

        They are independent of keys and order, which the decoder is given one by one. That the code need not hold
        the keys is no slack: n values of log2 V bits can be read off by any of the n keys from n·log2 V bits and a
        few more (Dietzfelbinger & Pagh 2008, section 3).
        """
        return UniformAnswers(1 if self.question == "before" else lengths.maximum, self.vocabulary_size)


def _batch(source: Tensor, target: Tensor, scored: Tensor, answer_positions: Tensor) -> Batch:
    """Return the batch whose scored target positions are aligned with `answer_positions`."""
    sure = torch.zeros(*target.shape, source.shape[1], dtype=torch.bool)
    sure.scatter_(2, answer_positions.unsqueeze(2), True)
    sure &= scored.unsqueeze(2)
    return Batch(
        source=source,
        source_lengths=torch.full((source.shape[0],), source.shape[1]),
        target=target,
        scored=scored,
        alignment_sure=sure,
        alignment_possible=sure,
    )

"""One example as people look at it: words, and for every pair of words how much one looked at the other.

Without torch, so that pictures can be drawn where there is none.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from attnbench.inspection.word_edits import AlignedWord, align
from attnbench.vocabulary import EOS, SPECIAL_TOKENS

Numbers = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class AttentionExample:
    """One example: what was asked, expected and produced, and where the model looked, running freely.

    Attributes:
        index: of the example in the test; None for a person's own text.
        source: its words.
        written: the words of the answer, given ones included.
        is_given: which of these were given to the decoder, one for each.
        expected: the words of the right answer, given ones included; none for a person's own text.
        weights: (written, source); None for an arm without weights over the source.
        gradients: each written word's gradient by source word, in shares of its row (written, source); zeros for
            given words. None for a person's own model without an embedding of the source.
        heads: every layer's and head's weights, (layers, heads, written, source); None where there is but one.
        encoder: source words over source words, (layers, heads, source, source); for Transformers.
        decoder: written words over the words put in, which stand one place later: the start mark first,
            (layers, heads, written, written); for Transformers.
        sure: gold positions of the expected words, (expected, source); None where the task does not know.
        possible: the same for possible ones.
        with_gradient: how many written words, from the first on, have their gradient; all where None.
    """

    index: int | None
    source: tuple[str, ...]
    written: tuple[str, ...]
    is_given: tuple[bool, ...]
    expected: tuple[str, ...]
    weights: Numbers | None
    gradients: Numbers | None
    heads: Numbers | None
    encoder: Numbers | None
    decoder: Numbers | None
    sure: Mask | None
    possible: Mask | None
    with_gradient: int | None = None

    @cached_property
    def aligned(self) -> tuple[AlignedWord, ...]:
        """What was written beside what was expected; of a person's own text every word is taken for right."""
        expected = self.expected or self.written
        return align(expected, self.written, self.is_given, SPECIAL_TOKENS[EOS])

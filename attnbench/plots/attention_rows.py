"""What a heatmap has to show of an example, on paper and on a terminal: its words, shares and gold positions."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from attnbench.formatting import shortened
from attnbench.inspection.attention_example import AttentionExample, Mask, Numbers
from attnbench.inspection.word_edits import AlignedWord

Kind = Literal["weights", "gradient"]
LONGEST_WORD = 24
_NOTHING, _NO_ROOM = "–", "…"


@dataclass(frozen=True)
class DrawnArm:
    """What a run made of an example, and how the run is called.

    Attributes:
        name: of the arm, or what else tells it from the others beside it.
        run_id: for the caption.
    """

    name: str
    run_id: str
    example: AttentionExample

    @property
    def has_weights(self) -> bool:
        """Whether the arm looks at single source words at all."""
        return self.example.weights is not None

    @property
    def kind(self) -> Kind:
        """What is drawn of an arm by itself: its weights, or where there are none its gradients."""
        return "weights" if self.has_weights else "gradient"


@dataclass(frozen=True)
class WrittenWord:
    """One row.

    Attributes:
        label: "b" as expected, "b (a)" where a was expected, "b (–)" for a word too many, "– (a)" where a was left out,
            "b (swapped)", "[k]" where given; "… (a)" and "b (…)" where a fixed length left no room, or no word.
        is_given: to the decoder, so that it was no answer.
        is_wrong: a mistake of the model's.
    """

    label: str
    is_given: bool
    is_wrong: bool


def written_words(example: AttentionExample) -> list[WrittenWord]:
    """Return the rows: all that was written, and at its place what was left out."""
    return [
        WrittenWord(_label(each, example), each.kind == "given", each.is_edit) for each in example.aligned
    ]


def _label(each: AlignedWord, example: AttentionExample) -> str:
    written = None if each.written is None else shortened(example.written[each.written], LONGEST_WORD)
    if each.kind == "given":
        return f"[{written or _NOTHING}]"
    if each.kind == "right":
        return str(written)
    if each.kind == "swapped":
        return f"{written} (swapped)"
    nothing = _NO_ROOM if each.kind in ("cut_off", "filler") else _NOTHING
    expected = None if each.expected is None else shortened(example.expected[each.expected], LONGEST_WORD)
    return f"{written or nothing} ({expected or nothing})"


def shares_of(example: AttentionExample, kind: Kind) -> Numbers | None:
    """Return the weights or gradients, a row for each of `written_words`; not a number where nothing was written."""
    numbers = example.weights if kind == "weights" else example.gradients
    return None if numbers is None else with_missing_rows(numbers, example)


def with_missing_rows(numbers: Numbers, example: AttentionExample) -> Numbers:
    """Return numbers (written, …) as rows of `written_words`: not a number where nothing was written."""
    nothing = np.full(numbers.shape[1:], np.nan, dtype=np.float32)
    rows = [nothing if each.written is None else numbers[each.written] for each in example.aligned]
    return np.array(rows, dtype=np.float32).reshape(len(rows), *numbers.shape[1:])


def gold_rows(mask: Mask | None, example: AttentionExample) -> Mask | None:
    """Return gold positions (expected, source) as rows of `written_words`, moved along with the word they belong to."""
    if mask is None:
        return None
    nothing = np.zeros(mask.shape[1], dtype=np.bool_)
    rows = [nothing if each.expected is None else mask[each.expected] for each in example.aligned]
    return np.array(rows, dtype=np.bool_).reshape(len(rows), mask.shape[1])


def gold_stretches(mask: Mask | None) -> list[tuple[int, int, int]]:
    """Return row, first and last source position of every stretch of gold positions side by side."""
    if mask is None:
        return []
    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, ends = np.argwhere(edges == 1).tolist(), np.argwhere(edges == -1).tolist()
    return [(row, first, behind - 1) for (row, first), (_, behind) in zip(starts, ends, strict=True)]


def possible_alone(example: AttentionExample) -> Mask | None:
    """Return the positions that are possible and not sure."""
    if example.possible is None or example.sure is None:
        return None
    return example.possible & ~example.sure

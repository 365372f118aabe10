"""What a heatmap has to show of a portrait, on paper and on a terminal: its words, shares and gold positions."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

import numpy as np

from attnbench.inspection.portrait import Numbers, Places, Portrait

Kind = Literal["weights", "gradient"]
_LONGEST_WORD = 24
_NOTHING = "–"


@dataclass(frozen=True)
class DrawnArm:
    """A run's portrait of the example, and how the run is called.

    Attributes:
        name: of the arm, or what else tells it from the others beside it.
        run_id: for the caption.
    """

    name: str
    run_id: str
    portrait: Portrait

    @property
    def has_weights(self) -> bool:
        """Whether the arm looks at single source words at all."""
        return self.portrait.weights is not None

    @property
    def kind(self) -> Kind:
        """What is drawn of an arm by itself: its weights, or where there are none its gradients."""
        return "weights" if self.has_weights else "gradient"


@dataclass(frozen=True)
class WrittenWord:
    """One row.

    Attributes:
        label: "b" as expected, "b (a)" where a was expected, "– (a)" where nothing was written, "[k]" where given.
        is_given: to the decoder, so that it was no answer.
        is_wrong: not the word expected at this place.
    """

    label: str
    is_given: bool
    is_wrong: bool


def written_words(portrait: Portrait) -> list[WrittenWord]:
    """Return the rows: all that was written, and behind it what should have been."""
    places = zip_longest(portrait.written, portrait.is_given, portrait.expected)
    return [_written_word(word, bool(is_given), right, portrait) for word, is_given, right in places]


def _written_word(word: str | None, is_given: bool, right: str | None, portrait: Portrait) -> WrittenWord:
    label = _NOTHING if word is None else shortened(word)
    if is_given:
        return WrittenWord(f"[{label}]", is_given=True, is_wrong=False)
    if not portrait.expected or word == right:
        return WrittenWord(label, is_given=False, is_wrong=False)
    expected = _NOTHING if right is None else shortened(right)
    return WrittenWord(f"{label} ({expected})", is_given=False, is_wrong=True)


def shortened(word: str) -> str:
    """Return a word that is no longer than a label may be."""
    return word if len(word) <= _LONGEST_WORD else f"{word[: _LONGEST_WORD - 1]}…"


def shares_of(portrait: Portrait, kind: Kind) -> Numbers | None:
    """Return the weights or gradients, a row for each of `written_words`; not a number where nothing was written."""
    numbers = portrait.weights if kind == "weights" else portrait.gradients
    return None if numbers is None else with_missing_rows(numbers, portrait)


def with_missing_rows(numbers: Numbers, portrait: Portrait) -> Numbers:
    """Return numbers (written, …) with a row for each word that should have been written too."""
    missing = max(0, len(portrait.expected) - len(portrait.written))
    return np.pad(numbers, ((0, missing), (0, 0)), constant_values=np.nan)


def gold_stretches(places: Places | None) -> list[tuple[int, int, int]]:
    """Return row, first and last source position of every stretch of gold positions side by side."""
    if places is None:
        return []
    edges = np.diff(np.pad(places.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, ends = np.argwhere(edges == 1).tolist(), np.argwhere(edges == -1).tolist()
    return [(row, first, behind - 1) for (row, first), (_, behind) in zip(starts, ends, strict=True)]


def possible_alone(portrait: Portrait) -> Places | None:
    """Return the positions that are possible and not sure."""
    if portrait.possible is None or portrait.sure is None:
        return None
    return portrait.possible & ~portrait.sure

"""What was written laid beside what was expected: words too many, left out, exchanged, or swapped with a neighbour.

Compared place by place, one word too many makes every word behind it wrong. Aligned, it is one slip. Without torch, so
that pictures can be drawn where there is none.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attnbench.formatting import counted, stretches

EditKind = Literal["inserted", "left_out", "exchanged", "swapped"]
EDIT_KINDS: tuple[EditKind, ...] = ("inserted", "left_out", "exchanged", "swapped")
WordKind = Literal["given", "right", "inserted", "left_out", "exchanged", "swapped", "cut_off", "filler"]
_MOST_NAMED = 5  # stretches of positions in a sentence


@dataclass(frozen=True)
class AlignedWord:
    """A written word, the expected word that it belongs to, or both.

    Attributes:
        kind: given: told to the decoder, no answer.
            right: the expected word.
            inserted: a word too many.
            left_out: expected, and not written.
            exchanged: another word than the expected one.
            swapped: the expected word, which changed places with the one beside it; there are always two.
            cut_off: expected at the end, and not written since words too many took its place: the length was fixed.
            filler: written at the end, when all had been said, since the length was fixed.
        expected: its index in the expected answer, given words counted too; None where none belongs to it.
        written: the same in what was written; of a swapped word, where this word was written.
        position: the number of the expected word among the scored ones, counted from 0; of a word too many that of the
            expected word which it stands ahead of. None for given words and fillers.
        is_end_mark: whether an end mark was expected.
    """

    kind: WordKind
    expected: int | None
    written: int | None
    position: int | None
    is_end_mark: bool = False

    @property
    def is_edit(self) -> bool:
        """Whether the model made a mistake here."""
        return self.kind in EDIT_KINDS


def align(
    expected: Sequence[Hashable], written: Sequence[Hashable], is_given: Sequence[bool], end_mark: Hashable
) -> tuple[AlignedWord, ...]:
    """Lay what was written beside what was expected, with as few edits as can be.

    Of alignments with equally few edits that with the most right words is taken, and of these the one whose edits
    stand last, so that in `a a b` for `a b` the second word is too many. Given words stay where they are; the words
    between them are aligned by themselves. An end mark belongs to an end mark alone.

    Args:
        expected: the answer, given words included.
        written: what was written up to its end, given words included.
        is_given: True where the word was given, for each place of the longer of the two; what is missing is False.
        end_mark: ends an answer whose length the model chooses. Where the expected answer does not end with it, the
            model had to write as many words as are expected, and is not blamed for words that had no room.

    Returns:
        the words in the order in which they were written, those left out at their place.

    Source: Damerau 1964; the recurrence is that of optimal string alignment.
    """
    length = max(len(expected), len(written))
    given = [*is_given, *[False] * (length - len(is_given))]
    found: list[AlignedWord] = []
    scored = 0
    for is_told, places in groupby(range(length), key=given.__getitem__):
        first, *_ = stretch = list(places)
        span = slice(first, stretch[-1] + 1)
        if is_told:
            found += [
                AlignedWord("given", i if i < len(expected) else None, i if i < len(written) else None, None)
                for i in stretch
            ]
            continue
        found += _aligned_stretch(expected[span], written[span], (first, scored), end_mark)
        scored += len(expected[span])
    return tuple(found)


def _aligned_stretch(
    expected: Sequence[Hashable],
    written: Sequence[Hashable],
    start: tuple[int, int],
    end_mark: Hashable,
) -> Iterator[AlignedWord]:
    """Yield the words of a stretch without given ones, which starts at this place and this position."""
    place, position = start
    has_mark = bool(expected) and expected[-1] == end_mark
    is_ended = has_mark and bool(written) and written[-1] == end_mark
    words = expected[:-1] if has_mark else expected
    pairs = _pairs(words, written[:-1] if is_ended else written)
    is_fixed = not has_mark and len(written) == len(expected)
    # Behind the last pair of two words the length alone decides what stands there.
    last = max((number for number, (_, i, j) in enumerate(pairs) if None not in (i, j)), default=-1)
    following = len(words)
    positions = []
    for _, i, _ in reversed(pairs):
        following = following if i is None else i
        positions.append(min(following, max(len(expected) - 1, 0)))
    for number, ((kind, i, j), of_expected) in enumerate(zip(pairs, reversed(positions), strict=True)):
        if is_fixed and number > last:
            kind = "cut_off" if j is None else "filler"
        yield AlignedWord(
            kind,
            None if i is None else place + i,
            None if j is None else place + j,
            None if kind == "filler" else position + of_expected,
        )
    if has_mark:
        at = len(words)
        end = place + len(written) - 1 if is_ended else None
        yield AlignedWord("right" if is_ended else "left_out", place + at, end, position + at, True)


def _pairs(
    expected: Sequence[Hashable], written: Sequence[Hashable]
) -> list[tuple[WordKind, int | None, int | None]]:
    """Return kind, index in expected and index in written of every aligned word, in the order of writing."""
    numbers: dict[Hashable, int] = {}
    one, other = (
        np.array([numbers.setdefault(word, len(numbers)) for word in words], dtype=np.int64)
        for words in (expected, written)
    )
    costs, an_edit = _costs(one, other)
    found: list[tuple[WordKind, int | None, int | None]] = []
    i, j = len(one), len(other)
    while i or j:
        here = costs[i, j]
        if j and here == costs[i, j - 1] + an_edit:
            found.append(("inserted", None, j - 1))
            j -= 1
        elif i and here == costs[i - 1, j] + an_edit:
            found.append(("left_out", i - 1, None))
            i -= 1
        elif one[i - 1] == other[j - 1]:
            found.append(("right", i - 1, j - 1))
            i, j = i - 1, j - 1
        elif here == costs[i - 1, j - 1] + an_edit:
            found.append(("exchanged", i - 1, j - 1))
            i, j = i - 1, j - 1
        else:
            # Each word goes with its own: the one written last is the one expected first.
            found += [("swapped", i - 2, j - 1), ("swapped", i - 1, j - 2)]
            i, j = i - 2, j - 2
    return found[::-1]


def _costs(one: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Return the cost of the best alignment of every two beginnings, (len(one) + 1, len(other) + 1), and of an edit.

    A right word costs −1, an edit more than all right words together: fewest edits first, then most right words.
    """
    an_edit = len(one) + len(other) + 1
    steps = an_edit * np.arange(len(other) + 1)
    costs = np.empty((len(one) + 1, len(other) + 1), dtype=np.int64)
    costs[0] = steps
    for i in range(1, len(one) + 1):
        is_right = other == one[i - 1]
        best = costs[i - 1] + an_edit
        best[1:] = np.minimum(best[1:], costs[i - 1, :-1] + np.where(is_right, -1, an_edit))
        if i > 1 and len(other) > 1:
            is_swapped = is_right[:-1] & (other[1:] == one[i - 2])
            swapped = np.where(is_swapped, costs[i - 2, :-2] + an_edit, best[2:])
            best[2:] = np.minimum(best[2:], swapped)
        # Words too many: the best of all that stand to the left, an edit for each step from there.
        costs[i] = np.minimum.accumulate(best - steps) + steps
    return costs, an_edit


def edits_of(words: Sequence[AlignedWord]) -> int:
    """Return how many edits there are; two swapped words are one."""
    kinds = [each.kind for each in words if each.is_edit]
    return len(kinds) - kinds.count("swapped") // 2


def described(words: Sequence[AlignedWord]) -> str:
    """Say in a sentence how an answer differs from the expected one; positions count the scored words from 1."""
    edits = [
        _named(words, "inserted", "too many"),
        _named(words, "left_out", "left out"),
        _named(words, "exchanged", "exchanged"),
        _named(words, "swapped", "swapped"),
        "no end mark" if any(each.kind == "left_out" and each.is_end_mark for each in words) else "",
    ]
    found = [edit for edit in edits if edit]
    if not found:
        return "all right"
    is_right = any(each.kind == "right" and not each.is_end_mark for each in words)
    cut, filling = (sum(each.kind == kind for each in words) for kind in ("cut_off", "filler"))
    room = f"no room for the last {f'{cut} words' if cut > 1 else 'word'}" if cut else ""
    filled = f"{counted(filling, 'word fills', 'words fill')} the fixed length" if filling else ""
    about_end = "; ".join(filter(None, [room, filled]))
    right = "the rest" if is_right else "no word"
    return f"{'; '.join(found)}, {right} right{f' ({about_end})' if about_end else ''}"


def _named(words: Sequence[AlignedWord], kind: EditKind, name: str) -> str:
    places = [
        each.position + 1
        for each in words
        if each.kind == kind and each.position is not None and not (each.is_end_mark and kind == "left_out")
    ]
    if not places:
        return ""
    several = sorted(set(places))
    where = f"position{'s' if len(several) > 1 else ''} {stretches(several, _MOST_NAMED)}"
    return f"{counted(len(places), 'word')} {name} at {where}"

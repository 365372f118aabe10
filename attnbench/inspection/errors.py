"""What kind of errors a model makes, running freely, and where it looked as it made them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from attnbench.batch import Batch
from attnbench.formatting import percent
from attnbench.inspection.attention_scores import ratio
from attnbench.inspection.decode import Decoded
from attnbench.inspection.word_edits import AlignedWord, WordKind, align, edits_of
from attnbench.vocabulary import EOS

WORST = 10
ErrorKind = Literal[
    "inserted",
    "left_out",
    "exchanged",
    "swapped",
    "cut_off",
    "repeated",
    "looked_wrong",
    "looked_right",
]
RightKind = Literal["right_looked_wrong", "right_looked_right"]
Kind = Literal["words", "right", "neighboured", "placeable", ErrorKind, RightKind]
_LOOKS: tuple[Kind, ...] = ("looked_wrong", "looked_right", *get_args(RightKind))
_COUNTED: dict[WordKind, Kind] = {
    "inserted": "inserted",
    "left_out": "left_out",
    "exchanged": "exchanged",
    "swapped": "swapped",
    "cut_off": "cut_off",
}
OF_SEQUENCES: tuple[Kind, ...] = ("inserted", "left_out", "swapped", "cut_off", "repeated")


@dataclass(frozen=True)
class ExampleErrors:
    """One example that the model got wrong.

    Attributes:
        index: its number in the test, counted from 0.
        source: token numbers.
        expected: token numbers, given ones included.
        written: token numbers of all that was written, given ones included.
        is_chosen: which of these the model chose itself.
        aligned: what was written beside what was expected.
        looked_at: the most attended source position of each written token; none for an arm without weights.
        wrong: how many scored tokens are wrong, compared place by place.
        scored: how many there are.
    """

    index: int
    source: tuple[int, ...]
    expected: tuple[int, ...]
    written: tuple[int, ...]
    is_chosen: tuple[bool, ...]
    aligned: tuple[AlignedWord, ...]
    looked_at: tuple[int, ...]
    wrong: int
    scored: int

    @property
    def edits(self) -> int:
        """How many edits tell it from the expected answer."""
        return edits_of(self.aligned)

    @property
    def badness(self) -> tuple[float, float]:
        """Edits, then words wrong place by place, of each scored token: the larger, the worse."""
        return self.edits / self.scored, self.wrong / self.scored


@dataclass
class ErrorCounts:
    """What was counted over the answers to test examples.

    Attributes:
        counts: by kind and output position, (positions,). An output position is the number of a scored word among
            those of its example; the first stands at index 0. The kinds:
            words: scored words.
            right: of these, those written as expected at their very place, as token_accuracy counts them.
            neighboured: scored words that follow on another one or are followed by one, so that a sequence is to
                be written; of the others the edits of sequences cannot be said.
            placeable: scored words with a gold position, of an arm with weights; errors on others, such as an end
                mark, are in neither of the looks.
            inserted, left_out, exchanged, swapped, cut_off: words of that kind after alignment (`word_edits`), at
                the position of the expected word; a word too many at that of the word which it stands ahead of.
            repeated: words too many or exchanged that say the word again that was written just before.
            looked_wrong: exchanged words whose most attended source position is no gold one of the expected word.
            looked_right: looked right, said wrong: exchanged words whose most attended position is a gold one.
            right_looked_wrong, right_looked_right: the same of the words that are right after alignment: without it
                the looks of the exchanged ones explain nothing.
        kept: how many of the worst examples are kept.
        worst: the examples with the most edits for their length, worst first; of equal ones those with more words
            wrong place by place, then the first.
    """

    counts: dict[Kind, Tensor] = field(
        default_factory=lambda: {kind: torch.zeros(0, dtype=torch.int64) for kind in get_args(Kind)}
    )
    kept: int = WORST
    worst: list[ExampleErrors] = field(default_factory=list)

    def add(self, answers: Decoded, first_index: int) -> None:
        """Count the answers to a batch whose first example has this number."""
        batch = answers.batch
        is_wrong = (answers.written_at(batch.target.shape[1]) != batch.target) & batch.scored
        looked_at = None if answers.weights is None else answers.weights.argmax(dim=2)
        masks: dict[Kind, Tensor] = {
            "words": batch.scored,
            "right": batch.scored & ~is_wrong,
            "neighboured": _neighboured(batch.scored),
        }
        if looked_at is not None and batch.gold is not None:
            masks["placeable"] = batch.scored & batch.gold.any(dim=2)
        positions = (batch.scored.cumsum(dim=1) - 1).clamp_min(0)
        for kind, mask in masks.items():
            self._count(kind, positions[mask].tolist())
        if looked_at is not None and batch.gold is not None:
            self._count_right_looks(batch, batch.gold, looked_at, is_wrong, positions)
        gold = None if batch.gold is None else batch.gold.cpu()
        errors = []
        for row in is_wrong.any(dim=1).nonzero().flatten().tolist():
            errors.append(_example_errors(answers, is_wrong, looked_at, row, first_index + row))
            self._count_edits(errors[-1], None if gold is None else gold[row])
        self.worst = sorted(
            [*self.worst, *errors], key=lambda each: (*(-share for share in each.badness), each.index)
        )[: self.kept]

    def _count_right_looks(
        self, batch: Batch, gold: Tensor, looked_at: Tensor, is_wrong: Tensor, positions: Tensor
    ) -> None:
        """Count where the answers looked that are right as a whole; those of the others go with their edits."""
        width = batch.target.shape[1]
        missing = max(0, width - looked_at.shape[1])
        at = torch.nn.functional.pad(looked_at, (0, missing))[:, :width].unsqueeze(2)  # B T 1
        is_gold = gold.gather(2, at).squeeze(2)
        is_placed = batch.scored & gold.any(dim=2) & ~is_wrong.any(dim=1, keepdim=True)
        self._count("right_looked_right", positions[is_placed & is_gold].tolist())
        self._count("right_looked_wrong", positions[is_placed & ~is_gold].tolist())

    def _count_edits(self, errors: ExampleErrors, gold: Tensor | None) -> None:
        """Count the edits of one example; gold positions (target_len, source_len)."""
        found: dict[Kind, list[int]] = {}
        for word in errors.aligned:
            if word.position is None:
                continue
            for kind in _kinds(word, errors, gold):
                found.setdefault(kind, []).append(word.position)
        for kind, positions in found.items():
            self._count(kind, positions)

    def _count(self, kind: Kind, positions: Sequence[int]) -> None:
        self.counts[kind] = _added(
            self.counts[kind], torch.bincount(torch.tensor(positions, dtype=torch.int64))
        )

    @property
    def positions(self) -> int:
        """How many output positions there are."""
        return len(self.counts["words"])

    def count(self, kind: Kind, position: int | None = None) -> int | None:
        """Return how many words are of a kind, at one output position or at all; None where it cannot be said."""
        if kind in OF_SEQUENCES and not self.count("neighboured", position):
            return None
        if kind in _LOOKS and not self.count("placeable", position):
            return None
        counted = self.counts[kind]
        if position is None:
            return int(counted.sum())
        return int(counted[position]) if position < len(counted) else 0

    def accuracy(self, position: int | None = None) -> float | None:
        """Return the share of right words, at one output position or at all."""
        return ratio(self.count("right", position) or 0, self.count("words", position) or 0)


def looks_described(counts: Mapping[str, str | int | float | None]) -> str:
    """Say how often attention was elsewhere than on a gold position, of exchanged words and beside them of right ones.

    Nothing where one of the two has no such word: the look of an error says something beside that of right words alone.

    Args:
        counts: of words by kind, as `ErrorCounts.counts` names them.
    """
    elsewhere, at_gold, right_elsewhere, right_at_gold = (int(counts[kind] or 0) for kind in _LOOKS)
    of_wrong = ratio(elsewhere, elsewhere + at_gold)
    of_right = ratio(right_elsewhere, right_elsewhere + right_at_gold)
    if of_wrong is None or of_right is None:
        return ""
    no_sign = "" if of_wrong > of_right else "; so a look elsewhere is no sign of an error here"
    return (
        f"attention was not on a gold position at {percent(of_wrong)} of the words exchanged, and at "
        f"{percent(of_right)} of the right words{no_sign}"
    )


def _kinds(word: AlignedWord, errors: ExampleErrors, gold: Tensor | None) -> Iterator[Kind]:
    """Yield what an aligned word counts as."""
    kind, at = _COUNTED.get(word.kind), word.written
    if kind is not None:
        yield kind
    if at is None or word.kind not in ("right", "inserted", "exchanged"):
        return
    if kind is not None and at and errors.written[at] == errors.written[at - 1] and errors.is_chosen[at - 1]:
        yield "repeated"
    if gold is None or word.expected is None or not errors.looked_at:
        return
    if gold[word.expected].any():
        is_gold = bool(gold[word.expected, errors.looked_at[at]])
        if word.kind == "right":
            yield "right_looked_right" if is_gold else "right_looked_wrong"
        else:
            yield "looked_right" if is_gold else "looked_wrong"


def _neighboured(scored: Tensor) -> Tensor:
    """Return True at scored words beside another one, (batch, target_len)."""
    return scored & (_later(scored, False) | _earlier(scored, False))


def _later(rows: Tensor, filling: int | bool) -> Tensor:
    """Return at each position what stands at the next one, (batch, target_len)."""
    return torch.nn.functional.pad(rows[:, 1:], (0, 1), value=filling)


def _earlier(rows: Tensor, filling: int | bool) -> Tensor:
    """Return at each position what stands at the one before, (batch, target_len)."""
    return torch.nn.functional.pad(rows[:, :-1], (1, 0), value=filling)


def _added(one: Tensor, other: Tensor) -> Tensor:
    """Add counts of different lengths."""
    length = max(len(one), len(other))
    longer = [torch.nn.functional.pad(each, (0, length - len(each))) for each in (one, other)]
    return longer[0] + longer[1]


def _example_errors(
    answers: Decoded, is_wrong: Tensor, looked_at: Tensor | None, row: int, index: int
) -> ExampleErrors:
    batch = answers.batch
    source_len, target_len = int(batch.source_lengths[row]), int(batch.target_mask[row].sum())
    is_chosen = answers.chosen[row].tolist()
    steps = max((step + 1 for step, is_own in enumerate(is_chosen) if is_own), default=0)
    expected, written = batch.target[row, :target_len].tolist(), answers.tokens[row, :steps].tolist()
    is_given = (~batch.scored[row, :target_len]).tolist()
    return ExampleErrors(
        index=index,
        source=tuple(batch.source[row, :source_len].tolist()),
        expected=tuple(expected),
        written=tuple(written),
        is_chosen=tuple(is_chosen[:steps]),
        aligned=align(expected, written, is_given, EOS),
        looked_at=() if looked_at is None else tuple(looked_at[row, :steps].tolist()),
        wrong=int(is_wrong[row].sum()),
        scored=int(batch.scored[row].sum()),
    )

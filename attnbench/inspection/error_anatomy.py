"""What kind of errors a model makes, running freely, and where it looked as it made them."""

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from attnbench.batch import Batch
from attnbench.inspection.alignment_scores import ratio
from attnbench.inspection.looking import Answers

WORST = 10
Kind = Literal[
    "words",
    "right",
    "looked_wrong",
    "looked_right",
    "placeable",
    "neighboured",
    "swapped",
    "repeated",
    "skipped",
]


@dataclass(frozen=True)
class ExampleErrors:
    """One example that the model got wrong; all but the source as long as its target.

    Attributes:
        index: its number in the test, counted from 0.
        source: token numbers.
        expected: token numbers, given ones included.
        written: what the model wrote at these positions, PAD where nothing.
        is_scored: True where the model had to answer.
        looked_at: the most attended source position of each; none for an arm without weights.
        wrong: how many scored tokens are wrong.
        scored: how many there are.
    """

    index: int
    source: tuple[int, ...]
    expected: tuple[int, ...]
    written: tuple[int, ...]
    is_scored: tuple[bool, ...]
    looked_at: tuple[int, ...]
    wrong: int
    scored: int


@dataclass
class ErrorCounts:
    """What was counted over the answers to test examples.

    Attributes:
        counts: by kind and output position, (positions,). An output position is the number of a scored word among
            those of its example; the first stands at index 0. The kinds:
            words: scored words.
            right: of these, those written as expected.
            placeable: scored words with a gold position, of an arm with weights; errors on others, such as an end
                mark, are in neither of the next two.
            looked_wrong: errors whose most attended source position is no gold one.
            looked_right: looked right, said wrong: errors whose most attended position is a gold one.
            neighboured: scored words that follow on another one or are followed by one, so that a sequence is to
                be written; of the others the next three cannot be said.
            swapped: errors that change places with one beside them: `b a` for `a b`.
            repeated: errors that say the word again that was written just before, and are not swapped.
            skipped: errors that say the word that should come next, and are neither. After a word left out this
                holds for every word behind it.
        worst: the examples with the largest share of wrong words, worst first; of equal ones the first.
    """

    counts: dict[Kind, Tensor] = field(
        default_factory=lambda: {kind: torch.zeros(0, dtype=torch.int64) for kind in get_args(Kind)}
    )
    worst: list[ExampleErrors] = field(default_factory=list)

    def add(self, answers: Answers, first_index: int) -> None:
        """Count the answers to a batch whose first example has this number."""
        batch = answers.batch
        written = answers.written_at(batch.target.shape[1])
        looked_at = _looked_at(answers)
        is_wrong = (written != batch.target) & batch.scored
        masks = {"words": batch.scored, "right": batch.scored & ~is_wrong}
        masks |= _by_look(batch, is_wrong, looked_at) | _by_neighbours(batch, written, is_wrong)
        positions = (batch.scored.cumsum(dim=1) - 1).clamp_min(0)
        for kind in get_args(Kind):
            found = torch.bincount(positions[masks[kind]].cpu())
            self.counts[kind] = _added(self.counts[kind], found)
        self._keep_worst(batch, written, is_wrong, looked_at, first_index)

    def _keep_worst(
        self, batch: Batch, written: Tensor, is_wrong: Tensor, looked_at: Tensor | None, first_index: int
    ) -> None:
        shares = is_wrong.sum(dim=1) / batch.scored.sum(dim=1).clamp_min(1)
        rows = shares.argsort(descending=True, stable=True)[:WORST].tolist()
        found = [
            _example_errors(batch, written, is_wrong, looked_at, row, first_index + row)
            for row in rows
            if shares[row] > 0
        ]
        self.worst = sorted([*self.worst, *found], key=lambda each: (-each.wrong / each.scored, each.index))[
            :WORST
        ]

    @property
    def positions(self) -> int:
        """How many output positions there are."""
        return len(self.counts["words"])

    def count(self, kind: Kind, position: int | None = None) -> int | None:
        """Return how many words are of a kind, at one output position or at all; None where it cannot be said."""
        if kind in ("swapped", "repeated", "skipped") and not self.count("neighboured", position):
            return None
        if kind in ("looked_wrong", "looked_right") and not self.count("placeable", position):
            return None
        counted = self.counts[kind]
        if position is None:
            return int(counted.sum())
        return int(counted[position]) if position < len(counted) else 0

    def accuracy(self, position: int | None = None) -> float | None:
        """Return the share of right words, at one output position or at all."""
        return ratio(self.count("right", position) or 0, self.count("words", position) or 0)


def _looked_at(answers: Answers) -> Tensor | None:
    """Return the most attended source position of each target position, (batch, target_len)."""
    if answers.weights is None:
        return None
    looked_at, width = answers.weights.argmax(dim=2), answers.batch.target.shape[1]
    missing = max(0, width - looked_at.shape[1])
    # Where nothing was written any more, the model looked nowhere: -1.
    return torch.nn.functional.pad(looked_at, (0, missing), value=-1)[:, :width]


def _by_look(batch: Batch, is_wrong: Tensor, looked_at: Tensor | None) -> dict[str, Tensor]:
    """Class errors by whether the model looked at gold; masks (batch, target_len)."""
    gold = batch.gold
    if looked_at is None or gold is None:
        return dict.fromkeys(("placeable", "looked_wrong", "looked_right"), torch.zeros_like(is_wrong))
    is_placeable = batch.scored & gold.any(dim=2) & (looked_at >= 0)
    is_on_gold = gold.gather(2, looked_at.clamp_min(0).unsqueeze(2)).squeeze(2)
    return {
        "placeable": is_placeable,
        "looked_wrong": is_wrong & is_placeable & ~is_on_gold,
        "looked_right": is_wrong & is_placeable & is_on_gold,
    }


def _by_neighbours(batch: Batch, written: Tensor, is_wrong: Tensor) -> dict[str, Tensor]:
    """Class errors of sequences by the words beside them; masks (batch, target_len)."""
    scored, target = batch.scored, batch.target
    has_next = scored & _later(scored, False)
    has_previous = scored & _earlier(scored, False)
    says_next = is_wrong & has_next & (written == _later(target, -1))
    next_says_this = is_wrong & has_next & (_later(written, -1) == target) & _later(is_wrong, False)
    opens_swap = says_next & next_says_this
    swapped = opens_swap | _earlier(opens_swap, False)
    repeated = is_wrong & has_previous & (written == _earlier(written, -1)) & ~swapped
    return {
        "neighboured": has_next | has_previous,
        "swapped": swapped,
        "repeated": repeated,
        "skipped": says_next & ~swapped & ~repeated,
    }


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
    batch: Batch, written: Tensor, is_wrong: Tensor, looked_at: Tensor | None, row: int, index: int
) -> ExampleErrors:
    source_len, target_len = int(batch.source_lengths[row]), int(batch.target_mask[row].sum())

    def numbers(of_all: Tensor, length: int) -> tuple[int, ...]:
        return tuple(of_all[row, :length].tolist())

    return ExampleErrors(
        index=index,
        source=numbers(batch.source, source_len),
        expected=numbers(batch.target, target_len),
        written=numbers(written, target_len),
        is_scored=tuple(map(bool, numbers(batch.scored, target_len))),
        looked_at=() if looked_at is None else numbers(looked_at, target_len),
        wrong=int(is_wrong[row].sum()),
        scored=int(batch.scored[row].sum()),
    )

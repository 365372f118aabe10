"""Does it matter where the model looked? Weights are changed as it reads, and its answers watched."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from attnbench.batch import Batch
from attnbench.inspection.attention_scores import jensen_shannon_bits, random_orders, ratio, total_variation
from attnbench.inspection.decode import Decoded, source_gradients
from attnbench.inspection.editing import Edit, EditableModel, Erasure, Permutation, can_be_edited, editable
from attnbench.models.seq2seq import Seq2SeqModel

Erased = Literal["most_attended", "random", "largest_gradient"]
PERMUTATIONS = 25
"""Weights permuted per answer; Jain & Wallace take 100, whose median 25 come close to at a quarter of the cost."""


@dataclass
class ErasureCounts:
    """What came of erasing one source position per answer.

    Attributes:
        words: answers looked at.
        flips: of these, those that became another one.
        divergence: summed Jensen–Shannon divergence of the distributions over the vocabulary, in bits.
    """

    words: int = 0
    flips: int = 0
    divergence: float = 0.0

    def add(self, before: Tensor, after: Tensor, counted: Tensor) -> None:
        """Count distributions (batch, length, vocab) where `counted`, (batch, length)."""
        self.words += int(counted.sum())
        self.flips += int(((before.argmax(dim=2) != after.argmax(dim=2)) & counted).sum())
        self.divergence += float(jensen_shannon_bits(before, after)[counted].sum())

    @property
    def flip_rate(self) -> float | None:
        """Share of answers that became another one. Source: Serrano & Smith 2019, section 4.2."""
        return ratio(self.flips, self.words)

    @property
    def divergence_bits(self) -> float | None:
        """Mean Jensen–Shannon divergence, 0 to 1. Source: Serrano & Smith 2019, section 4.1."""
        return ratio(self.divergence, self.words)


@dataclass
class CausalCounts:
    """What came of changing weights.

    Attributes:
        erased: by which position was erased: the one with the most weight (the mean over layers and heads), one of
            the others at random (sources of one word have none and are not counted), the one with the largest
            gradient.
        words: answers whose weights were permuted.
        variation: summed over these: the median total variation distance over the permutations.
    """

    erased: dict[Erased, ErasureCounts] = field(
        default_factory=lambda: {kind: ErasureCounts() for kind in get_args(Erased)}
    )
    words: int = 0
    variation: float = 0.0

    @property
    def median_variation(self) -> float | None:
        """Mean over answers of the median total variation distance: 0 where it does not matter who gets which weight.

        Source: Jain & Wallace 2019, section 4.2.1.
        """
        return ratio(self.variation, self.words)


@torch.no_grad()
def count_causes(
    counts: CausalCounts,
    model: Seq2SeqModel,
    answers: Decoded,
    generator: Generator,
    permutations: int = PERMUTATIONS,
) -> bool:
    """Change the weights of every answer by itself, all before it being as the model wrote it.

    The state before the answer is not changed, nor are the looks of other answers: what differs is one read.

    Args:
        counts: to add to.
        model: in eval mode.
        answers: what it wrote.
        generator: of the random positions and orders.
        permutations: how often the weights of an answer are permuted.

    Returns:
        False, and nothing is counted, where it is not defined: no weights over the source, or a context that is no
        average by them.
    """
    batch = answers.replay
    inputs = model.shifted(batch.target)
    edited = editable(model)
    if answers.weights is None or edited is None:
        return False
    if not can_be_edited(model, batch.source, batch.source_lengths, inputs):
        return False
    erasures = _choose_positions(model, batch, answers.weights, generator)
    mask = _source_mask(batch)
    for span, state, before in _spans(model, edited, batch, inputs):
        chosen = batch.scored[:, span]

        def read(edit: Edit, span: slice = span, state: object = state) -> Tensor:
            return edited.advance(inputs[:, span], state, edit).float().softmax(dim=2)  # B T V

        for kind, erasure in erasures.items():
            is_defined = batch.source_lengths.unsqueeze(1) > (kind == "random")
            counts.erased[kind].add(before, read(erasure.within(span)), chosen & is_defined)
        orders = (random_orders(mask, chosen.shape[1], generator) for _ in range(permutations))
        distances = [total_variation(before, read(Permutation(order))) for order in orders]  # each B T
        counts.variation += float(torch.stack(distances).quantile(0.5, dim=0)[chosen].sum())
        counts.words += int(chosen.sum())
    return True


def _choose_positions(
    model: Seq2SeqModel, batch: Batch, weights: Tensor, generator: Generator
) -> dict[Erased, Erasure]:
    """Return which position of each answer to erase."""
    most = weights.argmax(dim=2)  # B T
    # The first of a random order that is not the most attended one.
    orders = random_orders(_source_mask(batch), most.shape[1], generator)  # B T S
    others = orders[:, :, 0]  # B T
    if orders.shape[2] > 1:
        others = others.where(others != most, orders[:, :, 1])
    chosen: dict[Erased, Erasure] = {"most_attended": Erasure(most), "random": Erasure(others)}
    gradients = source_gradients(model, batch)
    if gradients is not None:
        chosen["largest_gradient"] = Erasure(gradients.argmax(dim=2))
    return chosen


def _spans(
    model: Seq2SeqModel, edited: EditableModel, batch: Batch, inputs: Tensor
) -> Iterator[tuple[slice, object, Tensor]]:
    """Yield target positions, the state ahead of them and the answers' distributions (batch, length, vocab).

    All positions at once where no read feeds back, otherwise one at a time: those with an answer.
    """
    state = model.start(batch.source, batch.source_lengths)
    length = inputs.shape[1] if edited.reads_at_once else 1
    for start in range(0, inputs.shape[1], length):
        span = slice(start, start + length)
        logits, _, after = model.advance(inputs[:, span], state, wants_weights=False)
        if bool(batch.scored[:, span].any()):
            yield span, state, logits.float().softmax(dim=2)
        state = after


def _source_mask(batch: Batch) -> Tensor:
    positions = torch.arange(batch.source.shape[1], device=batch.source.device)
    return positions < batch.source_lengths.unsqueeze(1)  # B S

"""Scores of attention: distributions of weights, and how they agree with the gold alignment."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from attnbench.batch import Batch
from attnbench.training.evaluation import looks
from attnbench.vocabulary import EOS


def as_shares(rows: Tensor) -> Tensor:
    """Return rows that sum to 1; rows of zeros stay what they are."""
    totals = rows.sum(dim=-1, keepdim=True)  # … 1
    return rows / totals.where(totals > 0, torch.ones_like(totals))


def entropy_bits(rows: Tensor) -> Tensor:
    """Return −Σ p log2 p of each row."""
    shares = as_shares(rows)
    return -torch.xlogy(shares, shares).sum(dim=-1) / math.log(2)  # one number a row


def jensen_shannon_bits(one: Tensor, other: Tensor) -> Tensor:
    """Return the Jensen–Shannon divergence of each pair of rows: 0 where they are equal, 1 where nothing is shared.

    Source: Lin 1991, equation 4.1, with equal weights and logarithms to base 2.
    """
    one, other = as_shares(one), as_shares(other)
    between = entropy_bits((one + other) / 2) - (entropy_bits(one) + entropy_bits(other)) / 2
    return between.clamp(0, 1)


def total_variation(one: Tensor, other: Tensor) -> Tensor:
    """Return ½ Σ |p − q| of each pair of rows, from 0 to 1. Source: Jain & Wallace 2019, section 3."""
    return (as_shares(one) - as_shares(other)).abs().sum(dim=-1) / 2


def random_orders(mask: Tensor, rows: int, generator: Generator) -> Tensor:
    """Return independent orders of the source positions; padding stays behind all real ones.

    Args:
        mask: True at real source tokens, (batch, source_len).
        rows: how many orders per example.
        generator: on the CPU, so that every device draws the same.

    Returns:
        source positions, (batch, rows, source_len).
    """
    keys = torch.rand(mask.shape[0], rows, mask.shape[1], generator=generator).to(mask.device)  # B rows S
    # Random keys are below 1, so padding, at 2, is sorted behind every real token.
    return keys.masked_fill(~mask.unsqueeze(1), 2.0).argsort(dim=2)


def permute_weights(weights: Tensor, mask: Tensor, generator: Generator) -> Tensor:
    """Return weights (batch, target_len, source_len) with each row permuted among the real source tokens."""
    return weights.gather(2, random_orders(mask, weights.shape[1], generator))


@dataclass
class AlignmentCounts:
    """What was counted over scored words.

    A word looks where `looks` says, as in metrics.csv. Gold positions are the possible ones, P, which include the sure
    ones, S. Words without a gold position are left out of every comparison but the error rates, of which each of
    their looks is an error.

    Attributes:
        words: scored words.
        looking: of these, all but the end mark: |A|.
        with_gold: those with a gold position.
        with_sure: those with a sure one.
        with_several_sure: those with more than one, of which one look can meet only one.
        on_gold: |A ∩ P|.
        on_sure: |A ∩ S|.
        sure_links: |S|.
        mass_on_gold: summed share of the weight on gold positions.
        mass_on_sure: the same on sure ones, over `with_sure`.
        entropy: summed, in bits.
        change: summed over pairs of consecutive scored words, in bits.
        pairs: how many such pairs there are.
    """

    words: int = 0
    looking: int = 0
    with_gold: int = 0
    with_sure: int = 0
    with_several_sure: int = 0
    on_gold: float = 0.0
    on_sure: float = 0.0
    sure_links: int = 0
    mass_on_gold: float = 0.0
    mass_on_sure: float = 0.0
    entropy: float = 0.0
    change: float = 0.0
    pairs: int = 0

    def add(self, weights: Tensor, batch: Batch) -> None:
        """Count the weights (batch, target_len, source_len) of a batch, 0 at padding."""
        shares = as_shares(weights.float())  # B T S
        self.words += int(batch.scored.sum())
        self.looking += int((batch.scored & (batch.target != EOS)).sum())
        self.entropy += _sum(entropy_bits(shares), batch.scored)
        change, is_pair = _changes(shares, batch.scored)
        self.change += _sum(change, is_pair)
        self.pairs += int(is_pair.sum())
        if batch.gold is not None:
            sure = batch.gold if batch.alignment_sure is None else batch.alignment_sure
            self._compare(shares, looks(weights), batch.scored, gold=batch.gold, sure=sure)

    def _compare(self, shares: Tensor, looked_at: Tensor, scored: Tensor, gold: Tensor, sure: Tensor) -> None:
        has_gold, has_sure = gold.any(dim=2) & scored, sure.any(dim=2) & scored  # B T
        self.with_gold += int(has_gold.sum())
        self.with_sure += int(has_sure.sum())
        links = (sure & scored.unsqueeze(2)).sum(dim=2)
        self.sure_links += int(links.sum())
        self.with_several_sure += int((links > 1).sum())
        self.on_gold += _sum((looked_at * gold).sum(dim=2), has_gold)
        self.on_sure += _sum((looked_at * sure).sum(dim=2), has_sure)
        self.mass_on_gold += _sum((shares * gold).sum(dim=2), has_gold)
        self.mass_on_sure += _sum((shares * sure).sum(dim=2), has_sure)

    @property
    def alignment_accuracy(self) -> float | None:
        """Share of words that look at a gold position: the `alignment_accuracy` of metrics.csv, a precision."""
        return ratio(self.on_gold, self.with_gold)

    @property
    def sure_accuracy(self) -> float | None:
        """Share of words that look at a sure position."""
        return ratio(self.on_sure, self.with_sure)

    @property
    def gold_mass(self) -> float | None:
        """Mean share of the weight on gold positions."""
        return ratio(self.mass_on_gold, self.with_gold)

    @property
    def sure_mass(self) -> float | None:
        """Mean share of the weight on sure positions."""
        return ratio(self.mass_on_sure, self.with_sure)

    @property
    def alignment_error_rate(self) -> float | None:
        """1 − (|A ∩ S| + |A ∩ P|) / (|A| + |S|), where A has a link for every scored word but the end mark.

        None without gold, and where a word has several sure links: its one look could not come to 0.

        Source: Och & Ney 2003, section 4.
        """
        return self._error_rate(self.on_sure + self.on_gold, self.with_gold)

    @property
    def alignment_error_rate_sure(self) -> float | None:
        """The same where only the sure links are held to be right: P = S."""
        return self._error_rate(2 * self.on_sure, self.with_sure)

    def _error_rate(self, met: float, with_links: int) -> float | None:
        if not with_links or self.with_several_sure:
            return None
        return 1 - met / (self.looking + self.sure_links)

    @property
    def entropy_bits(self) -> float | None:
        """Mean entropy of a word's weights: 0 where all is on one position, log2 S where it is spread evenly."""
        return ratio(self.entropy, self.words)

    @property
    def change_bits(self) -> float | None:
        """Mean Jensen–Shannon divergence of a word's weights from those of the scored word before: 0 to 1."""
        return ratio(self.change, self.pairs)


def ratio(part: float, whole: float) -> float | None:
    """Return part / whole; None where there is nothing to divide by."""
    return part / whole if whole else None


def _changes(shares: Tensor, scored: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far each row is from that of the scored word before, and where there is one; (batch, target_len)."""
    steps = torch.arange(scored.shape[1], device=scored.device)  # T
    last_scored = torch.where(scored, steps, -1).cummax(dim=1).values  # B T
    # Shifted by one: the last scored word ahead of each, itself not counted; −1 where there is none.
    before = torch.nn.functional.pad(last_scored, (1, 0), value=-1)[:, :-1]
    rows = before.clamp_min(0).unsqueeze(2).expand_as(shares)  # B T S
    return jensen_shannon_bits(shares, shares.gather(1, rows)), scored & (before >= 0)


def _sum(values: Tensor, mask: Tensor) -> float:
    return float(values.masked_fill(~mask, 0.0).sum(dtype=torch.float32))

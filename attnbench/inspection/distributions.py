"""Measures of distributions, which lie along the last axis; whatever does not sum to 1 is brought to it first."""

import math

import torch
from torch import Generator, Tensor


def as_shares(rows: Tensor) -> Tensor:
    """Return rows that sum to 1; rows of zeros stay what they are."""
    totals = rows.sum(dim=-1, keepdim=True)
    return rows / totals.where(totals > 0, torch.ones_like(totals))


def entropy_bits(rows: Tensor) -> Tensor:
    """Return −Σ p log2 p of each row."""
    shares = as_shares(rows)
    return -torch.xlogy(shares, shares).sum(dim=-1) / math.log(2)


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
    keys = torch.rand(mask.shape[0], rows, mask.shape[1], generator=generator).to(mask.device)
    return keys.masked_fill(~mask.unsqueeze(1), 2.0).argsort(dim=2)


def shuffled(weights: Tensor, mask: Tensor, generator: Generator) -> Tensor:
    """Return weights (batch, target_len, source_len) with each row's dealt anew among the real source tokens."""
    return weights.gather(2, random_orders(mask, weights.shape[1], generator))

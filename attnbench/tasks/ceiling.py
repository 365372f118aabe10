"""The accuracy that no code of so many bits exceeds: rate–distortion of uniform symbols, errors counted.

Let X be n independent symbols, uniform over V, and K what crosses: k bits. The answer at position i is made of K and,
under teacher forcing, of the symbols before it. Where it is wrong with probability D_i, Fano says that
I(X_i; K | X_<i) ≥ R(D_i) with R(D) = log2 V − H_b(D) − D·log2(V − 1). These add up to I(X; K) ≤ k, and R is convex, so
n·R(D) ≤ k for the mean D of the D_i. The bound holds free-running and teacher-forced alike; codes of many examples at
once come as near to it as one likes, a code of one example need not.

Source: Cover & Thomas 2006, section 2.10 (Fano) and theorem 10.3.1 with problem 10.5 (Hamming distortion).
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class UniformAnswers:
    """Scored answers that are independent and uniform, given what the decoder is given anyway.

    Attributes:
        tokens: n, how many there are.
        symbols: V, what each is drawn from.
        known: how many more are scored that need no bits, such as an end mark at a known length.
    """

    tokens: int
    symbols: int
    known: int = 0

    def accuracy_ceiling(self, bits: float) -> float:
        """Return the largest mean accuracy over all scored tokens that a code of so many bits allows."""
        reached = uniform_ceiling(bits / self.tokens, self.symbols)
        return (self.tokens * reached + self.known) / (self.tokens + self.known)


def uniform_ceiling(bits_per_symbol: float, symbols: int) -> float:
    """Return 1 − D with R(D) = bits per symbol, from 1 / symbols at no bits to 1 at log2(symbols)."""
    if bits_per_symbol >= math.log2(symbols):
        return 1.0
    if bits_per_symbol <= 0:
        return 1 / symbols
    from scipy.optimize import (
        brentq,  # takes a tenth of a second to import, which no run without a channel needs
    )

    chance_of_error = 1 - 1 / symbols
    error = brentq(lambda each: rate_bits(each, symbols) - bits_per_symbol, 0.0, chance_of_error, xtol=1e-12)
    return 1 - float(error)


def rate_bits(error: float, symbols: int) -> float:
    """Return R(D), the bits that a symbol costs where one in 1 / D answers may be wrong; D up to 1 − 1 / symbols."""
    entropy = -sum(share * math.log2(share) for share in (error, 1 - error) if share > 0)
    return math.log2(symbols) - entropy - error * math.log2(max(symbols - 1, 1))

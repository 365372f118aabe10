"""The little arithmetic that the slow references are written in, in float64 with numpy alone."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(scores: list[float]) -> list[float]:
    total = sum(np.exp(score) for score in scores)
    return [np.exp(score) / total for score in scores]


def weighted_sum(weights: list[float], vectors: list[Array]) -> Array:
    return sum((w * x for w, x in zip(weights, vectors, strict=True)), np.zeros_like(vectors[0]))


def mean_of(rows: list[list[float]]) -> list[float]:
    """Return the mean of each column."""
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def part_of(x: Array, head: int, heads: int) -> Array:
    """Return the rows that belong to one head."""
    return np.split(x, heads)[head]


def squeezed(weights: dict[str, Array], name: str, x: Array, bits: int) -> Array:
    """Mentzer et al. 2024, section 3.1: of U q(tanh(W x + a)) + b the levels are what crosses."""
    soft = np.tanh(weights[f"{name}.inward.weight"] @ x + weights[f"{name}.inward.bias"])
    middles = [
        min(middles_of(2 ** min(4, bits - 4 * i)), key=lambda middle, each=each: abs(middle - each))
        for i, each in enumerate(soft)
    ]
    return weights[f"{name}.outward.weight"] @ np.array(middles) + weights[f"{name}.outward.bias"]


def middles_of(levels: int) -> list[float]:
    """Return the middles of so many levels, equally wide from -1 to 1."""
    return [(2 * level + 1) / levels - 1 for level in range(levels)]


def relative_error(found: Array, expected: Array) -> float:
    """Return the largest difference as a share of the largest number expected."""
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())

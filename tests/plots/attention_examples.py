"""Portraits made by hand, for tests of what is drawn of them."""

from typing import Any

import numpy as np

from attnbench.inspection.attention_example import AttentionExample, Numbers

SOURCE = ("a", "b", "c")
WRITTEN = ("c", "a", "a")


def attention_example(**changes: Any) -> AttentionExample:
    """Return `a b c` to be reversed, written as `c a a`: the second word is wrong, and its weight .83 lies on `a`."""
    values: dict[str, Any] = {
        "index": 7,
        "source": SOURCE,
        "written": WRITTEN,
        "is_given": (False,) * 3,
        "expected": ("c", "b", "a"),
        "weights": numbers([[0.0, 0.1, 0.9], [0.83, 0.12, 0.05], [1.0, 0.0, 0.0]]),
        "gradients": numbers([[0.2, 0.3, 0.5], [0.1, 0.3, 0.6], [0.25, 0.25, 0.5]]),
        "heads": None,
        "encoder": None,
        "decoder": None,
        "sure": np.eye(3, dtype=bool)[::-1].copy(),
        "possible": None,
    }
    return AttentionExample(**{**values, **changes})


def numbers(rows: Any) -> Numbers:
    return np.array(rows, dtype=np.float32)


def random_shares(*shape: int, seed: int = 0) -> Numbers:
    """Return numbers whose last axis sums to 1."""
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.full(shape[-1], 0.2), size=shape[:-1]).astype(np.float32)


def long_attention_example(words: int, layers: int = 1, heads: int = 1) -> AttentionExample:
    """Return one of a Transformer that writes as many words as it reads."""
    names = tuple(f"word{place}" for place in range(words))
    maps = random_shares(layers, heads, words, words)
    return attention_example(
        source=names,
        written=names,
        is_given=(False,) * words,
        expected=names[::-1],
        weights=maps.mean(axis=(0, 1)),
        gradients=random_shares(words, words, seed=1),
        heads=maps,
        encoder=random_shares(layers, heads, words, words, seed=2),
        sure=np.eye(words, dtype=bool)[::-1].copy(),
    )

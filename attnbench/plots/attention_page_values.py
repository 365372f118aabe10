"""One example as the script of the attention page reads it: words, wrong ones, gold positions, and weights.

Weights are shares between 0 and 1. A map by itself goes as 16-bit whole numbers, 65535 for 1; the maps of many layers
and heads go as bytes, 255 times the square root, which keeps small shares: the error is below .004 near 1 and below
.0004 under .01. As base64 that is 2.7 and 1.3 characters a number.
"""

import base64
from collections.abc import Mapping, Sequence

import numpy as np

from attnbench.inspection.portrait import Numbers, Places, Portrait

Value = None | bool | int | float | str | Sequence["Value"] | Mapping[str, "Value"]


def portrait_values(portrait: Portrait) -> Value:
    """Return what the page shows of one example, of types that JSON knows."""
    encoder = portrait.encoder
    return {
        "index": portrait.index,
        "source": list(portrait.source),
        "written": list(portrait.written),
        "expected": list(portrait.expected),
        "given": list(portrait.is_given),
        "wrong": [_is_wrong(portrait, place) for place in range(len(portrait.written))],
        "sure": _positions(portrait.sure),
        "possible": _positions(portrait.possible),
        "attention": _view(portrait.weights, portrait.heads),
        "gradient": _view(portrait.gradients, None),
        "encoder": _view(None if encoder is None else encoder.mean(axis=(0, 1)), encoder),
    }


def _is_wrong(portrait: Portrait, place: int) -> bool:
    """Return whether the model chose another word than the one expected at this place."""
    if portrait.is_given[place] or not portrait.expected:
        return False
    return portrait.written[place : place + 1] != portrait.expected[place : place + 1]


def _positions(places: Places | None) -> Value:
    """Return the source positions that are True, a list for each expected word."""
    return None if places is None else [np.flatnonzero(row).tolist() for row in places]


def _view(mean: Numbers | None, heads: Numbers | None) -> Value:
    if mean is None:
        return None
    return {
        "mean": _base64(np.rint(_shares(mean) * 65535).astype("<u2")),
        "heads": None if heads is None else _base64(np.rint(np.sqrt(_shares(heads)) * 255).astype("u1")),
        "layers": 1 if heads is None else heads.shape[0],
        "headsPerLayer": 1 if heads is None else heads.shape[1],
    }


def _shares(numbers: Numbers) -> Numbers:
    """Return the numbers within [0, 1], which sums of rounded parts may leave by a hair."""
    if not np.isfinite(numbers).all():
        raise ValueError("weights that are not finite")
    return np.clip(numbers, 0, 1)


def _base64(numbers: np.ndarray) -> str:
    return base64.b64encode(numbers.tobytes()).decode("ascii")

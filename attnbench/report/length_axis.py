"""The axis of lengths, the same in every figure."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

# Share of the axis' width that one character of a tick label takes, at our panel width and font size.
_CHARACTER = 0.017
# Empty share of the axis ahead of the first length and behind the last.
_MARGIN = 0.05


def set_length_axis(ax: Axes, labels: Mapping[int, str], unit: str) -> Axes:
    """Scale the x axis for the lengths given, write them as told, leaving out those without room."""
    lengths = sorted(labels)
    use_log = is_log(lengths)
    if use_log:
        ax.set_xscale("log", base=2)
    ax.set_xlim(*_limits(lengths, use_log))
    shown = _with_room(_shares(lengths, use_log), [labels[length] for length in lengths])
    ax.set_xticks([lengths[i] for i in shown], [labels[lengths[i]] for i in shown])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(f"input length ({unit})" if unit else "input length", fontsize=9)
    return ax


def is_log(lengths: Sequence[int]) -> bool:
    """Whether lengths in increasing order belong on a log axis: they double, or span a factor of 8."""
    doubling = all(b == 2 * a for a, b in pairwise(lengths))
    return len(lengths) > 1 and (doubling or lengths[-1] >= 8 * lengths[0])


def _limits(lengths: Sequence[int], use_log: bool) -> tuple[float, float]:
    first, last = lengths[0], lengths[-1]
    if first == last:
        return first - 1, last + 1
    if use_log:
        factor = (last / first) ** _MARGIN
        return first / factor, last * factor
    return first - _MARGIN * (last - first), last + _MARGIN * (last - first)


def _shares(lengths: Sequence[int], use_log: bool) -> list[float]:
    """Return where each length stands between the first (0) and the last (1)."""
    places = [math.log2(length) if use_log else length for length in lengths]
    span = (places[-1] - places[0]) or 1
    return [(place - places[0]) / span for place in places]


def _with_room(shares: Sequence[float], labels: Sequence[str]) -> list[int]:
    """Return which labels can be written without touching: the last always, the others from the left."""
    last = len(labels) - 1
    shown: list[int] = []
    for i in range(last):
        if all(abs(shares[i] - shares[j]) >= _room(labels[i], labels[j]) for j in [*shown[-1:], last]):
            shown.append(i)
    return [*shown, last]


def _room(one: str, other: str) -> float:
    return _CHARACTER * ((len(one) + len(other)) / 2 + 1)

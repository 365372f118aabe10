"""What stands under the capacity figure: how to read its lines, bands, arrows and numbers."""

from collections.abc import Sequence

from attnbench.plots.points import Panel
from attnbench.report.capacity_points import Capacity
from attnbench.report.captions import figure_caption

_PLATEAU = (
    "A plateau is the longest run of at least two lengths up to the longest tested, all beyond the last with "
    "95 % of the bits available, over which the slope of the bits in log2 length has a 95 % t interval over seeds "
    "that includes 0 and ends below half the slope of the bits available; the interval of its level, drawn as a "
    "band, does not end below what was held at a shorter length."
)
_CUT = "Bars of few seeds that differ may leave the panel."
_NO_PLATEAU = "No arm has one."
_LEARNT = "A plateau is the capacity learned at this size and budget, not what the numbers could hold."
_SIZES = (
    "Below: the level of the plateau against the size of the context, with its interval; an arrow marks an arm "
    "without a plateau, at the largest of its mean bits, which it holds at least. Points that would hide one "
    "another stand a little aside; capacity.csv has the exact numbers. L50 against the size of the context: "
    "--figure memory."
)


def capacity_caption(panels: Sequence[Panel], found: Sequence[Capacity], has_sizes: bool) -> str:
    """Explain all that a capacity figure draws, and nothing that it does not."""
    has_plateau = any(each.is_plateau for each in found)
    without_context = sorted({each.arm.model for each in found if each.context_size == 0})
    sentences = [
        figure_caption(panels, ["bits_recovered"]),
        _CUT,
        _PLATEAU,
        _LEARNT if has_plateau else _NO_PLATEAU,
        _SIZES if has_sizes else "",
        f"Not drawn below, since no number crosses: {', '.join(without_context)}."
        if has_sizes and without_context
        else "",
    ]
    return " ".join(filter(None, sentences))

"""What stands under the memory figure: how to read it, and which arms are not on it."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from attnbench.analysis.arms import arms_of
from attnbench.arm import Arm
from attnbench.plots.points import panel_title
from attnbench.plots.style import arm_labels, order_arms
from attnbench.report.breakdown_words import length_text
from attnbench.report.memory_points import MemoryPoint, arm_rows, memory_points, without_size
from attnbench.report.shared_facts import shared_sentences

_CONTEXT = (
    "Context size: distinct numbers that cross from encoder to decoder, its first state included, at the length "
    "L50; between tested lengths it is linear in length."
)
_LINES = "Lines join the hidden sizes of an arm."
_ARROWS = (
    "Arrows: L50 is beyond the length where the arrow starts, the longest tested (up) or the shortest (down); "
    "the order of the points on an arrow means nothing."
)
_ASIDE = "Points that would hide one another stand a little aside; memory.csv has the exact numbers."
_HOLLOW = "Hollow points: a run at the tested lengths around L50 was ended by its budget."
_OUTSIDE = "A bar is about the mean of the seeds' own log2 L50, so the point may lie outside."


def memory_caption(panels: Sequence[pd.DataFrame]) -> str:
    """Explain what the panels of a memory figure draw, and name the arms that they do not draw, and why."""
    points = [point for rows in panels for point in memory_points(rows)]
    rows = pd.concat(panels)
    free = [point for point in points if not point.censored]
    sentences = [
        _threshold(rows),
        _bars(free, rows["seeds"].max() == 1),
        _CONTEXT,
        _ARROWS if len(free) < len(points) else "",
        _LINES if len({point.arm.hidden_size for point in points}) > 1 else "",
        _ASIDE if len(free) > 1 else "",
        _HOLLOW if any(point.is_ended_by_budget for point in points) else "",
        *(_not_drawn(each, len(panels) > 1) for each in panels),
        _training(rows),
    ]
    return " ".join(filter(None, sentences))


def _threshold(rows: pd.DataFrame) -> str:
    fewest, most = rows["seeds"].min(), rows["seeds"].max()
    over = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    what = "the accuracy of one seed" if most == 1 else f"the mean accuracy of {over} seeds"
    return (
        f"L50: where {what}, free-running, first falls half way from perfect to chance, interpolated in log2 "
        "length between tested lengths."
    )


def _bars(free: Sequence[MemoryPoint], is_one_seed: bool) -> str:
    """Explain the intervals of the points that are not censored."""
    with_bar = [point for point in free if point.has_interval]
    if not with_bar:
        why = "of one seed" if is_one_seed else "where seeds are equal or one is censored"
        return f"There is no interval {why}." if free else ""
    some = (
        " (none where a seed is censored, all are equal or there is one)" if len(with_bar) < len(free) else ""
    )
    is_outside = any(not point.low <= point.length <= point.high for point in with_bar)
    bars = f"Bars: 95 % Student t interval of the seeds' own L50{some}."
    return f"{bars} {_OUTSIDE}" if is_outside else bars


def _not_drawn(memory: pd.DataFrame, is_one_of_many: bool) -> str:
    """Name the arms of a panel that log axes cannot show, and why."""
    arms, drawn = arms_of(memory), {point.arm for point in memory_points(memory)}
    reasons: dict[str, list[Arm]] = {}
    for arm, row in arm_rows(memory):
        if arm not in drawn:
            reasons.setdefault(_reason(row), []).append(arm)
    parts = [f"{_names(missing, arms)}: {reason}" for reason, missing in reasons.items()]
    where = f" in “{panel_title(arms)}”" if is_one_of_many else ""
    return f"Not drawn{where}: {'; '.join(parts)}." if parts else ""


def _reason(row: Any) -> str:
    sign = {"above": "> ", "below": "< "}.get(row.censored, "")
    found = "not learnt" if pd.isna(row.length) else f"L50 {sign}{length_text(row.length)}"
    if row.context_size == 0:
        return f"no context, which a log axis cannot show ({found})"
    return found if pd.isna(row.length) else f"size of the context unknown ({found})"


def _names(some: Sequence[Arm], arms: Sequence[Arm]) -> str:
    """Name some of the arms of a panel; hidden sizes are named where it is not all of them."""
    labels = arm_labels([without_size(arm) for arm in arms])
    names = []
    for family in order_arms(map(without_size, some)):
        sizes, all_sizes = (
            sorted(arm.hidden_size for arm in each if without_size(arm) == family) for each in (some, arms)
        )
        hidden = "" if sizes == all_sizes else f" at hidden size {', '.join(map(str, sizes))}"
        names.append(f"{labels[family]}{hidden}")
    return " and ".join(names)


def _training(rows: pd.DataFrame) -> str:
    """Name what all arms share, and how long they were trained."""
    steps = rows["steps"].max()
    budget = "" if pd.isna(steps) else f"L50 is what at most {steps:,} training steps reached."
    return f"{shared_sentences(arms_of(rows))} {budget}".strip()

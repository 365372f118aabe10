"""What the verdict says of the arms beside their baseline: the contrast fixed in advance, and the short lengths."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from attnbench.analysis.comparison import TESTED_PAIRS
from attnbench.analysis.statistics import MOST_PAIRS, USUAL_LEVEL
from attnbench.arm import Arm
from attnbench.formatting import joined
from attnbench.plots.style import model_style
from attnbench.report.settings import Setting

# No verdict on fewer pairs, whatever their gap.
LEAST_PAIRS = 3

Rows = Sequence[tuple[Arm, Any]]


def _in_order(setting: Setting, kind: str) -> Iterator[tuple[Arm, Any]]:
    """Yield the gaps of a kind in the order of legends."""
    places = {arm: place for place, arm in enumerate(setting.labels)}
    for arm, row in sorted(setting.gaps, key=lambda entry: places[entry[0]]):
        if row.kind == kind:
            yield arm, row


def contrasts(setting: Setting) -> Rows:
    """Return the rows of the contrast fixed in advance, of the free-running accuracy."""
    return [*_in_order(setting, "contrast")]


def not_compared(setting: Setting) -> list[str]:
    """Say where nothing was compared, and why."""
    baseline, rows = setting.baseline, contrasts(setting)
    if baseline is None:
        return ["Nothing was compared: there is no baseline arm (fixed, unless --baseline names another)."]
    if not setting.points:
        return ["Nothing was compared: no row has the free-running accuracy."]
    name = model_style(baseline).name
    if not rows:
        return [f"Nothing was compared: no other arm shares this setting, seeds and a length with {name}."]
    few = [(arm, row) for arm, row in rows if row.pairs < LEAST_PAIRS]
    if not few:
        return []
    pairs = joined(str(number) for number in sorted({row.pairs for _, row in few}))
    arms = joined(setting.named(arm) for arm, _ in few)
    noun = "pair" if pairs == "1" else "pairs"
    return [
        f"No verdict on the comparison of {arms} with {name}: {pairs} {noun} of seeds, and {LEAST_PAIRS} are the least."
    ]


def comparison_found(setting: Setting) -> list[str]:
    """Say what the contrast shows, and at which short lengths an arm is as good as the baseline."""
    if setting.baseline is None:
        return []
    name = model_style(setting.baseline).name
    found = []
    for (pairs, shortest, longest, count), own in _tested_groups(setting).items():
        over = f"{shortest} to {longest} {setting.unit}" if count > 1 else f"{shortest} {setting.unit} alone"
        gaps = joined((_gap(setting, arm, row) for arm, row in own), comma="; ")
        found.append(f"Accuracy against {name}, averaged over {over}, n = {pairs} pairs of seeds: {gaps}.")
    return [*found, *_short_lengths(setting, name)]


def comparison_method(setting: Setting) -> list[str]:
    """Say how lengths are averaged and which test stands behind a p, or why there is none."""
    groups = _tested_groups(setting)
    if not groups:
        return []
    tests = dict.fromkeys(_test([row for _, row in own]) for own in groups.values())
    return ["The comparison averages free-running accuracy over log length, paired by seed.", *tests]


def _tested_groups(setting: Setting) -> dict[tuple[Any, ...], list[tuple[Arm, Any]]]:
    """Return the contrasts of enough pairs, those together that share pairs and lengths."""
    groups: dict[tuple[Any, ...], list[tuple[Arm, Any]]] = {}
    for arm, row in contrasts(setting):
        if row.pairs >= LEAST_PAIRS:
            key = (row.pairs, row.shared_min, row.shared_max, row.shared_lengths)
            groups.setdefault(key, []).append((arm, row))
    return groups


def _gap(setting: Setting, arm: Arm, row: Any) -> str:
    side = "higher" if row.gap >= 0 else "lower"
    interval = (
        " (no interval: all pairs equal)" if pd.isna(row.low) else f" [{row.low:+.3f}, {row.high:+.3f}]"
    )
    p = "" if pd.isna(row.p_one_sided) else f", p = {row.p_one_sided:.3g}"
    # Both are counts of ways over 2 to the number of pairs, so that a p at its floor equals it.
    p += f", the floor of {row.pairs} pairs" if row.p_one_sided == row.p_floor else ""
    return f"{setting.named(arm)} {abs(row.gap):.3f} {side}{interval}{p}"


def _test(rows: Sequence[Any]) -> str:
    """Say of contrasts of as many pairs which test stands behind their p, or why there is none."""
    pairs, floor = rows[0].pairs, rows[0].p_floor
    if pairs < TESTED_PAIRS:
        return f"No test of {pairs} pairs: below {TESTED_PAIRS} none can come under {USUAL_LEVEL}."
    if pairs > MOST_PAIRS:
        return f"No exact test of {pairs} pairs: it counts no more than {MOST_PAIRS}."
    if all(pd.isna(row.p_one_sided) for row in rows):
        return "No test of what is lower: higher was asked."
    return (
        f"p is of the exact one-sided sign-flip test of higher; of {pairs} pairs the smallest is 1/2^{pairs} = "
        f"{floor:.3g}."
    )


def _short_lengths(setting: Setting, baseline: str) -> list[str]:
    """Say at which short lengths an arm is as good as the baseline."""
    parts: dict[Arm, dict[str, list[str]]] = {}
    for arm, row in _in_order(setting, "length"):
        if row.short and row.pairs >= LEAST_PAIRS:
            verdict = "undecided" if pd.isna(row.equivalent) else "within" if row.equivalent else "not within"
            parts.setdefault(arm, {}).setdefault(verdict, []).append(str(row.length))
    words = {
        "within": "within ±0.02 at {}",
        "not within": "not within ±0.02 at {}",
        "undecided": "without an interval at {}, all pairs being equal",
    }
    texts: dict[str, list[Arm]] = {}
    for arm, by_verdict in parts.items():
        text = ", ".join(words[name].format(joined(by_verdict[name])) for name in words if name in by_verdict)
        texts.setdefault(text, []).append(arm)
    listed = "; ".join(f"{joined(setting.named(arm) for arm in arms)} {text}" for text, arms in texts.items())
    where = f"On short inputs, where {baseline} is within a tenth of perfect, the gap's interval is"
    return [f"{where}: {listed}."] if listed else []

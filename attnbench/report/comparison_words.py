"""What the verdict says of the arms beside their baseline: the contrast fixed in advance, and the short lengths."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from attnbench.analysis.comparison import TESTED_PAIRS
from attnbench.analysis.statistics import MOST_PAIRS
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


def comparison_sentences(setting: Setting) -> list[str]:
    """Say what the contrast shows; where it shows nothing, why."""
    baseline, rows = setting.baseline, contrasts(setting)
    if baseline is None:
        return ["Nothing was compared: there is no baseline arm (fixed, unless --baseline names another)."]
    if not setting.points:
        return ["Nothing was compared: no row has the free-running accuracy."]
    name = model_style(baseline).name
    if not rows:
        return [f"Nothing was compared: no other arm shares this setting, seeds and a length with {name}."]
    enough = [(arm, row) for arm, row in rows if row.pairs >= LEAST_PAIRS]
    few = [(arm, row) for arm, row in rows if row.pairs < LEAST_PAIRS]
    sentences = []
    if few:
        pairs = joined(str(number) for number in sorted({row.pairs for _, row in few}))
        arms = joined(setting.named(arm) for arm, _ in few)
        noun = "pair" if pairs == "1" else "pairs"
        sentences.append(
            f"No verdict on the comparison of {arms} with {name}: {pairs} {noun} of seeds, and "
            f"{LEAST_PAIRS} are the least."
        )
    return [*sentences, *_contrast_sentences(setting, enough, name), *_short_sentences(setting, name)]


def _contrast_sentences(setting: Setting, rows: Rows, baseline: str) -> list[str]:
    """Return a sentence for all arms that share pairs and lengths, so that these are named once."""
    groups: dict[tuple[Any, ...], list[tuple[Arm, Any]]] = {}
    for arm, row in rows:
        key = (row.pairs, row.shared_min, row.shared_max, row.shared_lengths)
        groups.setdefault(key, []).append((arm, row))
    sentences = []
    for (pairs, shortest, longest, count), own in groups.items():
        over = (
            f"{shortest} to {longest} {setting.unit}, {count} lengths"
            if count > 1
            else f"at {shortest} alone"
        )
        gaps = joined(_gap(setting, arm, row) for arm, row in own)
        sentences.append(
            f"Averaged over log length ({over}), the free-running accuracy against {baseline}'s was {gaps} "
            f"(n = {pairs} pairs of seeds{_test([row for _, row in own])})."
        )
    return sentences


def _gap(setting: Setting, arm: Arm, row: Any) -> str:
    side = "higher" if row.gap >= 0 else "lower"
    interval = (
        " (no interval: all pairs equal)" if pd.isna(row.low) else f" [{row.low:+.3f}, {row.high:+.3f}]"
    )
    p = "" if pd.isna(row.p_one_sided) else f", p = {row.p_one_sided:.3g}"
    return f"{abs(row.gap):.3f} {side} for {setting.named(arm)}{interval}{p}"


def _test(rows: Sequence[Any]) -> str:
    """Say of contrasts of as many pairs which test stands behind their p, or why there is none."""
    pairs, floor = rows[0].pairs, rows[0].p_floor
    if pairs < TESTED_PAIRS:
        return f"; no test below {TESTED_PAIRS}"
    if pairs > MOST_PAIRS:
        return f"; no exact test beyond {MOST_PAIRS}"
    if all(pd.isna(row.p_one_sided) for row in rows):
        return "; no test of what is lower, since higher was asked"
    return f", exact one-sided sign-flip test of higher, whose smallest p is 1/2^{pairs} = {floor:.3g}"


def _short_sentences(setting: Setting, baseline: str) -> list[str]:
    """Say at which short lengths an arm keeps what the baseline has."""
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
    where = f"Where {baseline} is within a tenth of perfect, intervals of the gap in {setting.unit}"
    return [f"{where}: {listed}."] if listed else []

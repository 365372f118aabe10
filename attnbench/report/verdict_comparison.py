"""The sentences of a verdict about the comparison with the baseline, and about bits."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from attnbench.arm import Arm
from attnbench.plots.style import model_style
from attnbench.report.capacity_points import Capacity, bits_text, level_words
from attnbench.report.settings import Setting, joined

# No verdict on fewer pairs, whatever their gap.
LEAST_PAIRS = 3

Rows = Sequence[tuple[Arm, Any]]


def contrasts(setting: Setting) -> Rows:
    """Return the rows of the contrast fixed in advance, of the free-running accuracy."""
    return [(arm, row) for arm, row in _in_order(setting) if row.kind == "contrast"]


def comparison_sentences(setting: Setting) -> list[str]:
    """Say what the contrast shows; where it shows nothing, why."""
    baseline, rows = setting.baseline, contrasts(setting)
    if baseline is None:
        return ["Nothing was compared: there is no baseline arm (fixed, unless --baseline names another)."]
    name = model_style(baseline).name
    if not rows:
        return [f"Nothing was compared: no other arm shares this setting, seeds and a length with {name}."]
    enough = [(arm, row) for arm, row in rows if row.pairs >= LEAST_PAIRS]
    few = [(arm, row) for arm, row in rows if row.pairs < LEAST_PAIRS]
    sentences = []
    if few:
        pairs = joined(str(number) for number in sorted({row.pairs for _, row in few}))
        arms = joined(setting.labels[arm] for arm, _ in few)
        noun = "pair" if pairs == "1" else "pairs"
        sentences.append(
            f"No verdict on the comparison of {arms} with {name}: {pairs} {noun} of seeds, and "
            f"{LEAST_PAIRS} are the least."
        )
    return [*sentences, *_contrast_sentences(setting, enough, name), *_short_sentences(setting, name)]


def bits_sentences(setting: Setting) -> list[str]:
    """Say how many bits each arm was seen to hold, and whether they level off."""
    own = setting.capacities
    parts = [_held(setting, each) for each in own if each.is_plateau]
    full = [setting.labels[each.arm] for each in own if each.status == "all_recovered"]
    parts += [f"at least 95 % at the longest length, {setting.longest}: {joined(full)}"] if full else []
    rest = [
        f"{setting.labels[each.arm]} {bits_text(each.bits)}"
        for each in own
        if each.status in ("none", "too_few")
    ]
    parts += [f"at most, without a plateau shown: {joined(rest)}"] if rest else []
    return [f"Of the bits there are to know, arms held {'; '.join(parts)}."] if parts else []


def _held(setting: Setting, each: Capacity) -> str:
    start = each.lengths[0] if each.lengths else 0
    return (
        f"{level_words(each)}, levelling off from {start} {setting.unit} on, the capacity learnt at this size and "
        f"budget ({setting.labels[each.arm]})"
    )


def _in_order(setting: Setting) -> Rows:
    """Return the gaps in the order of legends."""
    places = {arm: place for place, arm in enumerate(setting.labels)}
    return sorted(setting.gaps, key=lambda entry: places[entry[0]])


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
            f"(n = {pairs} pairs of seeds, exact one-sided sign-flip test, whose smallest p is "
            f"1/2^{pairs} = {own[0][1].p_floor:.3g})."
        )
    return sentences


def _gap(setting: Setting, arm: Arm, row: Any) -> str:
    side = "higher" if row.gap >= 0 else "lower"
    interval = (
        " (no interval: all pairs equal)" if pd.isna(row.low) else f" [{row.low:+.3f}, {row.high:+.3f}]"
    )
    p = "no exact p" if pd.isna(row.p_one_sided) else f"p = {row.p_one_sided:.3g}"
    return f"{abs(row.gap):.3f} {side} for {setting.labels[arm]}{interval}, {p}"


def _short_sentences(setting: Setting, baseline: str) -> list[str]:
    """Say at which short lengths an arm keeps what the baseline has."""
    parts: dict[Arm, dict[str, list[str]]] = {}
    for arm, row in _in_order(setting):
        if row.kind == "length" and row.short and row.pairs >= LEAST_PAIRS:
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
    if not texts:
        return []
    listed = "; ".join(
        f"{joined(setting.labels[arm] for arm in arms)} {text}" for text, arms in texts.items()
    )
    return [
        f"Where {baseline} is within a tenth of perfect, intervals of the gap in {setting.unit}: {listed}."
    ]

"""What the verdict says of real text: how much of its best BLEU and chrF an arm retains at longer inputs."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from attnbench.analysis.bootstrap import BITS, BOTH, DRAWS, SEEDS, SENTENCES
from attnbench.analysis.breakdown import Breakdown, lengths_around
from attnbench.analysis.retention import BLIND, FEW_SENTENCES, GAIN, LEAST_SCORE
from attnbench.formatting import joined, sentence
from attnbench.plots.points import ArmRows, breakdown_cell, breakdown_remark, interval_text
from attnbench.report.breakdown_words import rounded_length
from attnbench.report.settings import Setting

NAMES = {"bleu": "BLEU", "chrf": "chrF", GAIN: "bits per target token gained over blind"}
_NOTHING = {
    "bleu": f"less than {LEAST_SCORE['bleu']:g} BLEU",
    "chrf": f"less than {LEAST_SCORE['chrf']:g} chrF",
    GAIN: f"less than {LEAST_SCORE[GAIN]:g} bits gained over blind",
}
_INTERVALS = {
    BOTH: f"are over sentences (drawn anew {DRAWS:,} times, the same for every arm and seed) and over seeds "
    "(Student's t)",
    SENTENCES: f"are over sentences, drawn anew {DRAWS:,} times; one seed says nothing of other seeds",
    SEEDS: "are over seeds alone, on the same sentences: they say nothing of other sentences",
}


def text_headline(setting: Setting) -> str:
    """Say in one sentence which arms lose half of their best score, and at which length; by BLEU where there is any.

    Nothing is said of an arm whose best bucket, or one by which it falls or holds, has too few sentences.
    """
    score = next(score for score in NAMES if _known(setting, score))
    small = {rows.arm: _small_decisive(setting, rows, each, score) for rows, each in _known(setting, score)}
    known = [(rows, each) for rows, each in _known(setting, score) if not small[rows.arm]]
    fallen = [
        f"{setting.named(rows.arm)} at {rounded_length(each.length)}"
        for rows, each in known
        if not each.censored
    ]
    held = [setting.named(rows.arm) for rows, each in known if each.censored == "above"]
    nothing = [setting.named(rows.arm) for rows, each in known if each.censored == "not_learnt"]
    parts = [f"less than half of an arm's best is left for {joined(fallen)} {setting.unit}"] if fallen else []
    parts += [f"more than half of it up to {setting.longest} for {joined(held)}"] if fallen and held else []
    if held and not fallen:
        parts.append(
            f"more than half of an arm's best is left up to {setting.longest} {setting.unit} for {joined(held)}"
        )
    parts += [f"{joined(nothing)} learnt nothing that shows"] if nothing else []
    told = f"By {NAMES[score]}, {'; '.join(parts)}." if parts else ""
    labels = setting.panel.length_labels(_drawn_score(setting))
    counts = {length: number for own in small.values() for length, number in own.items()}
    if not counts:
        return told
    listed = joined(f"{number} at {labels[length]}" for length, number in sorted(counts.items()))
    whose = f" by {joined(setting.named(arm) for arm, own in small.items() if own)}" if parts else ""
    few = (
        f"The test has too few sentences to say what is retained{whose}: {listed} {setting.unit}; {FEW_SENTENCES} in a "
        "bucket are the least."
    )
    return f"{told} {few}".strip()


def _small_decisive(setting: Setting, rows: ArmRows, found: Breakdown, score: str) -> dict[int, int]:
    """Return the sentences of the small buckets that decide about an arm: its best, and those up to its fall."""
    if found.censored == "not_learnt":
        return {}
    own = [*_rows(setting, rows, score)]
    first = min((row.length for row in own if row.is_best), default=0)
    last = lengths_around([row.length for row in own], found.length)[-1]
    return {row.length: int(row.examples) for row in own if first <= row.length <= last and _is_small(row)}


def _is_small(row: Any) -> bool:
    return bool(pd.notna(row.examples) and row.few_sentences)


def text_found(setting: Setting) -> list[str]:
    """Name the buckets of few sentences, then where each arm falls below half of its best and what it retains."""
    fallen = [_fallen(setting, score) for score in NAMES if _known(setting, score)]
    retained = [_retained(setting, score) for score in NAMES if _known(setting, score)]
    return [*filter(None, [_small_buckets(setting), *fallen, *retained, _differences(setting)])]


def text_method(setting: Setting) -> list[str]:
    """Return what the intervals speak of."""
    return [*filter(None, [_intervals(setting)])]


def _known(setting: Setting, score: str) -> list[tuple[ArmRows, Breakdown]]:
    found = [(rows, rows.breakdown(score)) for rows in setting.arms]
    return [(rows, each) for rows, each in found if each is not None]


def _fallen(setting: Setting, score: str) -> str:
    known = _known(setting, score)
    fallen = [
        f"{setting.named(rows.arm)} at {breakdown_cell(each, _tested(rows, score), setting.unit)}"
        f"{breakdown_remark(each, _tested(rows, score))}"
        for rows, each in known
        if not each.censored
    ]
    held = [
        f"{setting.named(rows.arm)}{interval_text(each, _tested(rows, score))}"
        for rows, each in known
        if each.censored == "above"
    ]
    nothing = [setting.named(rows.arm) for rows, each in known if each.censored == "not_learnt"]
    name = NAMES[score]
    parts = (
        [f"by {name}, less than half of an arm's own best bucket is left for {joined(fallen, comma='; ')}"]
        if fallen
        else []
    )
    parts += (
        [f"by {name}, more than half of it is left up to {setting.longest} {setting.unit}: {joined(held)}"]
        if held
        else []
    )
    parts += [f"{_NOTHING[score]} in every bucket: {joined(nothing)}"] if nothing else []
    return sentence(*parts)


def _tested(rows: ArmRows, score: str) -> list[int]:
    """Return the buckets of an arm; those of the bits gained are the ones that have BLEU."""
    return rows.tested("bleu" if score == GAIN else score)


def _retained(setting: Setting, score: str) -> str:
    arms = _arms(setting, score, "retention")
    name = NAMES[score].replace("bits", "Bits", 1)
    return f"{name} relative to each arm's best bucket: {'; '.join(arms)}." if arms else ""


def _differences(setting: Setting) -> str:
    arms = _arms(setting, BITS, "difference")
    if not arms:
        return ""
    has_blind = any(rows.arm.model == BLIND for rows in setting.arms)
    return (
        f"Teacher-forced cross-entropy above each arm's best bucket, in bits per target token: {'; '.join(arms)}. A "
        "difference is no share, so it has no half"
        + (", and what blind has of it lies in the text." if has_blind else ".")
    )


def _arms(setting: Setting, score: str, column: str) -> list[str]:
    labels = setting.panel.length_labels(_drawn_score(setting))
    arms = []
    for rows in setting.arms:
        cells = [_cell(row, getattr(row, column), labels) for row in _rows(setting, rows, score)]
        arms += [f"{setting.named(rows.arm)} {', '.join(cells)}"] if cells else []
    return arms


def _cell(row: Any, value: float, labels: dict[int, str]) -> str:
    if row.is_best:
        return f"best at {labels[row.length]}"
    interval = "" if pd.isna(row.low) else f" [{row.low:.2f}, {row.high:.2f}]"
    return f"{value:.2f}{interval} at {labels[row.length]}"


def _intervals(setting: Setting) -> str:
    """Say what the intervals of retention speak of, and of which arms where that differs."""
    over: dict[str, list[str]] = {}
    for rows in setting.arms:
        kinds = {row.interval_over for score in (*NAMES, BITS) for row in _rows(setting, rows, score)}
        for kind in kinds - {""}:
            over.setdefault(kind, []).append(setting.named(rows.arm))
    if len(over) == 1:
        return f"Intervals of retention {_INTERVALS[next(iter(over))]}."
    return sentence(
        *(f"those of {joined(over[kind])} {_INTERVALS[kind]}" for kind in _INTERVALS if kind in over)
    )


def _drawn_score(setting: Setting) -> str:
    return "bleu" if _known(setting, "bleu") else "chrf"


def _small_buckets(setting: Setting) -> str:
    labels = setting.panel.length_labels(_drawn_score(setting))
    small: dict[int, int] = {}
    best_of: dict[int, list[str]] = {}
    for rows in setting.arms:
        for score in NAMES:
            for row in _rows(setting, rows, score):
                if _is_small(row):
                    small[row.length] = int(row.examples)
                    if row.is_best and setting.named(rows.arm) not in best_of.setdefault(row.length, []):
                        best_of[row.length].append(setting.named(rows.arm))
    if not small:
        return ""
    parts = [
        f"{labels[length]} ({count}{', the best of ' + joined(best_of[length]) if best_of.get(length) else ''})"
        for length, count in sorted(small.items())
    ]
    return f"Buckets of fewer than {FEW_SENTENCES} sentences, whose scores move with each of them: {'; '.join(parts)}."


def _rows(setting: Setting, rows: ArmRows, score: str) -> Iterator[Any]:
    """Yield the arm's rows of retention.csv for a score, by length."""
    yield from (row for arm, row in setting.retention if arm == rows.arm and row.score == score)

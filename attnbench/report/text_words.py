"""What the verdict says of real text: how much of its best BLEU and chrF an arm retains at longer inputs."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from attnbench.analysis.breakdown import Breakdown
from attnbench.analysis.retention import FEW_SENTENCES
from attnbench.formatting import joined, sentence
from attnbench.plots.points import ArmRows, breakdown_cell, breakdown_remark
from attnbench.report.settings import Setting

NAMES = {"bleu": "BLEU", "chrf": "chrF"}


def text_head(setting: Setting) -> list[str]:
    """Say under which length each arm falls to less than half of its best bucket, for BLEU and for chrF."""
    return [_fallen(setting, score) for score in NAMES if _known(setting, score)]


def text_details(setting: Setting) -> list[str]:
    """Return what each arm retains by bucket, what the intervals speak of, and the buckets of few sentences."""
    details = [_retained(setting, score) for score in NAMES if _known(setting, score)]
    details.append(
        "Intervals of retention are over seeds, on the same sentences: they say nothing of other sentences."
    )
    small = _small_buckets(setting)
    return details + ([small] if small else [])


def _known(setting: Setting, score: str) -> list[tuple[ArmRows, Breakdown]]:
    found = [(rows, rows.breakdown(score)) for rows in setting.arms]
    return [(rows, each) for rows, each in found if each is not None]


def _fallen(setting: Setting, score: str) -> str:
    known = _known(setting, score)
    fallen = [
        f"{setting.labels[rows.arm]} at {breakdown_cell(each, rows.tested(score), setting.unit)}"
        f"{breakdown_remark(each, rows.tested(score))}"
        for rows, each in known
        if not each.censored
    ]
    held = [setting.labels[rows.arm] for rows, each in known if each.censored == "above"]
    nothing = [setting.labels[rows.arm] for rows, each in known if each.censored == "not_learnt"]
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
    parts += [f"less than 1 {name} in every bucket: {joined(nothing)}"] if nothing else []
    return sentence(*parts)


def _retained(setting: Setting, score: str) -> str:
    labels = setting.panel.length_labels(score)
    arms = []
    for rows, _ in _known(setting, score):
        cells = [_cell(row, labels) for row in _rows(setting, rows, score)]
        arms += [f"{setting.labels[rows.arm]} {', '.join(cells)}"] if cells else []
    return f"{NAMES[score]} relative to each arm's best bucket: {'; '.join(arms)}."


def _cell(row: Any, labels: dict[int, str]) -> str:
    if row.is_best:
        return f"best at {labels[row.length]}"
    interval = "" if pd.isna(row.low) else f" [{row.low:.2f}, {row.high:.2f}]"
    return f"{row.retention:.2f}{interval} at {labels[row.length]}"


def _small_buckets(setting: Setting) -> str:
    labels = setting.panel.length_labels("bleu" if _known(setting, "bleu") else "chrf")
    small: dict[int, int] = {}
    best_of: dict[int, list[str]] = {}
    for rows in setting.arms:
        for score in NAMES:
            for row in _rows(setting, rows, score):
                if pd.notna(row.examples) and row.few_sentences:
                    small[row.length] = int(row.examples)
                    if row.is_best and setting.labels[rows.arm] not in best_of.setdefault(row.length, []):
                        best_of[row.length].append(setting.labels[rows.arm])
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

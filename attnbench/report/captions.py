"""What stands under a figure: how to read its lines, intervals, hollow points and numbers."""

from collections.abc import Sequence

import pandas as pd

from attnbench.plots.points import Panel
from attnbench.report.shared_facts import shared_sentences

_SCORES = {
    "token_accuracy": "Free-running: greedy decoding that reads its own output, so errors compound.",
    "teacher_forced_accuracy": "Teacher-forced: each token is predicted after the true ones.",
    "bits_recovered": (
        "Bits recovered: a lower bound on what the decoder knows of the target, from teacher-forced "
        "cross-entropy; the dashed line is all there is to know."
    ),
    "bleu": "BLEU of free-running greedy decoding.",
}
_BREAKDOWN = (
    "L50: where the mean first falls half way from perfect to chance, interpolated in log2 length between "
    "tested lengths; in brackets a 95 % t interval of the seeds' own L50."
)
_HOLLOW = "Hollow points: a run there was ended by its budget, so longer training may lift them."
_SHADED = "Shaded: beyond the train range, where a fall mixes capacity with length generalisation."


def figure_caption(panels: Sequence[Panel], scores: Sequence[str]) -> str:
    """Explain all that a figure of these scores draws, and nothing that it does not."""
    arms = [rows for panel in panels for rows in panel.arms]
    has_hollow = any(rows.budget_lengths(score) for rows in arms for score in scores)
    sentences = [
        _seeds(panels, scores),
        _HOLLOW if has_hollow else "",
        *(_SCORES[score] for score in scores),
        _BREAKDOWN if any(rows.breakdown(score) for rows in arms for score in scores) else "",
        _SHADED if any(panel.train_ends for panel in panels) else "",
        _training(panels),
    ]
    return " ".join(filter(None, sentences))


def _seeds(panels: Sequence[Panel], scores: Sequence[str]) -> str:
    points = pd.concat([rows.points(score) for panel in panels for rows in panel.arms for score in scores])
    fewest, most = points["seeds"].min(), points["seeds"].max()
    if most <= 1:
        return "Lines: one seed, so there is no interval."
    number = str(most) if fewest == most else f"{fewest} to {most}"
    equal = " (none where all seeds are equal)" if points["low"].isna().any() else ""
    return f"Lines: mean of {number} seeds; faint: each seed; bars: 95 % Student t interval{equal}."


def _training(panels: Sequence[Panel]) -> str:
    """Name what the arms share, since legends name only what differs, and how long they were trained."""
    arms = [rows for panel in panels for rows in panel.arms]
    steps = pd.concat([rows.metrics["steps"] for rows in arms]).max()
    budget = [] if pd.isna(steps) else [f"at most {steps:,} training steps"]
    return shared_sentences([rows.arm for rows in arms], budget)

"""Small sweeps as the tables that figures are drawn from."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from attnbench.analysis.arms import Metrics
from attnbench.analysis.breakdown import breakdown_table
from attnbench.analysis.curves import curve_table
from attnbench.plots.points import Panel, split_panels
from tests.metrics_rows import curve_rows, metrics_of, metrics_row


class Sweep(NamedTuple):
    """The three tables, in the order in which figures and summaries take them."""

    metrics: Metrics
    curve: pd.DataFrame
    breakdowns: pd.DataFrame


ACCURACIES = ("token_accuracy", "teacher_forced_accuracy")
FALLING = {4: [1.0, 0.98, 1.0], 8: [0.9, 0.88, 0.92], 16: [0.6, 0.55, 0.65], 32: [0.3, 0.35, 0.25]}
STAYING = {4: [1.0, 1.0, 0.99], 8: [1.0, 0.99, 1.0], 16: [0.99, 1.0, 1.0], 32: [0.98, 0.99, 1.0]}


def sweep_of(rows: Sequence[Mapping[str, object]]) -> Sweep:
    metrics = metrics_of(rows)
    return Sweep(metrics, curve_table(metrics), breakdown_table(metrics))


def panels_of(rows: Sequence[Mapping[str, object]]) -> list[Panel]:
    return split_panels(*sweep_of(rows))


def two_arms(**values: object) -> list[dict[str, object]]:
    """A fixed vector that breaks down between 16 and 32, and attention that does not."""
    return curve_rows(FALLING, **values) + curve_rows(STAYING, model="luong_general", **values)


def text_rows(seeds: int = 1) -> list[dict[str, object]]:
    """Translation scored by BLEU in buckets 1–10, 11–20 and 21–40, where no bits are defined."""
    empty = dict.fromkeys(["token_accuracy", "sequence_accuracy", "bits_recovered", "bits_available"])
    ranges = {"protocol": "mixed", "train_min_length": 1, "train_max_length": 40}
    return [
        metrics_row(
            task="translation",
            model=model,
            length=length,
            length_min=least,
            length_unit="source words",
            seed=seed,
            bleu=best - length / 4 - seed,
            chrf=40.0,
            **empty,
            **ranges,
        )
        for model, best in (("fixed", 20.0), ("bahdanau", 30.0))
        for seed in range(seeds)
        for length, least in ((10, 1), (20, 11), (40, 21))
    ]

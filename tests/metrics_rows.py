"""Rows of metrics as a run would write them, for tests of tables, analysis and figures."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from attnbench.analysis.arms import Metrics
from attnbench.runs.metrics_csv import METRICS_COLUMNS
from attnbench.runs.metrics_table import join_metrics


def metrics_row(**values: object) -> dict[str, object]:
    """One complete row of a `per_length` run at length 8, with the values given in place of its own."""
    length = values.get("length", 8)
    row: dict[str, object] = {
        "task": "reverse",
        "model": "fixed",
        "variant": "",
        "protocol": "per_length",
        "length": length,
        "length_unit": "symbols",
        "train_min_length": length,
        "train_max_length": length,
        "seed": 0,
        "hidden_size": 64,
        "context_size": 64,
        "parameters": 50_000,
        "learning_rate": 5e-3,
        "token_accuracy": 0.75,
        "sequence_accuracy": 0.25,
        "teacher_forced_accuracy": 0.875,
        "chance_accuracy": 0.0625,
        "cross_entropy_nats": 0.5,
        "bits_recovered": 20.0,
        "bits_available": 32.0,
        "examples": 1000,
        "target_tokens": 8000,
        "steps": 1500,
        "stop_reason": "plateau",
        "train_seconds": 9.5,
        "tokens_per_second": 80_000.0,
        "device": "cpu",
        "version": "0.1.0",
    } | values
    row.setdefault("run_id", "-".join(str(row[name]) for name in _IDENTITY))
    return {name: row.get(name) for name in [*METRICS_COLUMNS, *(set(row) - set(METRICS_COLUMNS))]}


_IDENTITY = (
    "task",
    "model",
    "variant",
    "protocol",
    "hidden_size",
    "train_min_length",
    "train_max_length",
    "seed",
)


def curve_rows(
    accuracies: Mapping[int, Sequence[float | None]], seeds: Iterable[int] | None = None, **values: object
) -> list[dict[str, object]]:
    """Rows of one arm: at each length one accuracy per seed, for all three kinds of accuracy."""
    rows = []
    for length, by_seed in accuracies.items():
        for seed, accuracy in zip(range(len(by_seed)) if seeds is None else seeds, by_seed, strict=True):
            own = {
                "token_accuracy": accuracy,
                "teacher_forced_accuracy": accuracy,
                "sequence_accuracy": accuracy,
            }
            rows.append(metrics_row(length=length, seed=seed, **own | values))
    return rows


def law_rows(
    steps: Sequence[int],
    sizes: Sequence[int],
    log_length: Callable[[float, float], float],
    seeds: int = 5,
    lengths: Sequence[int] = (4, 6, 8, 12, 16, 24, 32, 48, 64),
    spread: float = 0.05,
    **values: object,
) -> list[dict[str, object]]:
    """Rows of arms that differ in budget and size, whose accuracy falls half way where a law says.

    Args:
        steps: budgets, named in the variant.
        sizes: hidden sizes.
        log_length: log2 L50 of log2 steps and log2 hidden size.
        seeds: how many.
        lengths: tested.
        spread: standard deviation of the log2 L50 of a seed at a length.
        values: of every row.
    """
    generator = np.random.default_rng(len(steps) * 100 + len(sizes))
    rows = []
    for budget, size, seed, length in product(steps, sizes, range(seeds), lengths):
        middle = log_length(math.log2(budget), math.log2(size)) + spread * generator.standard_normal()
        accuracy = 1 / (1 + math.exp(-2.5 * (middle - math.log2(length))))
        own = dict.fromkeys(("token_accuracy", "teacher_forced_accuracy"), accuracy)
        own |= {
            "variant": f"training.steps={budget}",
            "hidden_size": size,
            "chance_accuracy": 0.0,
            "steps": budget,
        }
        rows.append(metrics_row(length=length, seed=seed, **own | {"stop_reason": "budget"} | values))
    return rows


def as_text(rows: Iterable[Mapping[str, object]]) -> list[dict[str, str]]:
    """The rows as they come out of a CSV file."""
    return [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]


def metrics_table(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """The rows as the table that `read_metrics` gives."""
    return join_metrics(as_text(rows))


def metrics_of(rows: Iterable[Mapping[str, object]]) -> Metrics:
    """The rows as tables take them."""
    return Metrics.of(metrics_table(rows))

"""The width that solves n key–value pairs: flat for attention, growing with n for a state of fixed size."""

import math

import numpy as np
import pandas as pd

from attnbench.analysis.statistics import MeanInterval
from tools.reproduction.claims import (
    Claim,
    Found,
    Outcome,
    Reproduction,
    SweepWords,
    all_of,
    below,
    decide,
    interval,
)

SOLVED = 0.9
DOUBLING = 1.0 - 1e-9  # log2; on a grid a doubling is exactly one
ATTENTION, FIXED_STATE = ("transformer", "luong_general"), ("linear", "slots", "fixed")
TRAINING = (
    "--seeds 3 model.hidden_size=32,64,128 "
    "training.learning_rate=2e-3 training.evaluate_every=250 training.patience=100"
)
OF_ATTENTION = SweepWords(
    "zoology_attention",
    f"--task recall --protocol mixed --models {','.join(ATTENTION)} --lengths 4,16,64 task.keys=64 {TRAINING} "
    "training.steps=4000",
    "--lengths 2,4 model.hidden_size=8,16",
)
OF_STATES = SweepWords(
    "zoology_states",
    f"--task recall --models {','.join(FIXED_STATE)} --lengths 4,16 task.keys=24 {TRAINING} training.steps=8000",
    "--lengths 2,4 model.hidden_size=8,16",
)
"""A model for each number of pairs, fewer keys and twice the steps: all that may help a state of fixed size."""


def judge(found: Found) -> list[Claim]:
    """Ask how many doublings of the width the most pairs need beyond the fewest, for each arm and seed."""
    rows, of_states = found.metrics(OF_ATTENTION.name), found.metrics(OF_STATES.name)
    widths, states = smallest_widths(rows), smallest_widths(of_states)
    return [
        Claim(
            "Attention: the smallest width that solves n pairs stays the same.",
            "flat, from 4 to 64 pairs (figure 2)",
            f"{_said(widths, ATTENTION, _grid(rows))} (asked for, by us: less than one doubling)",
            all_of(*(_flat(widths, model) for model in ATTENTION)),
        ),
        Claim(
            "A state of fixed size: the smallest width grows with n.",
            "grows with n for every model without attention (figure 2)",
            f"{_said(states, FIXED_STATE, _grid(of_states))} (asked for, by us: at least one doubling)",
            all_of(*(_grows(states, model, 2 * _grid(of_states)[-1]) for model in FIXED_STATE)),
        ),
    ]


def smallest_widths(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the smallest width with teacher-forced accuracy of `SOLVED`, or NaN: a column for each number of pairs.

    Rows are arms and seeds, (model, seed).
    """
    good = rows["hidden_size"].where(rows["teacher_forced_accuracy"] >= SOLVED)
    return good.groupby([rows["model"], rows["seed"], rows["length"]]).min().unstack("length")


def _grid(rows: pd.DataFrame) -> list[int]:
    return sorted(int(width) for width in rows["hidden_size"].unique())


def _said(widths: pd.DataFrame, models: tuple[str, ...], grid: list[int]) -> str:
    """Write the middle seed's width for each arm and number of pairs."""

    def width(own: pd.Series) -> str:
        middle = own.fillna(math.inf).median()
        if math.isinf(middle):
            return f"not solved up to {grid[-1]}"
        return f"{'≤ ' if middle == grid[0] else ''}{middle:.0f}"

    return "; ".join(
        f"{model} " + ", ".join(f"{n} pairs: {width(own)}" for n, own in widths.loc[model].items())
        for model in models
    )


def _doublings(widths: pd.DataFrame, model: str, beyond: float) -> MeanInterval:
    """Return log2 of the width for the most pairs over that for the fewest; `beyond` stands for what is not solved."""
    own = widths.loc[model].fillna(beyond).to_numpy()
    return interval(list(np.log2(own[:, -1] / own[:, 0])))


def _flat(widths: pd.DataFrame, model: str) -> Outcome:
    if widths.loc[model].isna().to_numpy().any():
        return "not shown"  # not learnt: that tells nothing of the width
    return below(_doublings(widths, model, math.nan), DOUBLING)


def _grows(widths: pd.DataFrame, model: str, beyond: int) -> Outcome:
    """Ask for a doubling, from pairs that every seed has learnt; `beyond` is the least that the others need."""
    if widths.loc[model].isna().to_numpy()[:, 0].any():
        return "not shown"
    return decide(_doublings(widths, model, beyond), DOUBLING)


REPRODUCTION = Reproduction(
    name="zoology2024",
    paper="Arora et al. 2024: Zoology, measuring and improving recall in efficient language models; figure 2",
    sweeps=(OF_ATTENTION, OF_STATES),
    judge=judge,
    differs=(
        "Sequence to sequence, with an encoder, in place of language models; `linear`, `slots` and `fixed` in place of"
        " H3, Hyena, RWKV and a gated convolution.",
        "64 or 24 keys and 16 values in place of 8,192 tokens; the source has the pairs and nothing else.",
        "Widths 32 to 128 in place of 64 to 512; one learning rate in place of the best of four.",
        "4,000 or 8,000 steps in place of 64 passes over 100,000 examples: who needs more has not solved the work.",
        "One model of attention for all numbers of pairs: of 4 alone a Transformer learns values and not their keys."
        " States have a model for each, fewer keys and twice the steps, and are asked for 16 pairs, not 64.",
        "Solved is 0.9 of the values right under teacher forcing; widths are of a grid, the middle seed is written.",
    ),
    minutes=170,
)

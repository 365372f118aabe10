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
    """Ask of each arm how many doublings of the width the most pairs need beyond the fewest, paired by seed."""
    of_attention, of_states = (found.metrics(sweep.name) for sweep in (OF_ATTENTION, OF_STATES))
    flat = [
        Claim(
            f"`{model}`: the smallest width that solves n pairs stays the same.",
            "attention is flat, from 4 to 64 pairs (figure 2)",
            f"{_said(of_attention, model)} (asked for, by us: less than one doubling)",
            _flat(smallest_widths(of_attention), model),
        )
        for model in ATTENTION
    ]
    grows = [
        Claim(
            f"`{model}`, of fixed size: the smallest width grows with n.",
            "grows with n for every model without attention (figure 2)",
            f"{_said(of_states, model)} (asked for, by us: at least one doubling)",
            _grows(smallest_widths(of_states), model, 2 * int(of_states["hidden_size"].max())),
        )
        for model in FIXED_STATE
    ]
    return [*flat, *grows]


def smallest_widths(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the smallest width with teacher-forced accuracy of `SOLVED`, or NaN: a column for each number of pairs.

    Rows are arms and seeds, (model, seed).
    """
    good = rows["hidden_size"].where(rows["teacher_forced_accuracy"] >= SOLVED)
    return good.groupby([rows["model"], rows["seed"], rows["length"]]).min().unstack("length")


def _said(rows: pd.DataFrame, model: str) -> str:
    """Write the width that each seed needs for each number of pairs."""
    least, most = int(rows["hidden_size"].min()), int(rows["hidden_size"].max())

    def width(value: float) -> str:
        if math.isnan(value):
            return f"more than {most}"
        return f"{'≤ ' if value == least else ''}{value:.0f}"

    own = smallest_widths(rows).loc[model]
    cells = (f"{n} pairs {', '.join(width(value) for value in seeds)}" for n, seeds in own.items())
    return f"width of each seed: {'; '.join(cells)}"


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
        "Widths 32 to 128 in place of 64 to 512, none below is seen; one learning rate in place of the best of four.",
        "4,000 or 8,000 steps in place of 64 passes over 100,000 examples: who needs more has not solved the work.",
        "One model of attention for all numbers of pairs: of 4 alone a Transformer learns values and not their keys."
        " States have a model for each, fewer keys and twice the steps, and are asked for 16 pairs, not 64.",
        "Solved is 0.9 of the values right under teacher forcing; widths are of a grid.",
    ),
)

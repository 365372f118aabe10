"""The width that solves n key–value pairs: flat for attention, growing with n for a state of fixed size."""

import math

import pandas as pd

from tools.reproduction.claims import Claim, Found, Outcome, Reproduction, SweepWords, slope

SOLVED = 0.9
ATTENTION, FIXED_STATE = ("transformer", "luong_general"), ("linear", "slots", "fixed")
SWEEP = SweepWords(
    "zoology_recall",
    f"--task recall --models {','.join((*ATTENTION, *FIXED_STATE))} --lengths 4,8,16,32,64 --seeds 2 task.keys=64 "
    "model.hidden_size=16,32,64,128 training.learning_rate=2e-3,5e-3 training.steps=3000",
    "--lengths 2,4 --seeds 1 model.hidden_size=8,16",
)


def judge(found: Found) -> list[Claim]:
    """Take for each arm and n the smallest width of which any rate and seed solves the work."""
    rows = found.metrics(SWEEP.name)
    solved = smallest_widths(rows)
    largest = int(rows["hidden_size"].max())

    def said(models: tuple[str, ...]) -> str:
        return "; ".join(
            f"{model} "
            + ", ".join(
                f"{n}: {f'> {largest}' if math.isnan(width) else f'{width:.0f}'}"
                for n, width in solved[model].items()
            )
            for model in models
        )

    return [
        Claim(
            "Attention: the smallest width that solves n pairs stays the same.",
            "flat, from 4 to 64 pairs (figure 2)",
            said(ATTENTION),
            _flat(solved, ATTENTION),
        ),
        Claim(
            "A state of fixed size: the smallest width grows with n.",
            "grows with n for every model without attention (figure 2)",
            said(FIXED_STATE),
            _grows(solved, FIXED_STATE),
        ),
    ]


def smallest_widths(rows: pd.DataFrame) -> dict[str, dict[int, float]]:
    """Return for each arm and number of pairs the smallest width with teacher-forced accuracy of `SOLVED`, or NaN."""
    widths: dict[str, dict[int, float]] = {}
    for model, own in rows.groupby("model"):
        good = own[own["teacher_forced_accuracy"] >= SOLVED]
        smallest = good.groupby("length")["hidden_size"].min()
        widths[str(model)] = {
            int(n): float(smallest.get(n, math.nan)) for n in sorted(own["length"].unique())
        }
    return widths


def _flat(solved: dict[str, dict[int, float]], models: tuple[str, ...]) -> Outcome:
    exponents = [_exponent(solved[model]) for model in models]
    if any(math.isnan(exponent) for exponent in exponents):
        return "not shown"
    is_whole = all(not math.isnan(width) for model in models for width in solved[model].values())
    return "holds" if is_whole and max(exponents) < 0.25 else "does not hold"


def _grows(solved: dict[str, dict[int, float]], models: tuple[str, ...]) -> Outcome:
    """Say whether each arm needs a larger width for the most pairs that it solves, or solves the most with none."""
    for model in models:
        widths = list(solved[model].values())
        known = [width for width in widths if not math.isnan(width)]
        if not known:
            return "not shown"  # it solves nothing at any width: no growth was seen
        if known[-1] <= known[0] and not math.isnan(widths[-1]):
            return "does not hold"
    return "holds"


def _exponent(widths: dict[int, float]) -> float:
    known = {n: width for n, width in widths.items() if not math.isnan(width)}
    return slope(list(known), list(known.values()))


REPRODUCTION = Reproduction(
    name="zoology2024",
    paper="Arora et al. 2024: Zoology, measuring and improving recall in efficient language models; figure 2",
    sweeps=(SWEEP,),
    judge=judge,
    differs=(
        "Sequence to sequence, with an encoder, in place of language models.",
        "64 keys and 16 values in place of 8,192 tokens.",
        "Widths 16 to 128 in place of 64 to 512, two rates and two seeds.",
        "Solved is 0.9 of the values right under teacher forcing.",
        "Smallest widths have no interval: they are read off a grid.",
    ),
    minutes=150,
)

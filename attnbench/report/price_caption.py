"""What stands under the price figure: how to read it, and which arms are not on it."""

from collections.abc import Sequence

import pandas as pd

from attnbench.analysis.arms import arms_of
from attnbench.plots.points import panel_title
from attnbench.report.price_points import PricePoint
from attnbench.report.shared_facts import shared_sentences

_STEPS = (
    "Steps of training until validation accuracy, free-running, was first 0.9 of the way from chance to perfect; "
    "it is looked at once every training.evaluate_every steps, and no price is finer than that."
)
_ASIDE = "Points that would hide one another stand a little aside; price.csv has the exact numbers."
_CENSORED = (
    "Arrows: fewer than half of the seeds had arrived when training ended; the order of the points on an arrow "
    "means nothing."
)
_HOLLOW = "Hollow: some seeds never arrived."
_DECAY = (
    "The learning rate falls over the last part of a budget, which may bring an arm there: a price near the "
    "budget belongs to this budget alone."
)
_OTHER_CURRENCIES = "Target tokens, seconds and the reasons why runs ended are in price.csv."


def price_caption(price: pd.DataFrame, points: Sequence[PricePoint]) -> str:
    """Explain what a price figure draws, and name what it does not."""
    has_near = any(
        not point.is_censored and point.steps > 0.75 * point.trained_steps and point.seeds_censored == 0
        for point in points
    )
    sentences = [
        _STEPS,
        _seeds(points),
        _HOLLOW if any(point.seeds_censored and not point.is_censored for point in points) else "",
        _CENSORED if any(point.is_censored for point in points) else "",
        _DECAY if has_near or any(point.is_censored for point in points) else "",
        _ASIDE,
        _OTHER_CURRENCIES,
        _not_drawn(price),
        shared_sentences(point.arm for point in points),
    ]
    return " ".join(filter(None, sentences))


def _seeds(points: Sequence[PricePoint]) -> str:
    numbers = [point.seeds for point in points]
    if max(numbers) == 1:
        return "Points: one seed."
    over = f"{max(numbers)}" if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"
    return f"Points: the step by which at least half of {over} seeds had arrived; faint dots: each seed that did."


def _not_drawn(price: pd.DataFrame) -> str:
    without = price[price["length"].isna()]
    titles = [panel_title(arms_of(rows)) for _, rows in without.groupby(["task", "protocol"])]
    if not titles:
        return ""
    return f"Not drawn, since one run learns all lengths: {'; '.join(titles)} (price.csv has the price)."

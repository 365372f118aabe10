"""The tables of the law of the breakdown: law.csv has exponents and their test, law_cells.csv what it says of cells."""

import math
from collections.abc import Iterable, Iterator

import pandas as pd

from attnbench.analysis.larger_budget import family_of
from attnbench.analysis.law import Law, LawCell
from attnbench.analysis.tobit import Estimate
from attnbench.analysis.training_cost import PriceLaw
from attnbench.arm import Arm

L50_SCORE, PRICE_SCORE = "token_accuracy", "steps_to_90"
_FAMILY = ("task", "model", "variant", "protocol", "train_min_length", "train_max_length")
LAW_COLUMNS = (
    *_FAMILY,
    "score",
    "exponent_of",
    "exponent",
    "low",
    "high",
    "cells",
    "censored",
    "held_out",
    "held_out_within",
    "seeds",
    "low_over_seeds",
    "high_over_seeds",
    "above",
    "below",
    "not_learnt",
    "curvature",
    "curvature_low",
    "curvature_high",
    "hidden_size",
    "training_steps",
    "note",
    "held_out_measured",
    "held_out_measured_within",
    "interval_width",
    "tested",
    "seeds_above",
    "seeds_below",
    "seeds_not_learnt",
    "exponent_with_unlearnt",
    "curvature_of_fitted",
    "curvature_of_fitted_low",
    "curvature_of_fitted_high",
)
LAW_CELL_COLUMNS = (
    *_FAMILY,
    "score",
    "training_steps",
    "hidden_size",
    "length",
    "low",
    "high",
    "censored",
    "seeds",
    "fitted",
    "predicted_low",
    "predicted_high",
    "is_held_out",
    "is_within",
    "mean_of_seeds",
    "is_measured",
    "seeds_above",
    "seeds_below",
    "seeds_not_learnt",
)


def law_table(laws: Iterable[Law], prices: Iterable[PriceLaw]) -> pd.DataFrame:
    """Return one row for each exponent and constant, and for each law without any one that says why (law.csv).

    The `score` is that whose L50 it is, or "steps_to_90" of the price of length, whose rows name size and budget.

    `censored`, `above` and `below` count cells by their mean curve, `seeds_above`, `seeds_below` and `seeds_not_learnt`
    the seeds of `cells` by their own. Of the cells `held_out`, all that agree with their interval are
    `held_out_within`; those of which the mean over seeds was measured, and no bound, are `held_out_measured`.
    `interval_width` is the median of the upper ends over the lower ones. `tested` counts the cells held out beyond
    the fitted ones on the axis of the row that were measured, or whose bound contradicts its interval.
    `exponent_with_unlearnt` takes what did not learn as below the shortest tested length. `curvature` is the
    coefficient of the square over all cells, fitted and held out, `curvature_of_fitted` over the former alone.
    """
    rows = [row for law in laws for row in _law_rows(law)] + [
        row for law in prices for row in _price_rows(law)
    ]
    whole = ["cells", "censored", "held_out", "held_out_within", "seeds", "above", "below", "not_learnt"]
    whole += ["held_out_measured", "held_out_measured_within", "tested"]
    whole += ["seeds_above", "seeds_below", "seeds_not_learnt"]
    whole += ["hidden_size", "training_steps", "train_min_length", "train_max_length"]
    return pd.DataFrame(rows, columns=list(LAW_COLUMNS)).astype(dict.fromkeys(whole, "Int64"))


def law_cell_table(laws: Iterable[Law]) -> pd.DataFrame:
    """Return one row for each cell of each law, with what the law says of it (law_cells.csv).

    `length` is L50 of the mean curve. `is_within` judges `mean_of_seeds`, two to the mean of log2 of the seeds' own
    L50: it is a bound, and not `is_measured`, where a seed is one.
    """
    rows = [_cell_row(law, cell) for law in laws for cell in (*law.cells, *law.not_learnt)]
    whole = ["train_min_length", "train_max_length"]
    types = dict.fromkeys(whole, "Int64")
    types |= dict.fromkeys(["is_held_out", "is_within", "is_measured"], "boolean")
    return pd.DataFrame(rows, columns=list(LAW_CELL_COLUMNS)).astype(types)


def _identity(arm: Arm) -> dict[str, object]:
    return {name: getattr(arm, name) for name in _FAMILY} | {"variant": str(arm.variant)}


def _law_rows(law: Law) -> Iterator[dict[str, object]]:
    trial = law.trial(law.held_out)
    shared = _identity(law.family) | {
        "score": L50_SCORE,
        "cells": len(law.cells),
        "censored": law.count("above") + law.count("below"),
        "held_out": len(law.held_out),
        "held_out_within": None if trial is None else trial.measured_within + trial.bounds_within,
        "seeds": max(cell.found.seeds for cell in (*law.cells, *law.not_learnt)),
        "above": law.count("above"),
        "below": law.count("below"),
        "not_learnt": len(law.not_learnt),
        "note": law.reason,
        "held_out_measured": None if trial is None else trial.measured,
        "held_out_measured_within": None if trial is None else trial.measured_within,
        "interval_width": None if trial is None else trial.width,
        **_seed_counts(law.cells),
    }
    if law.line is None:
        yield shared
    for axis in law.axes:
        bent = _bend("curvature", law.curvature.get(axis))
        bent |= _bend("curvature_of_fitted", law.curvature_of_fitted.get(axis))
        own = law.trial(law.beyond(axis))
        tested = {
            "tested": 0 if own is None else own.tested,
            "exponent_with_unlearnt": law.with_unlearnt.get(axis),
        }
        yield shared | _exponent(axis, law.exponent(axis)) | bent | tested
    if law.line is not None:
        yield shared | _exponent("constant", law.constant)


def _bend(name: str, found: Estimate | None) -> dict[str, float]:
    bend = found or Estimate(math.nan, math.nan, math.nan)
    return {name: bend.value, f"{name}_low": bend.low, f"{name}_high": bend.high}


def _seed_counts(cells: Iterable[LawCell]) -> dict[str, int]:
    own = list(cells)
    return {
        f"seeds_{name}": sum(cell.count(name) for cell in own) for name in ("above", "below", "not_learnt")
    }


def _price_rows(law: PriceLaw) -> Iterator[dict[str, object]]:
    yield (
        _identity(family_of(law.arm))
        | _exponent("length", law.exponent)
        | {
            "score": PRICE_SCORE,
            "cells": len(law.lengths),
            "censored": len(law.lengths) - len(law.arrived),
            "seeds": law.seeds,
            "hidden_size": law.arm.hidden_size,
            "training_steps": law.training_steps,
            "note": law.reason,
        }
    )


def _exponent(name: str, found: Estimate | None) -> dict[str, object]:
    if found is None:
        return {"exponent_of": name}
    low, high = found.over_seeds
    own = {"low": found.low, "high": found.high, "low_over_seeds": low, "high_over_seeds": high}
    return {"exponent_of": name, "exponent": found.value} | own


def _cell_row(law: Law, cell: LawCell) -> dict[str, object]:
    found, expected = cell.found, law.prediction(cell) if cell in law.cells else None
    return _identity(law.family) | {
        "score": L50_SCORE,
        "training_steps": cell.training_steps,
        "hidden_size": cell.arm.hidden_size,
        "length": found.length,
        "low": found.low,
        "high": found.high,
        "censored": found.censored,
        "seeds": found.seeds,
        "fitted": math.nan if expected is None else expected.value,
        "predicted_low": math.nan if expected is None else expected.low,
        "predicted_high": math.nan if expected is None else expected.high,
        "is_held_out": cell in law.held_out,
        "is_within": law.is_within(cell) if cell in law.held_out else None,
        "mean_of_seeds": cell.mean_of_seeds,
        "is_measured": cell.is_measured,
        **_seed_counts([cell]),
    }

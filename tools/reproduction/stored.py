"""Run a folder of results/reference again, and compare with what is stored: the same curves, the same breakdowns."""

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from attnbench.runs.io import from_yaml
from attnbench.runs.metrics_csv import ARM_COLUMNS

REFERENCE = Path("results/reference")
SWEEP_FILE = "sweep.yaml"
# Of accuracies without an interval, since all seeds agree to the last digit.
_ROUNDING = 0.01


@dataclass(frozen=True)
class Comparison:
    """What came of it.

    Attributes:
        points: means of curves that both have.
        differences: a sentence for each that is not the same within intervals.
    """

    points: int
    differences: tuple[str, ...]


def stored_folders(reference: Path = REFERENCE) -> list[str]:
    """Return the names of the folders that say by which command they were made and have curves to compare."""
    made = [path.parent for path in reference.glob(f"*/{SWEEP_FILE}")]
    return sorted(folder.name for folder in made if (folder / "curve.csv").exists())


def commands_of(folder: Path) -> list[list[str]]:
    """Return what followed `attnbench` in each command that made a stored sweep, each once."""
    record = from_yaml((folder / SWEEP_FILE).read_bytes())
    return [
        shlex.split(words)[1:] for words in dict.fromkeys(each["command"] for each in record["invocations"])
    ]


def compare(stored: Path, fresh: Path) -> Comparison:
    """Compare curve.csv and breakdown.csv of two folders; intervals that overlap count as the same."""
    curves = _joined(stored, fresh, "curve.csv", ["score", "length"])
    both = curves[curves["_merge"] == "both"]
    found = [_missing(row, "curve.csv") for row in curves[curves["_merge"] != "both"].to_dict("records")]
    found += [
        f"{row['model']}, {row['score']} at {row['length']}: {row['mean_fresh']:.3f}, stored {row['mean']:.3f}"
        for row in both.to_dict("records")
        if not _overlap((row["mean"], row["low"], row["high"]), _fresh(row, "mean"))
    ]
    falls = _joined(stored, fresh, "breakdown.csv", ["score", "threshold"])
    for row in falls.to_dict("records"):
        if row["_merge"] != "both":
            found.append(_missing(row, "breakdown.csv"))
        elif str(row["censored"]) != str(row["censored_fresh"]):
            found.append(
                f"{row['model']}, {row['score']} {row['threshold']}: {_fall(row, '_fresh')}, stored {_fall(row, '')}"
            )
        elif not _overlap((row["length"], row["low"], row["high"]), _fresh(row, "length")):
            found.append(
                f"{row['model']}, {row['score']} {row['threshold']}: "
                f"{row['length_fresh']:.1f}, stored {row['length']:.1f}"
            )
    return Comparison(len(both), tuple(found))


def _joined(stored: Path, fresh: Path, name: str, keys: list[str]) -> pd.DataFrame:
    on = [*ARM_COLUMNS, *keys]
    old, new = (pd.read_csv(folder / name, keep_default_na=True) for folder in (stored, fresh))
    for table in (old, new):
        table[on] = table[on].astype(object).where(table[on].notna(), "")
    return old.merge(new, on=on, how="outer", suffixes=("", "_fresh"), indicator=True)


def _fresh(row: dict, value: str) -> tuple[float, float, float]:
    return row[f"{value}_fresh"], row["low_fresh"], row["high_fresh"]


def _overlap(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    ends = [(value, value) if math.isnan(low) else (low, high) for value, low, high in (one, other)]
    (low, high), (other_low, other_high) = ends
    if np.isnan([low, other_low]).any():
        return math.isnan(low) == math.isnan(other_low)
    return low <= other_high + _ROUNDING and other_low <= high + _ROUNDING


def _fall(row: dict, suffix: str) -> str:
    where = row[f"censored{suffix}"]
    return f"at {row[f'length{suffix}']:.1f}" if pd.isna(where) else f"{where} {row[f'length{suffix}']:g}"


def _missing(row: dict, name: str) -> str:
    where = "stored, not made again" if row["_merge"] == "left_only" else "made again, not stored"
    return f"{row['model']}, {row['score']} in {name}: {where}"

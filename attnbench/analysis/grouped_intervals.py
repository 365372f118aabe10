"""Means of groups of rows with their intervals, all groups at once."""

from typing import Any

import pandas as pd

from attnbench.analysis.statistics import student_margins


def grouped_intervals(groups: Any) -> pd.DataFrame:
    """Return columns mean, low, high and count, one row for each group of a grouped column.

    `low` and `high` are the Student t interval of the mean, missing for one value and where all are equal.

    Args:
        groups: what `frame.groupby(names)["column"]` gives.
    """
    found = groups.agg(["mean", "std", "count", "min", "max"])
    all_equal = found["min"] == found["max"]
    # The mean of equal values is that value; adding and dividing would round it and make up a spread.
    mean = found["mean"].where(~all_equal, found["min"])
    margin = student_margins(found["std"].where(~all_equal, 0.0), found["count"])
    return pd.DataFrame({"mean": mean, "low": mean - margin, "high": mean + margin, "count": found["count"]})

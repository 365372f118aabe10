import math

import pytest

from attnbench.analysis.breakdown import Breakdown
from attnbench.report.breakdown_words import breakdown_cell, breakdown_note, length_text


def breakdown(**values):
    found = {"length": 14.21, "low": 12.9, "high": 15.64, "threshold": "L50", "accuracy_threshold": 0.53125}
    found |= {"censored": "", "seeds": 3, "seeds_above": 0, "seeds_below": 0, "seeds_not_learnt": 0}
    return Breakdown(**found | values)


NO_INTERVAL = {"low": math.nan, "high": math.nan}


@pytest.mark.parametrize(
    ("values", "cell", "note"),
    [
        ({}, "14.2 [12.9, 15.6]", "L50 14.2 [12.9, 15.6]"),
        ({"length": 20.0}, "20 [12.9, 15.6]", "L50 20 [12.9, 15.6] (point outside)"),
        (NO_INTERVAL | {"seeds": 1}, "14.2", "L50 14.2 (one seed)"),
        (NO_INTERVAL, "14.2", "L50 14.2 (all seeds equal)"),
        (NO_INTERVAL | {"seeds_above": 1}, "14.2", "L50 14.2 (1 of 3 seeds beyond 32)"),
        (NO_INTERVAL | {"seeds_below": 2}, "14.2", "L50 14.2 (2 of 3 seeds before 4)"),
        (
            NO_INTERVAL | {"seeds_above": 1, "seeds_not_learnt": 1},
            "14.2",
            "L50 14.2 (1 of 3 seeds beyond 32, 1 of 3 seeds did not learn)",
        ),
        (
            NO_INTERVAL | {"length": 32.0, "censored": "above", "seeds_above": 3},
            "> 32",
            "no breakdown up to 32",
        ),
        (
            NO_INTERVAL | {"length": 32.0, "censored": "above", "seeds_above": 2},
            "> 32",
            "no breakdown up to 32, 1 of 3 seeds fell",
        ),
        (NO_INTERVAL | {"length": 4.0, "censored": "below"}, "< 4", "below 0.53 already at 4"),
        (NO_INTERVAL | {"length": math.nan, "censored": "not_learnt"}, "not learnt", "not learnt"),
    ],
)
def test_a_breakdown_in_words(values, cell, note):
    assert breakdown_cell(breakdown(**values)) == cell
    assert breakdown_note(breakdown(**values), 4, 32) == note


@pytest.mark.parametrize(
    ("length", "text"), [(4.0, "4"), (9.967, "9.97"), (14.21, "14.2"), (128.4, "128"), (1000, "1000")]
)
def test_lengths_have_three_digits_or_are_whole(length, text):
    assert length_text(length) == text

"""What a breakdown says, in the words of figures and tables."""

import math

from attnbench.analysis.breakdown import Breakdown


def breakdown_cell(breakdown: Breakdown) -> str:
    """Return the length as short as a table needs it: `14.2 [12.9, 15.6]`, `> 32`, `< 4` or `not learnt`."""
    if breakdown.censored == "not_learnt":
        return "not learnt"
    if breakdown.censored:
        return f"{'>' if breakdown.censored == 'above' else '<'} {length_text(breakdown.length)}"
    if math.isnan(breakdown.low):
        return length_text(breakdown.length)
    low, high = length_text(breakdown.low), length_text(breakdown.high)
    return f"{length_text(breakdown.length)} [{low}, {high}]"


def breakdown_note(breakdown: Breakdown, shortest: int, longest: int) -> str:
    """Return one line for the legend of a figure; where there is no interval it says why."""
    if breakdown.censored == "not_learnt":
        return "not learnt"
    if breakdown.censored == "below":
        at = f"already at {length_text(breakdown.length)}"
        return f"below {breakdown.accuracy_threshold:.2f} {at}"
    if breakdown.censored == "above":
        fallen = breakdown.seeds - breakdown.seeds_above
        seeds = f", {fallen} of {breakdown.seeds} seeds fell" if fallen else ""
        return f"no breakdown up to {length_text(breakdown.length)}{seeds}"
    remark = _remark(breakdown, shortest, longest)
    return f"{breakdown.threshold} {breakdown_cell(breakdown)}{remark}"


def length_text(length: float) -> str:
    """Return a length with three digits or more, and without a fraction where it has none."""
    if float(length).is_integer() or length >= 100:
        return f"{length:.0f}"
    return f"{length:.1f}" if length >= 10 else f"{length:.2f}"


def _remark(breakdown: Breakdown, shortest: int, longest: int) -> str:
    if breakdown.is_outside_interval:
        return " (point outside)"
    if not math.isnan(breakdown.low):
        return ""
    if breakdown.seeds == 1:
        return " (one seed)"
    censored = [
        f"{count} of {breakdown.seeds} seeds {what}"
        for count, what in (
            (breakdown.seeds_above, f"beyond {longest}"),
            (breakdown.seeds_below, f"before {shortest}"),
            (breakdown.seeds_not_learnt, "did not learn"),
        )
        if count
    ]
    return f" ({', '.join(censored)})" if censored else " (all seeds equal)"

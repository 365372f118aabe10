"""The sentences of a verdict about breakdowns: where, at which budget, and whether memory is the limit."""

import math
from collections.abc import Sequence

import pandas as pd

from attnbench.analysis.breakdown import Breakdown
from attnbench.plots.points import ArmRows
from attnbench.report.breakdown_words import breakdown_cell, breakdown_note, length_text
from attnbench.report.settings import FREE_RUNNING, TEACHER_FORCED, Setting, joined

# Only a budget so many times larger says whether memory is the limit.
SEVERAL = 3
_HALF = "half of the way from perfect to chance"


def breakdown_sentences(setting: Setting) -> list[str]:
    """Say of every arm where its free-running accuracy fell, or that it did not."""
    own = setting.breakdowns[FREE_RUNNING]
    known = [(rows, own[rows.arm]) for rows in setting.arms if rows.arm in own]
    fallen = [(rows, each) for rows, each in known if not each.censored]
    sentences = [_fallen(setting, rows, each) for rows, each in fallen]
    for censored, words in (
        ("above", f"did not fall through {_HALF} up to {setting.longest} {setting.unit}"),
        ("below", f"lay below {_HALF} already at the shortest length, {setting.shortest}"),
        (
            "not_learnt",
            "came nowhere 0.05 of the way from chance to perfect: not learnt, which is no breakdown",
        ),
    ):
        arms = [rows for rows, each in known if each.censored == censored]
        if arms:
            sentences.append(f"{joined(_with_context(setting, rows) for rows in arms)} {words}.")
    return [f"Free-running accuracy: {' '.join(sentences)}", *_teacher_forced(setting)] if sentences else []


def is_memory_shown(setting: Setting, rows: ArmRows) -> bool:
    """Whether a rerun with several times the budget left the breakdown where it was."""
    row = setting.longer.get(rows.arm)
    return row is not None and row.factor >= SEVERAL and pd.notna(row.moved) and not row.moved


def _fallen(setting: Setting, rows: ArmRows, found: Breakdown) -> str:
    tested = sorted(rows.points(FREE_RUNNING)["length"])
    note = breakdown_note(found, tested[0], tested[-1]).removeprefix(f"{found.threshold} ")
    where = note.replace(breakdown_cell(found), _length(found, setting.unit))
    return (
        f"{_with_context(setting, rows)} fell through {_HALF} at {where}; "
        f"{_ended(setting, rows, found, tested)}{_longer(setting, rows)}."
    )


def _length(found: Breakdown, unit: str) -> str:
    cell = breakdown_cell(found)
    point, bracket, interval = cell.partition(" [")
    return f"{point} {unit}{bracket}{interval}"


def _ended(setting: Setting, rows: ArmRows, found: Breakdown, tested: Sequence[int]) -> str:
    """Say how the runs at the tested lengths around a breakdown ended."""
    below = max(length for length in tested if length <= found.length)
    above = min((length for length in tested if length > found.length), default=below)
    around = rows.metrics[rows.metrics["length"].isin([below, above])].drop_duplicates("run_id")
    ended = int((around["stop_reason"] == "budget").sum())
    lengths = joined(str(length) for length in dict.fromkeys([below, above]))
    return f"at {lengths} {setting.unit} {ended} of {len(around)} runs were ended by their budget"


def _longer(setting: Setting, rows: ArmRows) -> str:
    """Say what a longer budget did to the breakdown; without one it is the breakdown at this budget."""
    row = setting.longer.get(rows.arm)
    if row is None:
        return "; this holds at this budget"
    sign = {"above": "> ", "below": "< "}.get(row.censored_after, "")
    after = "not learnt" if math.isnan(row.length_after) else f"{sign}{length_text(row.length_after)}"
    rerun = f"; with {row.factor:.3g} times the budget ({row.budget_after:,} steps) it stood at {after}"
    if pd.isna(row.moved):
        return f"{rerun}, which leaves open whether it moved; this holds at this budget"
    if row.moved:
        return f"{rerun}, outside that interval: it was limited by training, and this holds at this budget"
    if row.factor < SEVERAL:
        return (
            f"{rerun}, within that interval, but so small a factor decides nothing: this holds at this budget"
        )
    return f"{rerun}, within that interval: the limit is one of memory rather than of training"


def _teacher_forced(setting: Setting) -> list[str]:
    own = setting.breakdowns[TEACHER_FORCED]
    found = [(arm, own[arm]) for arm in setting.labels if arm in own and own[arm].censored != "not_learnt"]
    cells = [
        f"{setting.labels[arm]} {breakdown_cell(each)}" for arm, each in found if each.censored != "above"
    ]
    if cells:
        return [f"Teacher-forced, where errors do not compound: {', '.join(cells)}."]
    return [f"Teacher-forced, where errors do not compound, none fell through {_HALF}."] if found else []


def _with_context(setting: Setting, rows: ArmRows) -> str:
    """Name an arm with how many numbers cross from its encoder to its decoder."""
    label, sizes = setting.labels[rows.arm], rows.metrics["context_size"].dropna()
    if sizes.empty:
        return label
    least, most = int(sizes.min()), int(sizes.max())
    numbers = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return f"{label} (context of {numbers} numbers)"

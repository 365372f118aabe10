"""What the verdict says of breakdowns: which arms break down, which do not, and what a larger budget changes."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from attnbench.analysis.breakdown import THRESHOLDS, Breakdown, lengths_around, on_scale
from attnbench.analysis.larger_budget import SAME, SEVERAL
from attnbench.analysis.rates import LEARNT
from attnbench.analysis.statistics import FEW_SEEDS
from attnbench.formatting import counted, joined
from attnbench.plots.points import ArmRows, breakdown_cell, breakdown_remark, length_text
from attnbench.report.settings import FREE_RUNNING, TEACHER_FORCED, Setting

HALF_WAY = "half of the way from perfect to chance"
# Of more arms than these a headline gives the number.
_MOST_NAMED = 4


def known(setting: Setting, *censored: str) -> list[tuple[ArmRows, Breakdown]]:
    """Return the arms whose free-running L50 is censored in one of these ways; "" is where it is not."""
    own = setting.breakdowns[FREE_RUNNING]
    found = [(rows, own[rows.arm]) for rows in setting.arms if rows.arm in own]
    return [(rows, each) for rows, each in found if each.censored in censored]


def undecided_lengths(rows: ArmRows, found: Breakdown) -> list[int]:
    """Return the lengths at which an arm's interval holds the threshold, where these decide whether it breaks down.

    Empty where that is decided: every length that counts as above is above it with the whole interval, or of those that
    count as below one is below it, or every seed's own curve falls. One seed, or seeds that are all equal, have no
    interval.
    """
    if found.censored == "not_learnt" or not math.isnan(found.low):
        return []
    points = rows.points(FREE_RUNNING).dropna(subset=["chance"])
    half = points["chance"].map(lambda chance: on_scale(chance, THRESHOLDS["L50"]))
    low, high = (points[end].fillna(points["mean"]) for end in ("low", "high"))
    held = points.loc[(low < half) & (half <= high), "length"]
    if found.censored == "above":
        return held.tolist()
    if found.censored == "below":
        return held[held == found.length].tolist()
    fallen = points["length"] > found.length
    return [] if (high < half)[fallen].any() else held[held > found.length].tolist()


def _decided(setting: Setting, *censored: str) -> list[tuple[ArmRows, Breakdown]]:
    return [pair for pair in known(setting, *censored) if not undecided_lengths(*pair)]


def _undecided(setting: Setting) -> dict[tuple[int, ...], list[ArmRows]]:
    """Return the arms of which is not decided whether they break down, by the lengths that leave it open."""
    groups: dict[tuple[int, ...], list[ArmRows]] = {}
    for rows, found in known(setting, "", "above", "below"):
        if lengths := undecided_lengths(rows, found):
            groups.setdefault((*lengths,), []).append(rows)
    return groups


def breakdown_headline(setting: Setting) -> str:
    """Say in one sentence which arms break down at which length, which do not, and of which that is not decided."""
    broken = _decided(setting, "")
    parts = [_broken(setting, broken)] if broken else []
    for longest, above in by_bound(_decided(setting, "above")).items():
        verb = "" if broken else " fall" if setting.generalises else " break down"
        unit = "" if broken else f" {setting.unit}"
        do = "does" if len(above) == 1 else "do"
        parts.append(f"{_named(setting, [rows for rows, _ in above])} {do} not{verb} up to {longest}{unit}")
    for shortest, below in by_bound(_decided(setting, "below")).items():
        be = "is" if len(below) == 1 else "are"
        at = f"below half already at {shortest} {setting.unit}"
        names = _named(setting, [rows for rows, _ in below])
        lifted = _ended_by_budget(below)
        parts.append(f"{names} {be} {at}{f', {lifted}: more training may lift them' if lifted else ''}")
    if stuck := known(setting, "not_learnt"):
        ended = _ended_by_budget(stuck)
        names = _named(setting, [rows for rows, _ in stuck])
        parts.append(f"{names} did not learn{f', {ended}' if ended else ''}")
    verb = "falls" if setting.generalises else "breaks down"
    for lengths, arms in _undecided(setting).items():
        names, at = _named(setting, arms, "or"), joined(map(str, lengths))
        parts.append(f"whether {names} {verb} is not decided at {at} {setting.unit}")
    if not parts:
        return "Without free-running accuracies no breakdown is known."
    whole = "; ".join(parts)
    whole = f"W{whole[1:]}" if whole.startswith("whether ") else whole
    return f"{'Length generalisation: ' if setting.generalises else ''}{whole}."


def by_bound(arms: Iterable[tuple[ArmRows, Breakdown]]) -> dict[int, list[tuple[ArmRows, Breakdown]]]:
    """Return arms whose L50 is a bound by that bound: the longest, or the shortest, length that each was tested at."""
    groups: dict[int, list[tuple[ArmRows, Breakdown]]] = {}
    for rows, found in arms:
        groups.setdefault(int(found.length), []).append((rows, found))
    return groups


def _ended_by_budget(arms: Sequence[tuple[ArmRows, Breakdown]]) -> str:
    """Say of arms below half how many of the runs there the budget ended, if any: these may have gone on to learn."""
    runs = [_runs_around(rows, found, rows.tested(FREE_RUNNING)) for rows, found in arms]
    ended = sum(int((each["stop_reason"] == "budget").sum()) for each in runs)
    if not ended:
        return ""
    return f"where the budget ended {ended} of {counted(sum(map(len, runs)), 'run')}"


def _broken(setting: Setting, broken: Sequence[tuple[ArmRows, Breakdown]]) -> str:
    lengths = [rounded_length(each.length) for _, each in broken]
    names = [setting.named(rows.arm) for rows, _ in broken]
    if len(broken) > _MOST_NAMED:
        ends = sorted(each.length for _, each in broken)
        span = f"{rounded_length(ends[0])} to {rounded_length(ends[-1])} {setting.unit}"
        return f"{len(broken)} arms {'fall' if setting.generalises else 'break down'} at {span}"
    if setting.generalises:
        names = [f"{name}, {_trained_to(rows)}," for name, (rows, _) in zip(names, broken, strict=True)]
    verb = "falls" if setting.generalises else "breaks down"
    first = f"{names[0]} {verb} at {lengths[0]} {setting.unit}"
    rest = [f"{name} at {length}" for name, length in zip(names[1:], lengths[1:], strict=True)]
    return joined([first, *rest])


def _trained_to(rows: ArmRows) -> str:
    end = rows.arm.train_max_length
    return "trained on lengths that are not known" if end is None else f"trained to {end}"


def _named(setting: Setting, arms: Sequence[ArmRows], link: str = "and") -> str:
    if len(arms) > _MOST_NAMED:
        return f"{len(arms)} arms" if link == "and" else f"any of {len(arms)} arms"
    return joined((setting.named(rows.arm) for rows in arms), link)


def rounded_length(length: float) -> str:
    """Return a length as a headline has it: `17`, and `5.3` below ten."""
    return f"{length:.0f}" if length >= 10 else f"{length:.1f}".removesuffix(".0")


def breakdowns_found(setting: Setting) -> list[str]:
    """Say of every arm where it breaks down, or that it does not, and what a larger budget changed."""
    found = []
    for rows, each in _decided(setting, ""):
        found.append(_fallen(setting, rows, each))
        found += _larger_budget(setting, rows)
    verb = "fall" if setting.generalises else "break down"
    for longest, above in by_bound(_decided(setting, "above")).items():
        do = "does" if len(above) == 1 else "do"
        found.append(f"{_all(setting, above)} {do} not {verb} up to {longest} {setting.unit}.")
    for shortest, below in by_bound(_decided(setting, "below")).items():
        be = "is" if len(below) == 1 else "are"
        ended = _ended_by_budget(below)
        found.append(
            f"{_all(setting, below)} {be} below half already at the shortest length, {shortest} "
            f"{setting.unit}{f', {ended}: more training may lift them' if ended else ''}."
        )
    for lengths, arms in _undecided(setting).items():
        cells = joined((_around_half(setting, rows, lengths) for rows in arms), comma="; ")
        found.append(
            f"Whether an arm {'falls' if setting.generalises else 'breaks down'} is not decided where its interval "
            f"holds {HALF_WAY}: {cells}."
        )
    stuck = known(setting, "not_learnt")
    never = [pair for pair in stuck if not _has_left_chance(pair[0])]
    if never:
        words = "came nowhere 0.05 of the way from chance to perfect: not learnt, which is no breakdown"
        found.append(f"{_all(setting, never)} {words}.")
    if elsewhere := [pair for pair in stuck if _has_left_chance(pair[0])]:
        words = (
            "stayed at chance at some lengths, where another learning rate left it: not learnt at this rate"
        )
        found.append(f"{_all(setting, elsewhere)} {words}, which is no breakdown.")
    return found


def _all(setting: Setting, arms: Sequence[tuple[ArmRows, Breakdown]]) -> str:
    return joined(_with_context(setting, rows) for rows, _ in arms)


def _with_context(setting: Setting, rows: ArmRows) -> str:
    """Name an arm with how many numbers, or bits where they are squeezed, cross from its encoder to its decoder."""
    bits = rows.metrics["channel_bits"].dropna()
    sizes, unit = (rows.metrics["context_size"].dropna(), "numbers") if bits.empty else (bits, "bits")
    if sizes.empty:
        return setting.named(rows.arm)
    least, most = int(sizes.min()), int(sizes.max())
    count = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return setting.named(rows.arm, f"context of {count} {unit}")


def _around_half(setting: Setting, rows: ArmRows, lengths: Sequence[int]) -> str:
    """Return an arm's mean and interval at some lengths."""
    points = rows.points(FREE_RUNNING)
    cells = [
        f"{row.mean:.2f} [{row.low:.2f}, {row.high:.2f}] at {row.length}"
        for row in points[points["length"].isin(lengths)].itertuples()
    ]
    return f"{_with_context(setting, rows)} {joined(cells)} {setting.unit}"


def _has_left_chance(rows: ArmRows) -> bool:
    points = rows.points(FREE_RUNNING)
    return any(
        mean >= on_scale(chance, LEARNT)
        for mean, chance in zip(points["mean"], points["chance"], strict=True)
    )


def _fallen(setting: Setting, rows: ArmRows, found: Breakdown) -> str:
    tested = rows.tested(FREE_RUNNING)
    where = breakdown_cell(found, tested, setting.unit) + breakdown_remark(found, tested)
    verb = f", {_trained_to(rows)}, falls" if setting.generalises else " breaks down"
    return f"{_with_context(setting, rows)}{verb} at {where}; {_ended(rows, found, tested)}."


def _ended(rows: ArmRows, found: Breakdown, tested: Sequence[int]) -> str:
    """Say how the runs at the tested lengths around a breakdown ended."""
    runs = _runs_around(rows, found, tested)
    if runs.empty:
        return "how its runs ended is not known"
    ended = int((runs["stop_reason"] == "budget").sum())
    return f"the budget ended {ended} of {len(runs)} runs there"


def _runs_around(rows: ArmRows, found: Breakdown, tested: Sequence[int]) -> pd.DataFrame:
    """Return a row of each run at the tested lengths around a breakdown whose end is known."""
    around = lengths_around(tested, found.length)
    runs = rows.metrics[rows.metrics["length"].isin(around)].drop_duplicates("run_id")
    return runs.dropna(subset=["stop_reason"])


def has_stayed(setting: Setting, rows: ArmRows) -> bool:
    """Whether longer runs left the breakdown where it was, as `larger_budget_table` decides."""
    row = setting.larger_budgets.get(rows.arm)
    return row is not None and row.outcome == "stays"


def _larger_budget(setting: Setting, rows: ArmRows) -> list[str]:
    """Say what a larger budget did to the breakdown, where there is one."""
    row = setting.larger_budgets.get(rows.arm)
    if row is None:
        return []
    sign = {"above": "> ", "below": "< "}.get(row.censored_after, "")
    at = "is not learnt" if math.isnan(row.length_after) else f"is at {sign}{length_text(row.length_after)}"
    name = setting.named(rows.arm)
    told = f"With {row.factor:.3g} times the budget ({row.budget_after:,} steps) the breakdown of {name} {at}"
    if not math.isnan(row.change_low):
        low, high = row.change_low - 1, row.change_high - 1
        told += f" (the seeds' own L50: {row.change - 1:+.1%} [{low:+.1%}, {high:+.1%}])"
    if setting.generalises:
        return [f"{told}."]
    if row.outcome == "stays":
        return [f"{told}, below {SAME:+.0%}: it stays: more steps do not help."]
    if row.outcome == "moved":
        return [f"{told}: it moved, so it was limited by training."]
    return [f"{told}: not shown to move, nor to stay ({', '.join(_doubts(row))})."]


def _doubts(row: Any) -> list[str]:
    """Name what a row of longer.csv lacks to say that the breakdown stays."""
    doubts = []
    if row.factor < SEVERAL:
        doubts.append(f"the budget is not {SEVERAL} times as large")
    if row.context_grows:
        doubts.append("its context is not of one size")
    if row.runs_levelled < row.runs_around:
        ended = row.runs_around - row.runs_levelled
        doubts.append(f"{ended} of {counted(row.runs_around, 'longer run')} around it had not levelled off")
    if row.pairs < FEW_SEEDS:
        doubts.append(f"{counted(row.pairs, 'pair')} of seeds, and {FEW_SEEDS} are the least")
    if math.isnan(row.change_high):
        doubts.append("the change has no interval")
    elif row.change_high >= 1 + SAME:
        doubts.append(f"the interval does not end below {SAME:+.0%}")
    return doubts


def teacher_forced_found(setting: Setting) -> list[str]:
    """Say which arms break down where each word is predicted from the right ones before it."""
    own = setting.breakdowns[TEACHER_FORCED]
    found = [(rows, own[rows.arm]) for rows in setting.arms if rows.arm in own]
    found = [(rows, each) for rows, each in found if each.censored != "not_learnt"]
    cells = [
        f"{setting.named(rows.arm)} at {breakdown_cell(each, rows.tested(TEACHER_FORCED))}"
        for rows, each in found
        if each.censored != "above"
    ]
    if cells:
        return [f"Teacher-forced, where errors do not add up: {'; '.join(cells)}."]
    return ["Teacher-forced, where errors do not add up, no arm breaks down."] if found else []

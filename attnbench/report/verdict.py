"""The verdict in words: three sentences for each task and protocol, then what they rest on, from the tables alone."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from attnbench.analysis.bootstrap import BOTH, SENTENCES
from attnbench.analysis.breakdown import Breakdown, lengths_around, on_scale
from attnbench.analysis.comparison import TESTED_PAIRS
from attnbench.analysis.larger_budget import SAME, SEVERAL, without_budget
from attnbench.analysis.rates import LEARNT
from attnbench.analysis.statistics import FEW_SEEDS, USUAL_LEVEL, may_cover_less
from attnbench.arm import shared_changes
from attnbench.formatting import counted, joined, sentence, span
from attnbench.plots.points import (
    ArmRows,
    breakdown_cell,
    breakdown_remark,
    budget_facts,
    length_text,
)
from attnbench.report.bits_words import HALF_WAY, bits_held, bounded, ceilings, end_of_any_code, leaks
from attnbench.report.comparison_words import LEAST_PAIRS, comparison_sentences, contrasts
from attnbench.report.law_words import law_blocks
from attnbench.report.settings import FREE_RUNNING, TEACHER_FORCED, Setting, SweepTables, split_settings
from attnbench.report.text_words import text_details, text_head

# Weights of these belong to one position each, and so do those of learnt position embeddings.
BY_POSITION = ("luong_location",)
_LEARNT_POSITIONS = ("model.positions", "learnt")
_AT_THIS_RATE = (
    "stayed at chance at some lengths, where another learning rate left it: not learnt at this rate, which is no "
    "breakdown"
)


def verdict_text(tables: SweepTables) -> str:
    """Return one block for each task, protocol, train range and training, parted by empty lines.

    Its first three sentences say what broke down where, what did not, and what may not be concluded. A list of
    details follows: seeds, intervals, sizes of contexts, budgets, and the smallest p of the test. It speaks of
    memory only where a larger budget left a breakdown in place, and under `extrapolation` of length generalisation.
    Where arms have several budgets or hidden sizes, a block for each task and protocol says the law of the breakdown.
    """
    blocks = [_block(setting) for setting in split_settings(tables)]
    return "\n\n".join([*blocks, *law_blocks(tables.laws, tables.price_laws)]) + "\n"


def _block(setting: Setting) -> str:
    if setting.is_text:
        head = [f"{setting.panel.heading}: real text.", *text_head(setting), _not_shown(setting)]
        details = [_what_was_done(setting), _rates(setting), *text_details(setting), _coverage(setting)]
    else:
        head = [
            _broke_down(setting),
            *_did_not(setting),
            *bounded(setting),
            *leaks(setting),
            _not_shown(setting),
        ]
        details = [
            _what_was_done(setting),
            _rates(setting),
            _breakdowns(setting),
            ceilings(setting),
            _teacher_forced(setting),
            *comparison_sentences(setting),
            bits_held(setting),
            _coverage(setting),
        ]
    return "\n".join([" ".join(head), *(f"- {detail}" for detail in details if detail)])


def _known(setting: Setting, *censored: str) -> list[tuple[ArmRows, Breakdown]]:
    """Return the arms whose free-running L50 is censored in one of these ways; "" is where it is not."""
    own = setting.breakdowns[FREE_RUNNING]
    found = [(rows, own[rows.arm]) for rows in setting.arms if rows.arm in own]
    return [(rows, each) for rows, each in found if each.censored in censored]


def _broke_down(setting: Setting) -> str:
    """Say which arms broke down, and where; under `extrapolation` how far each goes beyond its training."""
    known = _known(setting, "")
    cells = [breakdown_cell(each, rows.tested(FREE_RUNNING), setting.unit) for rows, each in known]
    labels = [setting.named(rows.arm) for rows, _ in known]
    if setting.generalises and known:
        ends = [rows.arm.train_max_length for rows, _ in known]
        fallen = [
            f"{label}, {_trained_to(end)}, falls at {cell}"
            for label, end, cell in zip(labels, ends, cells, strict=True)
        ]
        return f"{setting.panel.heading}: length generalisation, by {HALF_WAY}: {joined(fallen, comma='; ')}."
    fallen = [f"{label} at {cell}" for label, cell in zip(labels, cells, strict=True)]
    if fallen:
        arms = joined(fallen, comma="; ")
        return f"{setting.panel.heading}: free-running accuracy fell through {HALF_WAY} for {arms}."
    if _known(setting, "above", "below", "not_learnt"):
        return f"{setting.panel.heading}: no free-running accuracy fell through {HALF_WAY} between tested lengths."
    return f"{setting.panel.heading}: without free-running accuracies no breakdown is known."


def _trained_to(end: int | None) -> str:
    return "trained on lengths that are not known" if end is None else f"trained to {end}"


def _did_not(setting: Setting) -> list[str]:
    """Say which arms did not break down: what held, what was below from the start, and what was not learnt."""
    words = {
        "above": f"no breakdown up to {setting.longest} {setting.unit}: {{}}",
        "below": f"below it already at {setting.shortest} {setting.unit}: {{}}",
        "not_learnt": "not learnt, which is no breakdown: {}",
    }
    parts = []
    for censored, text in words.items():
        arms = [setting.named(rows.arm) for rows, _ in _known(setting, censored)]
        parts += [text.format(joined(arms))] if arms else []
    if _known(setting, "") and not parts:
        parts = [f"no arm held up to {setting.longest} {setting.unit}"]
    return [sentence(*parts)] if parts else []


def _not_shown(setting: Setting) -> str:
    """Name what a reader might take as shown and is not."""
    limits = []
    untested = [
        setting.named(rows.arm)
        for rows, _ in _known(setting, "")
        if not _is_memory_shown(setting, rows) and end_of_any_code(rows) is None
    ]
    if untested and not setting.generalises:
        limits.append(
            f"that memory, and not training, limits {joined(untested)} (no runs with a larger budget show it)"
        )
    beyond = [setting.named(rows.arm) for rows, _ in _known(setting, "above")]
    if beyond:
        limits.append(f"whether {joined(beyond)} would fall beyond {setting.longest} {setting.unit}")
    tested = [] if setting.is_text else contrasts(setting)
    rows = [row for _, row in tested if row.pairs >= LEAST_PAIRS]
    weak = sorted({int(row.pairs) for row in rows if row.pairs < TESTED_PAIRS})
    if weak:
        limits.append(f"a p-value, since {joined(map(str, weak))} pairs cannot come below {USUAL_LEVEL}")
    if len(rows) > 1:
        limits.append(f"a correction for {len(rows)} comparisons, each of which stands by itself")
    if setting.generalises:
        limits.append("capacity apart from length generalisation, which this protocol mixes")
        limits += _untrained(setting)
    if setting.is_text:
        limits.append(
            "a breakdown of token accuracy, which behind one word too many says nothing of a translation"
        )
        limits.append("a test of BLEU against the baseline, whose means curve.csv has")
    return f"Not shown: {'; '.join([*limits, 'what holds for other tasks, sizes or budgets'])}."


def _untrained(setting: Setting) -> list[str]:
    """Name arms that tell positions apart by weights of their own, of which those beyond the train range were not."""
    own = [rows.arm for rows in setting.arms]
    arms = [arm for arm in own if arm.model in BY_POSITION or _LEARNT_POSITIONS in arm.variant.changes]
    beyond = [arm for arm in arms if arm.train_max_length is None or arm.train_max_length < setting.longest]
    if not beyond:
        return []
    names = joined(setting.named(arm) for arm in beyond)
    return [
        f"what {names} would do with trained weights: those of positions beyond the train range never were"
    ]


def _what_was_done(setting: Setting) -> str:
    """Name lengths, what all arms share, seeds and budget."""
    metrics = pd.concat([rows.metrics for rows in setting.arms])
    sizes = {arm.hidden_size for arm in setting.labels}
    seeds = span(rows.metrics["seed"].nunique() for rows in setting.arms)
    facts = [f"hidden size {sizes.pop()}"] if len(sizes) == 1 else []
    facts += shared_changes(without_budget(arm).variant for arm in setting.labels).parts
    facts.append("one seed" if seeds == "1" else f"{seeds} seeds")
    facts += budget_facts(metrics["steps"])
    lengths = f"{metrics['length'].min()} to {metrics['length'].max()} {setting.unit}"
    return f"{lengths}; {', '.join(facts)}."


def _rates(setting: Setting) -> str:
    """Name the arms whose chosen learning rate has no worse one beyond it."""
    arms = []
    for rows in setting.arms:
        if lengths := setting.rates_at_edge.get(rows.arm):
            at = (
                f" at {joined(map(str, lengths))} {setting.unit}" if rows.arm.train_max_length is None else ""
            )
            arms.append(f"{setting.named(rows.arm)}{at}")
    if not arms:
        return ""
    return (
        "Learning rates: the best of all that were tried is the lowest or the highest of them for "
        f"{joined(arms, comma='; ')}; a better one may lie beyond (tuning.csv)."
    )


def _breakdowns(setting: Setting) -> str:
    """Say of every arm where its free-running accuracy fell, or that it did not, with its context and its runs."""
    sentences = [_fallen(setting, rows, each) for rows, each in _known(setting, "")]
    for censored, words in (
        ("above", f"did not fall through {HALF_WAY} up to {setting.longest} {setting.unit}"),
        ("below", f"lay below {HALF_WAY} already at the shortest length, {setting.shortest}"),
        (
            "not_learnt",
            "came nowhere 0.05 of the way from chance to perfect: not learnt, which is no breakdown",
        ),
    ):
        known = [rows for rows, _ in _known(setting, censored)]
        stuck = [censored == "not_learnt" and _has_left_chance(rows) for rows in known]
        for is_stuck, said in ((False, words), (True, _AT_THIS_RATE)):
            arms = [
                _with_context(setting, rows)
                for rows, each in zip(known, stuck, strict=True)
                if each == is_stuck
            ]
            sentences += [f"{joined(arms)} {said}."] if arms else []
    return f"Free-running accuracy: {' '.join(sentences)}" if sentences else ""


def _has_left_chance(rows: ArmRows) -> bool:
    points = rows.points(FREE_RUNNING)
    return any(
        mean >= on_scale(chance, LEARNT)
        for mean, chance in zip(points["mean"], points["chance"], strict=True)
    )


def _fallen(setting: Setting, rows: ArmRows, found: Breakdown) -> str:
    tested = rows.tested(FREE_RUNNING)
    where = breakdown_cell(found, tested, setting.unit) + breakdown_remark(found, tested)
    return (
        f"{_with_context(setting, rows)} fell through {HALF_WAY} at {where}; "
        f"{_ended(setting, rows, found, tested)}{_larger_budget(setting, rows)}."
    )


def _ended(setting: Setting, rows: ArmRows, found: Breakdown, tested: Sequence[int]) -> str:
    """Say how the runs at the tested lengths around a breakdown ended."""
    around = lengths_around(tested, found.length)
    runs = rows.metrics[rows.metrics["length"].isin(around)].drop_duplicates("run_id")
    runs = runs.dropna(subset=["stop_reason"])
    if runs.empty:
        return "how its runs ended is not known"
    ended = int((runs["stop_reason"] == "budget").sum())
    return (
        f"at {joined(map(str, around))} {setting.unit} {ended} of {len(runs)} runs were ended by their budget"
    )


def _is_memory_shown(setting: Setting, rows: ArmRows) -> bool:
    """Whether longer runs left the breakdown where it was, as `larger_budget_table` decides."""
    row = setting.larger_budgets.get(rows.arm)
    return row is not None and row.outcome == "memory"


def _larger_budget(setting: Setting, rows: ArmRows) -> str:
    """Say what a larger budget did to the breakdown; without one it is the breakdown at this budget."""
    row = setting.larger_budgets.get(rows.arm)
    if row is None:
        return "; this holds at this budget"
    sign = {"above": "> ", "below": "< "}.get(row.censored_after, "")
    after = "not learnt" if math.isnan(row.length_after) else f"{sign}{length_text(row.length_after)}"
    rerun = f"; with {row.factor:.3g} times the budget ({row.budget_after:,} steps) it stood at {after}"
    if not math.isnan(row.change_low):
        low, high = row.change_low - 1, row.change_high - 1
        rerun += f", the seeds' own L50 changing by {row.change - 1:+.1%} [{low:+.1%}, {high:+.1%}]"
    if setting.generalises:
        return f"{rerun}; this holds at this budget"
    if row.outcome == "memory":
        return f"{rerun}, below {SAME:+.0%}: the limit is one of memory rather than of training"
    if row.outcome == "moved":
        return f"{rerun}: it moved, so it was limited by training, and this holds at this budget"
    return f"{rerun}: not shown to move, nor to be one of memory ({', '.join(_doubts(row))}); this holds at this budget"


def _doubts(row: Any) -> list[str]:
    """Name what a row of longer.csv lacks to speak of memory."""
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


def _teacher_forced(setting: Setting) -> str:
    own = setting.breakdowns[TEACHER_FORCED]
    found = [(rows, own[rows.arm]) for rows in setting.arms if rows.arm in own]
    found = [(rows, each) for rows, each in found if each.censored != "not_learnt"]
    cells = [
        f"{setting.named(rows.arm)} {breakdown_cell(each, rows.tested(TEACHER_FORCED))}"
        for rows, each in found
        if each.censored != "above"
    ]
    if cells:
        return f"Teacher-forced, where errors do not compound: {'; '.join(cells)}."
    return f"Teacher-forced, where errors do not compound, none fell through {HALF_WAY}." if found else ""


def _with_context(setting: Setting, rows: ArmRows) -> str:
    """Name an arm with how many numbers, or bits where they are squeezed, cross from its encoder to its decoder."""
    bits = rows.metrics["channel_bits"].dropna()
    sizes, unit = (rows.metrics["context_size"].dropna(), "numbers") if bits.empty else (bits, "bits")
    if sizes.empty:
        return setting.named(rows.arm)
    least, most = int(sizes.min()), int(sizes.max())
    count = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return setting.named(rows.arm, f"context of {count} {unit}")


def _coverage(setting: Setting) -> str:
    """Say where intervals may hold less often than their name says."""
    numbers = [rows.metrics["seed"].nunique() for rows in setting.arms]
    drawn = {row.interval_over for _, row in setting.retention} & {BOTH, SENTENCES}
    if max(numbers) == 1:
        return "" if drawn else "One seed gives no interval."
    if may_cover_less(min(numbers)):
        kind = "" if drawn else "Student t "
        return (
            f"Brackets are 95 % {kind}intervals by name; fewer than {FEW_SEEDS} seeds cannot show whether they "
            "spread normally, and where they do not, intervals hold less often (docs/coverage.md)."
        )
    if any(may_cover_less(point.seeds, point.mean, point.low < point.high) for _, point in setting.points):
        return (
            "Brackets are 95 % Student t intervals by name; of accuracies within 0.02 of perfect they hold less "
            "often (docs/coverage.md)."
        )
    return "" if drawn else "Brackets are 95 % Student t intervals over seeds."

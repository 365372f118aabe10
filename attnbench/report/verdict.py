"""The verdict of a sweep in words: one sentence first, then what was found, what was not shown, and the method."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from attnbench.analysis.bootstrap import BOTH, SENTENCES
from attnbench.analysis.comparison import TESTED_PAIRS
from attnbench.analysis.larger_budget import BUDGET_KEY, steps_of_budgets, without_budget
from attnbench.analysis.statistics import FEW_SEEDS, USUAL_LEVEL, may_cover_less
from attnbench.arm import Variant, shared_changes
from attnbench.formatting import joined, span
from attnbench.plots.points import budget_facts, told_changes
from attnbench.report.bits_words import bits_found, bounded, ceilings, end_of_any_code, leaks
from attnbench.report.breakdown_words import (
    HALF_WAY,
    breakdown_headline,
    breakdowns_found,
    by_bound,
    has_stayed,
    known,
    teacher_forced_found,
)
from attnbench.report.comparison_words import (
    LEAST_PAIRS,
    comparison_found,
    comparison_method,
    contrasts,
    not_compared,
)
from attnbench.report.settings import Setting, SweepTables, split_settings
from attnbench.report.text_words import text_found, text_headline, text_method

# Weights of these belong to one position each, and so do those of learnt position embeddings.
BY_POSITION = ("luong_location",)
_LEARNT_POSITIONS = ("model.positions", "learnt")


@dataclass(frozen=True)
class Verdict:
    """What the arms of one task, protocol, train range and training show; plain sentences, without markup.

    Attributes:
        heading: the task, how it was trained, and what tells it from the others of the sweep.
        headline: one sentence: which arms break down, at which length, and which do not.
        found: what the numbers show.
        not_shown: what a reader might take as shown and is not.
        method: what the numbers rest on: lengths, seeds, budget, test, intervals.
    """

    heading: str
    headline: str
    found: tuple[str, ...]
    not_shown: tuple[str, ...]
    method: tuple[str, ...]

    @property
    def lists(self) -> dict[str, tuple[str, ...]]:
        """The lists that are not empty, by their headings."""
        named = {"Found": self.found, "Not shown": self.not_shown, "Method": self.method}
        return {name: sentences for name, sentences in named.items() if sentences}


def verdicts(tables: SweepTables) -> list[Verdict]:
    """Return a verdict for each task, protocol, train range and training, in the order of the figures' panels.

    Under `extrapolation` it speaks of length generalisation.
    """
    settings = split_settings(tables)
    return [_verdict(setting, heading_among(setting, settings)) for setting in settings]


def verdict_text(verdicts: Sequence[Verdict], width: int | None = None, has_method: bool = True) -> str:
    """Return verdicts as plain text, as a terminal shows them.

    Args:
        verdicts: of a sweep.
        width: where lines are broken; nowhere by default.
        has_method: whether the method is told too, or left to verdict.md.
    """
    blocks = []
    for each in verdicts:
        lines = [each.heading, each.headline, ""]
        for name, sentences in each.lists.items():
            if name == "Method" and not has_method:
                lines.append("Method: verdict.md")
            else:
                lines += [f"{name}:", *(f"- {sentence}" for sentence in sentences)]
        blocks.append("\n".join(_wrapped(line, width) for line in lines))
    return "\n\n".join(blocks) + "\n"


def _wrapped(line: str, width: int | None) -> str:
    if width is None:
        return line
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def verdict_markdown(verdicts: Sequence[Verdict]) -> str:
    """Return verdicts as Markdown: a heading each, the headline in bold, and a list under each smaller heading."""
    blocks = []
    for each in verdicts:
        blocks += [f"# {escaped_markdown(each.heading)}", f"**{escaped_markdown(each.headline)}**"]
        for name, sentences in each.lists.items():
            blocks += [f"## {name}", "\n".join(f"- {escaped_markdown(sentence)}" for sentence in sentences)]
    return "\n\n".join(blocks) + "\n"


def escaped_markdown(text: str) -> str:
    """Return a text that Markdown shows as it is: no word of a person's own becomes markup or HTML."""
    return re.sub(r"([\\`*|]|<(?=[A-Za-z/!?])|(?<!\w)_|_(?!\w))", r"\\\1", text)


def _verdict(setting: Setting, heading: str) -> Verdict:
    is_text = setting.is_text
    found = text_found(setting) if is_text else _found(setting)
    method = [_what_was_done(setting), *(text_method(setting) if is_text else _method(setting))]
    headline = text_headline(setting) if is_text else breakdown_headline(setting)
    unfinished = setting.panel.unfinished
    return Verdict(
        heading=heading,
        headline=f"Unfinished, {unfinished}: {headline}" if unfinished else headline,
        found=tuple(found),
        not_shown=tuple(_not_shown(setting)),
        method=tuple(filter(None, [*method, _coverage(setting)])),
    )


def heading_among(setting: Setting, settings: Sequence[Setting]) -> str:
    """Name task and protocol, and where several settings of a sweep share these, what tells this one apart."""
    heading = setting.panel.heading + (", real text" if setting.is_text else "")
    alike = [each for each in settings if each.panel.heading == setting.panel.heading]
    if len(alike) == 1:
        return heading
    common = set.intersection(*(set(_changes(each).changes) for each in alike))
    own = [change for change in _changes(setting).changes if change not in common]
    parts = Variant(tuple(own)).without([BUDGET_KEY]).parts
    budgets = {tuple(_budget(each)) for each in alike}
    return ", ".join([heading, *parts, *(_budget(setting) if len(budgets) > 1 else [])])


def _changes(setting: Setting) -> Variant:
    return shared_changes(arm.variant for arm in setting.labels)


def _budget(setting: Setting) -> list[str]:
    return budget_facts(steps_of_budgets((rows.arm, rows.metrics["steps"].max()) for rows in setting.arms))


def _found(setting: Setting) -> list[str]:
    return [
        *leaks(setting),
        *breakdowns_found(setting),
        *bounded(setting),
        *teacher_forced_found(setting),
        *comparison_found(setting),
        *bits_found(setting),
    ]


def _method(setting: Setting) -> list[str]:
    has_breakdowns = bool(known(setting, "", "above", "below", "not_learnt"))
    meaning = (
        f"An arm {'falls' if setting.generalises else 'breaks down'} (L50) where its mean free-running accuracy falls "
        f"through {HALF_WAY}, between two tested lengths."
    )
    return [meaning if has_breakdowns else "", *ceilings(setting), *comparison_method(setting)]


def _not_shown(setting: Setting) -> list[str]:
    """Name what a reader might take as shown and is not."""
    limits = [] if setting.is_text else [*_causes(setting), *not_compared(setting)]
    if not setting.is_text:
        verb = "falls" if setting.generalises else "breaks down"
        limits += [
            f"Whether {joined((setting.named(rows.arm) for rows, _ in arms), 'or')} {verb} beyond {longest} "
            f"{setting.unit}."
            for longest, arms in by_bound(known(setting, "above")).items()
        ]
    limits += _rates(setting)
    tested = [] if setting.is_text else contrasts(setting)
    rows = [row for _, row in tested if row.pairs >= LEAST_PAIRS]
    weak = sorted({int(row.pairs) for row in rows if row.pairs < TESTED_PAIRS})
    if weak:
        limits.append(f"A p-value, since {joined(map(str, weak))} pairs cannot come below {USUAL_LEVEL}.")
    if len(rows) > 1:
        limits.append(f"A correction for {len(rows)} comparisons, each of which stands by itself.")
    if setting.is_text:
        limits.append(
            "A breakdown of token accuracy, which behind one word too many says nothing of a translation."
        )
        limits.append("A test of BLEU against the baseline, whose means curve.csv has.")
    if setting.panel.unfinished:
        limits.insert(0, f"What the rest of the plan changes: {setting.panel.unfinished} are done.")
    return [*limits, "Other tasks, sizes or budgets."]


def _causes(setting: Setting) -> list[str]:
    """Say of which breakdowns the cause is open: training or memory, capacity or length generalisation.

    Memory is shown by a ceiling alone, and only from the length on where it lies below half.
    """
    if setting.generalises:
        return ["Capacity apart from length generalisation, which this protocol mixes.", *_untrained(setting)]
    reasons: dict[str, list[str]] = {}
    for rows, _ in known(setting, ""):
        end = end_of_any_code(rows)
        if has_stayed(setting, rows):
            reason = ": it may be an optimum that training does not leave"
        elif end is not None:
            reason = f" before {end} {setting.unit}, where some code stays above half"
        else:
            reason = ": no runs with a larger budget show it"
        reasons.setdefault(reason, []).append(setting.named(rows.arm))
    return [
        f"That memory, and not training, limits {joined(names)}{reason}." for reason, names in reasons.items()
    ]


def _untrained(setting: Setting) -> list[str]:
    """Name arms that tell positions apart by weights of their own, of which those beyond the train range were not."""
    own = [rows.arm for rows in setting.arms]
    arms = [arm for arm in own if arm.model in BY_POSITION or _LEARNT_POSITIONS in arm.variant.changes]
    beyond = [arm for arm in arms if arm.train_max_length is None or arm.train_max_length < setting.longest]
    if not beyond:
        return []
    names = joined(setting.named(arm) for arm in beyond)
    return [
        f"What {names} would do with trained weights: those of positions beyond the train range never were."
    ]


def _rates(setting: Setting) -> list[str]:
    """Say what is open of the learning rates: never reached, not tuned, or the outermost of those tried."""
    limits = []
    if early := [setting.named(rows.arm) for rows in setting.arms if rows.arm in setting.within_warmup]:
        limits.append(
            f"What {joined(early)} learn{'s' if len(early) == 1 else ''} at the learning rate that was set: the budget "
            "ended within the warm-up, so no step had that rate (training.steps, training.warmup_steps)."
        )
    if not setting.is_tuned and len(setting.arms) > 1:
        limits.append("What each arm does at its best learning rate: rates were not tuned (--tune-rates).")
    return [*limits, *filter(None, [_rates_at_edge(setting)])]


def _rates_at_edge(setting: Setting) -> str:
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
        "The best learning rate: of all that were tried it is the lowest or the highest of them for "
        f"{joined(arms, comma='; ')}; a better one may lie beyond (tuning.csv)."
    )


def _what_was_done(setting: Setting) -> str:
    """Name lengths, what all arms share, seeds and budget."""
    metrics = pd.concat([rows.metrics for rows in setting.arms])
    sizes = {arm.hidden_size for arm in setting.labels}
    seeds = span(number for rows in setting.arms for number in rows.seeds)
    facts = [f"hidden size {sizes.pop()}"] if len(sizes) == 1 else []
    changes = shared_changes(without_budget(arm).variant for arm in setting.labels)
    facts += told_changes(changes, setting.panel.data_names)
    one = "one seed" if metrics["seed"].nunique() == 1 else "one seed each, not the same one"
    facts.append(one if seeds == "1" else f"{seeds} seeds")
    facts += _budget(setting)
    lengths = f"{metrics['length'].min()} to {metrics['length'].max()} {setting.unit}"
    return f"{lengths}; {', '.join(facts)}."


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

"""The verdict in words: a paragraph for each task and protocol, built from the tables alone."""

import pandas as pd

from attnbench.analysis.breakdown import without_budget
from attnbench.arm import shared_changes
from attnbench.report.settings import Setting, VerdictTables, split_settings
from attnbench.report.verdict_breakdowns import breakdown_sentences
from attnbench.report.verdict_comparison import bits_sentences, comparison_sentences
from attnbench.report.verdict_limits import limit_sentences


def verdict_text(tables: VerdictTables) -> str:
    """Return one paragraph for each task, protocol, train range and training, parted by empty lines.

    It names the number of seeds, intervals, sizes of contexts, protocol, budget and the smallest p of the test,
    and what was not shown. It speaks of memory only where a longer budget left a breakdown in place.
    """
    return "\n\n".join(_paragraph(setting) for setting in split_settings(tables)) + "\n"


def _paragraph(setting: Setting) -> str:
    sentences = [
        _what_was_done(setting),
        *breakdown_sentences(setting),
        *comparison_sentences(setting),
        *bits_sentences(setting),
        *limit_sentences(setting),
    ]
    return " ".join(sentences)


def _what_was_done(setting: Setting) -> str:
    """Name task, protocol, lengths, what all arms share, seeds and budget."""
    metrics = pd.concat([rows.metrics for rows in setting.arms])
    arms = list(setting.labels)
    shared = shared_changes(without_budget(arm).variant for arm in arms)
    sizes = {arm.hidden_size for arm in arms}
    seeds = sorted({rows.metrics["seed"].nunique() for rows in setting.arms})
    facts = [f"hidden size {sizes.pop()}"] if len(sizes) == 1 else []
    facts += shared.parts
    facts.append(_seeds(seeds[0], seeds[-1]))
    steps = metrics["steps"].max()
    facts += [] if pd.isna(steps) else [f"at most {steps:,} training steps"]
    lengths = f"{metrics['length'].min()} to {metrics['length'].max()} {setting.unit}"
    return f"{setting.panel.title}; {lengths}; {', '.join(facts)}."


def _seeds(fewest: int, most: int) -> str:
    if most == 1:
        return "one seed"
    return f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"

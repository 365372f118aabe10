"""The table that a sweep begins with: what each arm is made of."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from attnbench.arm import shared_changes
from attnbench.models.sizing import VocabularySizes, count_parameters
from attnbench.runs.spec import RunSpec
from attnbench.tasks.base import Task

LOOKED_AT = 16
"""Examples from which the source tokens of a length are taken."""


def arm_table(specs: Sequence[RunSpec], lengths: Sequence[int]) -> Table:
    """Return a row for each arm: hidden size, parameters, and how many numbers cross at the ends of the lengths.

    Of the variants only that is shown in which the arms differ.
    """
    arms = list(dict.fromkeys((spec.task, spec.model, spec.variant) for spec in specs))
    ends = sorted({min(lengths), max(lengths)})
    tokens = {task: {length: _source_tokens(task, length, lengths) for length in ends} for task, _, _ in arms}
    shared = {key for key, _ in shared_changes(variant for _, _, variant in arms).changes}
    variants = [variant.without(shared) for _, _, variant in arms]
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("task", overflow="fold")
    table.add_column("arm", no_wrap=True)
    if any(variants):
        table.add_column("variant", overflow="fold")
    for name in ("hidden", "parameters", *(f"context at {length}" for length in ends)):
        table.add_column(name, justify="right")
    for (task, model, _), variant in zip(arms, variants, strict=True):
        sizes = VocabularySizes(len(task.source_vocabulary.tokens), len(task.target_vocabulary.tokens))
        crossing = [tokens[task][length] for length in ends]
        cells = [
            *(task.name, model.name, *([str(variant)] if any(variants) else [])),
            *(str(model.hidden_size), f"{count_parameters(model, sizes):,}"),
            *("–" if each is None else f"{model.context_size(each):,}" for each in crossing),
        ]
        table.add_row(*map(Text, cells))
    return table


def _source_tokens(task: Task, length: int, lengths: Sequence[int]) -> int | None:
    """Return the mean source tokens at a length; None where the task has no example of it."""
    span = task.evaluation_range(length, lengths)
    for batch in task.evaluation_batches("test", 0, span, LOOKED_AT, LOOKED_AT):
        return round(int(batch.source_lengths.sum()) / len(batch))
    return None

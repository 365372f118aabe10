"""The table that a sweep begins with: what each arm is made of."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from attnbench.arm import shared_changes
from attnbench.models.sizing import VocabularySizes, count_parameters
from attnbench.report.summary import CONTEXT, range_cell
from attnbench.runs.spec import RunSpec
from attnbench.tasks.base import LengthRange, Task

LOOKED_AT = 16
"""Test examples that show whether all sources of a length have as many tokens; if not, all are looked at."""


def arm_table(specs: Sequence[RunSpec], lengths: Sequence[int]) -> Table:
    """Return a row for each arm: hidden size, parameters, and how many numbers cross over the tested lengths.

    The numbers are those that the summary after the sweep has: of the mean source tokens of the test examples. Of the
    variants only that is shown in which the arms differ.
    """
    arms = list(dict.fromkeys((spec.task, spec.model, spec.variant) for spec in specs))
    tokens = {
        task: _source_tokens([each for each in specs if each.task == task], lengths) for task, _, _ in arms
    }
    shared = {key for key, _ in shared_changes(variant for _, _, variant in arms).changes}
    variants = [variant.without(shared) for _, _, variant in arms]
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, caption=CONTEXT, caption_justify="left")
    table.add_column("task", overflow="fold")
    table.add_column("arm", no_wrap=True)
    if any(variants):
        table.add_column("variant", overflow="fold")
    for name in ("hidden", "parameters", "context"):
        table.add_column(name, justify="right")
    for (task, model, _), variant in zip(arms, variants, strict=True):
        sizes = VocabularySizes(len(task.source_vocabulary.tokens), len(task.target_vocabulary.tokens))
        cells = [
            *(task.name, model.name, *([str(variant)] if any(variants) else [])),
            *(str(model.hidden_size), f"{count_parameters(model, sizes):,}"),
            range_cell([model.context_size(each) for each in tokens[task]]),
        ]
        table.add_row(*map(Text, cells))
    return table


def _source_tokens(specs: Sequence[RunSpec], lengths: Sequence[int]) -> list[int]:
    """Return the mean source tokens of the test at the shortest and at the longest length, for every seed that differs.

    Args:
        specs: of one task.
        lengths: those that are tested; one without examples has no number.
    """
    task = specs[0].task
    spans = [task.evaluation_range(length, lengths) for length in sorted({min(lengths), max(lengths)})]
    some = {span: _counts(task, specs[0].seed, span, LOOKED_AT, LOOKED_AT) for span in spans}
    tokens = []
    for span in (each for each, counts in some.items() if counts):
        if len(set(some[span])) == 1 and not task.reads_files:
            tokens.append(some[span][0])
            continue
        # Files have the same test for every seed.
        tests = {
            (
                0 if task.reads_files else spec.seed,
                spec.training.test_examples,
                spec.training.evaluation_batch_size,
            )
            for spec in specs
        }
        every = [_counts(task, seed, span, *sizes) for seed, *sizes in sorted(tests)]
        tokens += [round(sum(counts) / len(counts)) for counts in every]
    return tokens


def _counts(task: Task, seed: int, span: LengthRange, examples: int, batch_size: int) -> list[int]:
    """Return the source tokens of each of so many test examples."""
    batches = task.evaluation_batches("test", seed, span, examples, batch_size)
    return [count for batch in batches for count in batch.source_lengths.tolist()]

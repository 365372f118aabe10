"""The table that a sweep prints: what each arm reached at each length, and where it breaks down."""

from collections.abc import Callable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from attnbench.plots.points import NOTHING, ArmRows, Panel, breakdown_cell, context_cell, range_cell

# What fits beside the other columns on a terminal.
_MOST_LENGTHS = 8
CONTEXT = "context: numbers that cross from encoder to decoder, over the tested lengths"
# Score: its name, and how its means are written.
_SCORES = {
    "token_accuracy": ("free-running token accuracy", ".2f"),
    "bleu": ("BLEU", ".1f"),
    "teacher_forced_accuracy": ("teacher-forced token accuracy", ".2f"),
    "bits_recovered": ("bits recovered", ".1f"),
}
_SHOWN, _INSTEAD = ("token_accuracy", "bleu"), ("teacher_forced_accuracy", "bits_recovered")

# What is said of an arm: the name of its column and its cell.
Fact = tuple[str, Callable[[ArmRows], str]]


def summary_table(panels: Sequence[Panel]) -> Table:
    """Lay out mean free-running accuracy by length and L50: a row for each arm, and one for its BLEU if any.

    Where no arm has either, teacher-forced accuracy or bits stand there instead. Each task and protocol has a table
    of its own. What all its arms share, such as the number of seeds, is in the title. Where there are more lengths
    than fit on a line, some are shown and the caption says so.
    """
    grid = Table.grid()
    for panel in panels:
        lengths = _spread(sorted(panel.length_labels("length")), _MOST_LENGTHS)
        grid.add_row(Text(_title(panel), style="bold"))
        if _scores(panel):
            grid.add_row(_panel_table(panel, lengths))
            grid.add_row(Text(_caption(panel, lengths)))
        grid.add_row()
    return grid


def _scores(panel: Panel) -> list[str]:
    """Return the scores of which the table shows means."""
    shown, instead = ([score for score in each if panel.arms_with(score)] for each in (_SHOWN, _INSTEAD))
    return shown or instead[:1]


def _panel_table(panel: Panel, lengths: Sequence[int]) -> Table:
    labels, facts = panel.length_labels("length"), _facts(panel)
    table = Table(box=box.SIMPLE_HEAD, padding=0)
    table.add_column("arm", overflow="fold", min_width=10)
    for length in lengths:
        table.add_column(labels[length], justify="right", no_wrap=True)
    for name, _ in facts:
        table.add_column(
            name, justify="left" if name == _breakdown_name(panel) else "right", min_width=len(name)
        )
    for rows in panel.arms:
        _add_arm(table, rows, _scores(panel), lengths, facts)
    return table


def _add_arm(
    table: Table, rows: ArmRows, scores: Sequence[str], lengths: Sequence[int], facts: Sequence[Fact]
) -> None:
    """Add a row for each score that the arm has, or one without means; the first has what else is known of the arm."""
    name, known = rows.look.label, [fact(rows) for _, fact in facts]
    for score in [score for score in scores if not rows.points(score).empty] or scores[:1]:
        name = f"{name} BLEU".strip() if score == "bleu" else name
        cells = [name, *(_mean(rows, score, length) for length in lengths), *known]
        # Not as markup: a variant may hold brackets.
        table.add_row(*map(Text, cells))
        name, known = "", [""] * len(facts)


def _title(panel: Panel) -> str:
    scores = [_SCORES[score][0] for score in _scores(panel)]
    unit = f" ({panel.length_unit})" if panel.length_unit else ""
    seeds = {_seeds(rows) for rows in panel.arms}
    number = seeds.pop() if len(seeds) == 1 else ""
    one = (
        "one seed"
        if len({seed for rows in panel.arms for seed in rows.metrics["seed"]}) == 1
        else "one seed each"
    )
    over = {"": "", "1": f", {one}"}.get(number, f", {number} seeds")
    what = f"Mean {' and '.join(scores)} by input length{unit}" if scores else "No row has a score."
    return f"{panel.heading}{over}\n{what}"


def _caption(panel: Panel, shown: Sequence[int]) -> str:
    tested = panel.length_labels("length")
    some = f"{len(shown)} of {len(tested)} lengths are shown; curve.csv has them all.\n"
    half = "; half BLEU: where less than half of an arm's best is left"
    columns = f"{CONTEXT}; budget: runs ended by it{'' if _breakdown_name(panel) == 'L50' else half}"
    return (some if len(shown) < len(tested) else "") + columns


def _facts(panel: Panel) -> list[Fact]:
    """Return the columns behind the accuracies; the title has the number of seeds where all arms share it."""
    seeds: list[Fact] = [("seeds", _seeds)] if len({_seeds(rows) for rows in panel.arms}) > 1 else []
    return [(_breakdown_name(panel), _breakdown), *seeds, ("context", _context), ("budget", _budget)]


def _breakdown_name(panel: Panel) -> str:
    """Return what the arms' breakdown is told by: real text has no L50."""
    return "half BLEU" if any(rows.breakdown("bleu") for rows in panel.arms) else "L50"


def _mean(rows: ArmRows, score: str, length: int) -> str:
    means = rows.points(score).set_index("length")["mean"]
    return format(means[length], _SCORES[score][1]) if length in means.index else NOTHING


def _breakdown(rows: ArmRows) -> str:
    score = "bleu" if rows.breakdown("bleu") else "token_accuracy"
    found = rows.breakdown(score)
    return NOTHING if found is None else breakdown_cell(found, rows.tested(score))


def _seeds(rows: ArmRows) -> str:
    return range_cell(rows.seeds)


def _context(rows: ArmRows) -> str:
    return context_cell(rows.metrics["context_size"].dropna(), rows.metrics["channel_bits"].dropna())


def _budget(rows: ArmRows) -> str:
    """Return how many of the arm's runs, of those whose end is known, were ended by their budget."""
    runs = rows.metrics.drop_duplicates("run_id").dropna(subset=["stop_reason"])
    if runs.empty:
        return NOTHING
    return f"{(runs['stop_reason'] == 'budget').sum()}/{len(runs)}"


def _spread(lengths: Sequence[int], most: int) -> list[int]:
    """Return at most so many of the lengths, evenly spread over them, with the first and the last."""
    if len(lengths) <= most:
        return list(lengths)
    step = (len(lengths) - 1) / (most - 1)
    return [lengths[round(i * step)] for i in range(most)]

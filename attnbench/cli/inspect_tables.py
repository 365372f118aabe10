"""What `attnbench inspect` prints: examples in characters, scores, errors and the worst examples."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from attnbench.cli.inspect_examples import Drawn
from attnbench.cli.inspect_request import InspectRequest
from attnbench.cli.inspect_scores import Scores
from attnbench.cli.options import print_text
from attnbench.inspection.evaluate import Cell, Row
from attnbench.inspection.word_edits import described
from attnbench.report.text_heatmap import shaded_lines

_NONE = "–"
_LONGEST_LINE = 100

_LOOKS = (
    "Looks of the weights, teacher-forced. On gold: share of words whose largest weight lies where the answer stands; "
    "equal, permuted: the same by equal weights and by the model's, permuted; mass: the weight on gold; AER: alignment "
    "error rate; entropy: 0 is one word; change: from word to word, 0 to 1."
)
_CAUSES = (
    "Do the looks matter? Share of answers that became another one as the read lost one source word: the most "
    "attended, another at random, the one with the largest gradient; permuted: how far answers moved with the weights "
    "permuted, 0 to 1."
)
_ERRORS = (
    "Errors, running freely. At place: share of words right place by place (token accuracy). Then what was written is "
    "aligned with what was expected: words too many, left out, exchanged for another word, swapped with the one "
    "beside. Of the exchanged, looked wrong: away from where the answer stands; looked right: there, yet said wrong."
)
_ERROR_COLUMNS = {
    "words": "words",
    "at place": "accuracy",
    "too many": "inserted",
    "left out": "left_out",
    "other word": "exchanged",
    "swapped": "swapped",
    "looked wrong": "looked_wrong",
    "looked right": "looked_right",
}


def print_shaded(drawn: Drawn) -> None:
    """Print every example under every run, as wide as the terminal is."""
    width = Console().width
    for number in range(drawn.count):
        print_text(Text(drawn.about[number], style="bold"))
        for arm in drawn.arms_of(number):
            if arm.portrait.expected:
                print_text(Text(f"{arm.name}: {described(arm.portrait.aligned)}"))
            for line in shaded_lines(arm, width):
                print_text(line)
            print_text(Text())


def print_scores(scores: Scores, request: InspectRequest, drawn: Drawn) -> None:
    """Print the tables over whole test sets, then the worst examples of the length drawn; worst.csv has more."""
    names = dict(zip(drawn.run_ids, drawn.names, strict=True))
    console = Console()
    for table, words in (
        (_looks_table(scores, names), _LOOKS),
        (_causes_table(scores, names), _CAUSES),
        (_errors_table(scores, names), _ERRORS),
    ):
        if table.row_count:
            console.print(table)
            console.print(Text(f"{words}\n"))
    scored = {str(row["run_id"]) for row in scores.attention if row["weights"] == "model" and row["words"]}
    for run_id in names.keys() - scored:
        line = f"{names[run_id]} has no attention weights over the source: no look to score, none to change."
        console.print(Text(f"{line}\n"))
    _print_worst(scores, request, drawn, names)


def _looks_table(scores: Scores, names: Mapping[str, str]) -> Table:
    table = _table("on gold", "equal", "permuted", "mass", "AER", "entropy", "change")
    for (run_id, length), rows in _by_test(scores.attention).items():
        model, equal, permuted = (
            _row(rows, weights=kind, layer=None) for kind in ("model", "uniform", "permuted")
        )
        if not model.get("words"):
            continue
        accuracies = [each.get("alignment_accuracy") for each in (model, equal, permuted)]
        names_of_rest = ("gold_mass", "alignment_error_rate", "entropy_bits", "change_bits")
        _add(table, names[run_id], length, [*accuracies, *(model.get(name) for name in names_of_rest)])
    return table


def _causes_table(scores: Scores, names: Mapping[str, str]) -> Table:
    table = _table("most attended", "at random", "largest gradient", "permuted")
    for (run_id, length), rows in _by_test(scores.causal).items():
        erased = [
            _row(rows, change=f"erased_{kind}").get("flip_rate")
            for kind in ("most_attended", "random", "largest_gradient")
        ]
        permuted = _row(rows, change="permuted").get("median_variation")
        if permuted is not None:
            _add(table, names[run_id], length, [*erased, permuted])
    return table


def _errors_table(scores: Scores, names: Mapping[str, str]) -> Table:
    table = _table(*_ERROR_COLUMNS)
    for (run_id, length), rows in _by_test(scores.errors).items():
        overall = _row(rows, position=None)
        _add(table, names[run_id], length, [overall[name] for name in _ERROR_COLUMNS.values()])
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0)
    table.add_column("arm", overflow="fold", min_width=10)
    for name in ("length", *columns):
        # A line for each word: rich would not break headings before it cuts columns off.
        table.add_column(name.replace(" ", "\n"), justify="right", min_width=max(map(len, name.split())))
    return table


def _add(table: Table, name: str, length: str, cells: Sequence[Cell]) -> None:
    table.add_row(Text(name), length, *map(_cell, cells))


def _cell(value: Cell) -> str:
    if value is None:
        return _NONE
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value


def _by_test(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Group rows by their run and length."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row["run_id"]), str(row["length"])), []).append(row)
    return groups


def _row(rows: Sequence[Row], **values: Cell) -> Row:
    """Return the row with these cells, or an empty one."""
    return next((row for row in rows if values.items() <= row.items()), {})


def _print_worst(scores: Scores, request: InspectRequest, drawn: Drawn, names: Mapping[str, str]) -> None:
    rows = [row for row in scores.worst_rows(request, drawn) if row["length"] == drawn.length]
    for run_id, name in names.items():
        worst = [row for row in rows if row["run_id"] == run_id]
        if not worst:
            print_text(Text(f"{name} got all examples of length {drawn.length} right.", style="bold"))
        # Those that --wrong draws stand above already.
        for row in [] if request.choice.wrong_only else worst[: request.choice.count]:
            line = f"{name}, example {row['index']}: {row['slips']}"
            print_text(Text(line, style="bold"))
            for label in ("asked", "expected", "produced", "looked_at"):
                if row[label]:
                    print_text(Text(f"  {label.replace('_', ' '):10}{_cut(str(row[label]))}"))
            print_text(Text(f"  {row['command']}", style="dim"))


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST_LINE else f"{words[: _LONGEST_LINE - 1]}…"

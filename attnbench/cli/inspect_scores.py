"""The scores, errors and causal checks that `attnbench inspect` counts over whole test sets: tables and files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from attnbench.cli.inspect import InspectRequest
from attnbench.cli.inspect_examples import Drawn, arm_names
from attnbench.cli.options import print_text
from attnbench.cli.progress import StageProgress
from attnbench.formatting import counted, length_span, percent
from attnbench.inspection.decode import maps_of
from attnbench.inspection.errors import ExampleErrors, looks_described
from attnbench.inspection.evaluate import (
    ATTENTION_COLUMNS,
    CAUSAL_COLUMNS,
    ERROR_COLUMNS,
    Cell,
    Row,
    attention_rows,
    causal_rows,
    error_rows,
    evaluate_attention,
    evaluate_causes,
    evaluate_errors,
)
from attnbench.inspection.examples import HeldOut, held_out
from attnbench.inspection.load import TrainedRun
from attnbench.inspection.word_edits import EDIT_KINDS, AlignedWord, described
from attnbench.runs.metrics_csv import write_rows

CAUSAL_EXAMPLES = 100
"""Of each length: every answer of theirs is read anew some thirty times."""
_NOTHING, _NO_ROOM = "–", "…"
_LONGEST_LINE = 100
_LISTED = 5  # worst answers of each run on the page
_ATTENTION = (
    "Where attention lies, with the right words fed back (teacher-forced). Gold position: a source word where the "
    "answer stands, as the task or a word alignment says; – where none is known. Alignment accuracy: share of words "
    "whose largest weight lies on a gold position; if uniform, if permuted: the same share if all source words had "
    "equal weight, or the model's weights in random order. Weight on gold: the sum of the weights there. AER: "
    "alignment error rate, 0 at best, 1 at worst. Entropy: in bits, 0 where one word has all the weight. Change: how "
    "far the weights move from one written word to the next, from 0 (not at all) to 1 (to other words), by "
    "Jensen–Shannon divergence."
)
_CAUSES = (
    "Causal checks: does the answer depend on the attention? Share of answers that change when one source word is "
    "erased from the context: the most attended, a random one, the one with the largest gradient. Shift if permuted: "
    "how far the output distribution moves when the weights are put in random order, from 0 to 1."
)
_ERRORS = (
    "Errors, free-running. Accuracy: share of words right place by place. Then what was written is aligned with the "
    "reference: words inserted, left out, exchanged for another, swapped with the one beside. Of the exchanged, looked "
    "wrong: attention away from where the answer stands; looked right: there, and yet wrong. Right words may have "
    "attention elsewhere too: that explains errors only where it is clearly more frequent among them."
)
_ERROR_COLUMNS = {
    "words": "words",
    "accuracy": "accuracy",
    "inserted": "inserted",
    "left out": "left_out",
    "exchanged": "exchanged",
    "swapped": "swapped",
    "looked wrong": "looked_wrong",
    "looked right": "looked_right",
}
_EDITS = {name: _ERROR_COLUMNS[name] for name in ("inserted", "left out", "exchanged", "swapped")}
_DOTS = f"{_NO_ROOM}: the length was fixed, no room or no word was left"
_WORST_LINES = {"asked": "source", "expected": "expected", "produced": "written", "looked_at": "attended to"}
WORST_COLUMNS = (
    "run_id",
    "length",
    "index",
    "wrong",
    "scored",
    *EDIT_KINDS,
    "slips",
    "asked",
    "expected",
    "produced",
    "looked_at",
    "command",
)


@dataclass(frozen=True)
class WorstExample:
    """One of the examples that a run got most wrong, in words.

    Attributes:
        expected: given words in brackets, – where a word was written that is too many, … where one only fills the
            end of a fixed length.
        produced: the same of what was written, – where a word was left out, … where a fixed length left no room.
        looked_at: the most attended source word of each answer, given words left out; empty for an arm without weights.
    """

    run_id: str
    length: int
    errors: ExampleErrors
    asked: str
    expected: str
    produced: str
    looked_at: str


@dataclass
class Scores:
    """Rows of attention.csv, causal.csv and errors.csv, and the worst examples."""

    attention: list[Row] = field(default_factory=list)
    causal: list[Row] = field(default_factory=list)
    errors: list[Row] = field(default_factory=list)
    worst: list[WorstExample] = field(default_factory=list)

    def worst_rows(self, request: InspectRequest, drawn: Drawn) -> list[Row]:
        """Return the rows of worst.csv."""
        return [_worst_row(each, request, drawn) for each in self.worst]


def score_runs(runs: Sequence[TrainedRun], lengths: Sequence[int], progress: StageProgress) -> Scores:
    """Go through the test sets of the first run, under every run."""
    scores = Scores()
    for name, run in zip(arm_names(runs), runs, strict=True):
        for length in lengths:
            examples = held_out(runs[0], length)
            span = length_span(examples.lengths.minimum, examples.lengths.maximum)
            _score(scores, run, examples, f"{name}, length {span}", progress)
    return scores


def _score(scores: Scores, run: TrainedRun, examples: HeldOut, where: str, progress: StageProgress) -> None:
    tell = progress.stage(f"{where}: attention")
    attention = evaluate_attention(run, examples, with_heads=maps_of(run.model) > 1, on_progress=tell)
    scores.attention += attention_rows(run, attention)
    errors = evaluate_errors(run, examples, on_progress=progress.stage(f"{where}: errors"))
    scores.errors += error_rows(run, examples.lengths, errors)
    scores.worst += [in_words(run, examples.lengths.maximum, each) for each in errors.worst]
    tell = progress.stage(f"{where}: causal checks")
    causes = evaluate_causes(run, examples.fewer(CAUSAL_EXAMPLES), on_progress=tell)
    scores.causal += causal_rows(run, examples.lengths, causes)


def in_words(run: TrainedRun, length: int, errors: ExampleErrors) -> WorstExample:
    """Return an example of a run in words, – where nothing was written."""
    task = run.spec.task
    source, target = task.source_vocabulary.tokens, task.target_vocabulary.tokens
    asked = [source[number] for number in errors.source]
    return WorstExample(
        run_id=run.spec.run_id,
        length=length,
        errors=errors,
        asked=" ".join(asked),
        expected=" ".join(_answers(errors.aligned, "expected", [target[each] for each in errors.expected])),
        produced=" ".join(_answers(errors.aligned, "written", [target[each] for each in errors.written])),
        looked_at=" ".join(_looked_at(errors, asked)),
    )


def _answers(
    aligned: Sequence[AlignedWord], side: Literal["expected", "written"], words: Sequence[str]
) -> Iterator[str]:
    """Yield the words of an answer, given ones in brackets, and – where the other side alone has a word."""
    for each in aligned:
        place = getattr(each, side)
        word = _nothing(each) if place is None else words[place]
        yield f"[{word}]" if each.kind == "given" else word


def _looked_at(errors: ExampleErrors, source: Sequence[str]) -> Iterator[str]:
    for each in errors.aligned if errors.looked_at else ():
        if each.kind != "given":
            yield _nothing(each) if each.written is None else source[errors.looked_at[each.written]]


def _nothing(word: AlignedWord) -> str:
    """Return what stands in the place of a word that is not there."""
    return _NO_ROOM if word.kind in ("cut_off", "filler") else _NOTHING


def _worst_row(each: WorstExample, request: InspectRequest, drawn: Drawn) -> Row:
    assert drawn.length is not None
    kinds = [word.kind for word in each.errors.aligned]
    return {
        "run_id": each.run_id,
        "length": each.length,
        "index": each.errors.index,
        "wrong": each.errors.wrong,
        "scored": each.errors.scored,
        **{kind: kinds.count(kind) for kind in EDIT_KINDS},
        "slips": described(each.errors.aligned),
        "asked": each.asked,
        "expected": each.expected,
        "produced": each.produced,
        "looked_at": each.looked_at,
        "command": request.example_command(each.length, each.errors.index, drawn.length),
    }


def write_scores(scores: Scores, request: InspectRequest, drawn: Drawn, out: Path) -> list[Path]:
    """Write the tables into a folder; return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    tables: Mapping[str, tuple[Sequence[str], Sequence[Row]]] = {
        "attention.csv": (ATTENTION_COLUMNS, scores.attention),
        "causal.csv": (CAUSAL_COLUMNS, scores.causal),
        "errors.csv": (ERROR_COLUMNS, scores.errors),
        "worst.csv": (WORST_COLUMNS, scores.worst_rows(request, drawn)),
    }
    for name, (columns, rows) in tables.items():
        write_rows(out / name, rows, columns)
    return [out / name for name in tables]


def worst_lines(scores: Scores, drawn: Drawn) -> list[tuple[int, str]]:
    """Return the numbers of the examples of the length drawn that each run answered worst, and what is wrong."""
    lines = []
    for run_id, name in zip(drawn.run_ids, drawn.names, strict=True):
        worst = [each for each in scores.worst if (each.run_id, each.length) == (run_id, drawn.length)]
        arm = f"{name}, " if len(drawn.names) > 1 else ""
        for each in worst[:_LISTED]:
            slips = described(each.errors.aligned)
            lines.append((each.errors.index, f"{arm}test example {each.errors.index}: {slips}"))
    return lines


def print_scores(scores: Scores, request: InspectRequest, drawn: Drawn) -> None:
    """Print the tables over whole test sets, then the worst examples of the length drawn; worst.csv has more."""
    names = dict(zip(drawn.run_ids, drawn.names, strict=True))
    console = Console()
    for table, conclusions, words in (
        (_attention_table(scores, names), _conclusions(scores.attention, names, _on_gold), _ATTENTION),
        (_causes_table(scores, names), _conclusions(scores.causal, names, _depends), _CAUSES),
        (_errors_table(scores, names), _conclusions(scores.errors, names, _right, _looks), _ERRORS),
    ):
        if table.row_count:
            console.print(table)
            for conclusion in conclusions:
                console.print(Text(conclusion, style="bold"))
            console.print(Text(f"{words}\n"))
    scored = {str(row["run_id"]) for row in scores.attention if row["weights"] == "model" and row["words"]}
    for run_id in names.keys() - scored:
        line = f"{names[run_id]} has no attention weights over the source: there is nothing to score or to change."
        console.print(Text(f"{line}\n"))
    _print_worst(scores, request, drawn, names)


def _attention_table(scores: Scores, names: Mapping[str, str]) -> Table:
    table = _table(
        "alignment accuracy", "if uniform", "if permuted", "weight on gold", "AER", "entropy", "change"
    )
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
    table = _table("most attended", "random", "largest gradient", "shift if permuted")
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


def _conclusions(
    rows: Sequence[Row], names: Mapping[str, str], *kinds: Callable[[Sequence[Row]], str]
) -> list[str]:
    """Return one plain sentence of each kind for each run, about the longest length with something to say of."""
    found: dict[tuple[str, int], str] = {}
    for (run_id, length), own in _by_test(rows).items():
        for number, say in enumerate(kinds):
            if said := say(own):
                found[run_id, number] = f"{names[run_id]}, length {length}: {said}."
    return [found[key] for key in sorted(found, key=lambda key: list(names).index(key[0]))]


def _on_gold(rows: Sequence[Row]) -> str:
    model, uniform = (
        _row(rows, weights=kind, layer=None).get("alignment_accuracy") for kind in ("model", "uniform")
    )
    if model is None or uniform is None:
        return ""
    return f"{_share(model)} of the words attend most to a gold position, {_share(uniform)} under uniform weights"


def _depends(rows: Sequence[Row]) -> str:
    most, other = (
        _row(rows, change=f"erased_{kind}").get("flip_rate") for kind in ("most_attended", "random")
    )
    if most is None or other is None:
        return ""
    return (
        f"erasing the most attended word changes {_share(most)} of the answers, a random one {_share(other)}"
    )


def _right(rows: Sequence[Row]) -> str:
    overall = _row(rows, position=None)
    if not overall["words"]:
        return ""
    kinds = {name: int(overall[column] or 0) for name, column in _EDITS.items()}
    said = f"{_share(overall['accuracy'])} of the words are right place by place"
    if not any(kinds.values()):
        return said
    most = max(kinds, key=lambda name: kinds[name])
    errors = counted(sum(kinds.values()), "error is", "errors are")
    return f"{said}; aligned with the reference, {kinds[most]:,} of {errors} words {most}"


def _looks(rows: Sequence[Row]) -> str:
    return looks_described(_row(rows, position=None))


def _share(value: Cell) -> str:
    return "–" if value is None else percent(float(value))


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
        return _NOTHING
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value


def _by_test(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Group rows by their run and length, or bucket of lengths."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        length = length_span(row["length_min"], row["length"])
        groups.setdefault((str(row["run_id"]), length), []).append(row)
    return groups


def _row(rows: Sequence[Row], **values: Cell) -> Row:
    """Return the row with these cells, or an empty one."""
    return next((row for row in rows if values.items() <= row.items()), {})


def _print_worst(scores: Scores, request: InspectRequest, drawn: Drawn, names: Mapping[str, str]) -> None:
    rows = [row for row in scores.worst_rows(request, drawn) if row["length"] == drawn.length]
    for run_id, name in names.items():
        worst = [row for row in rows if row["run_id"] == run_id]
        if not worst:
            print_text(Text(f"{name} got all examples right: {drawn.at}.", style="bold"))
        # Those that --wrong draws stand above already.
        for row in [] if request.choice.wrong_only else worst[: request.choice.count]:
            line = f"{name}, example {row['index']}: {row['slips']}"
            print_text(Text(line, style="bold"))
            for label, told in _WORST_LINES.items():
                if row[label]:
                    print_text(Text(f"  {told:12}{_cut(str(row[label]))}"))
            print_text(Text(f"  {row['command']}", style="dim"))
            if _NO_ROOM in f"{row['expected']} {row['produced']}".split():
                print_text(Text(f"  {_DOTS}", style="dim"))


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST_LINE else f"{words[: _LONGEST_LINE - 1]}…"

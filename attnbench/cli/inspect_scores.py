"""The scores, errors and causal checks that `attnbench inspect` counts over whole test sets, and their files."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from attnbench.cli.inspect_examples import Drawn, arm_names
from attnbench.cli.inspect_progress import StageProgress
from attnbench.cli.inspect_request import InspectRequest
from attnbench.inspection.decode import maps_of
from attnbench.inspection.errors import ExampleErrors
from attnbench.inspection.evaluate import (
    ATTENTION_COLUMNS,
    CAUSAL_COLUMNS,
    ERROR_COLUMNS,
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
from attnbench.runs.io import write_atomically

CAUSAL_EXAMPLES = 100
"""Of each length: every answer of theirs is read anew some thirty times."""
_NOTHING = "–"
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
        expected: given words in brackets, – where a word was written that is too many.
        produced: the same of what was written, – where a word was left out.
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
            _score(scores, run, held_out(runs[0], length), f"{name}, length {length}", progress)
    return scores


def _score(scores: Scores, run: TrainedRun, examples: HeldOut, where: str, progress: StageProgress) -> None:
    tell = progress.stage(f"{where}: where it looks")
    attention = evaluate_attention(run, examples, with_heads=maps_of(run.model) > 1, on_progress=tell)
    scores.attention += attention_rows(run, attention)
    errors = evaluate_errors(run, examples, on_progress=progress.stage(f"{where}: errors"))
    scores.errors += error_rows(run, examples.lengths, errors)
    scores.worst += [in_words(run, examples.lengths.maximum, each) for each in errors.worst]
    tell = progress.stage(f"{where}: whether looks matter")
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
        word = _NOTHING if place is None else words[place]
        yield f"[{word}]" if each.kind == "given" else word


def _looked_at(errors: ExampleErrors, source: Sequence[str]) -> Iterator[str]:
    for each in errors.aligned if errors.looked_at else ():
        if each.kind != "given":
            yield _NOTHING if each.written is None else source[errors.looked_at[each.written]]


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
        file = io.StringIO()
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(out / name, file.getvalue().encode())
    return [out / name for name in tables]

"""The work behind `attnbench inspect`."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from attnbench.cli.inspect_drawing import draw_examples, letters_note
from attnbench.cli.inspect_examples import Drawn, capture_examples, capture_text, shared_lengths
from attnbench.cli.inspect_progress import StageProgress, heard_at_once
from attnbench.cli.inspect_request import InspectRequest
from attnbench.cli.inspect_scores import Scores, score_runs, write_scores
from attnbench.cli.inspect_tables import print_scores, print_shaded
from attnbench.cli.options import print_json, say
from attnbench.errors import memory_faults_named
from attnbench.inspection.attention_example import AttentionExample
from attnbench.inspection.load import TrainedRun, check_comparable, load_run
from attnbench.inspection.word_edits import described, edits_of
from attnbench.runs.store import check_writable


def inspect_runs(request: InspectRequest, as_json: bool) -> None:
    """Draw examples, print them shaded, score the test set, and say what was written; a signal ends it at once.

    Raises:
        UserError: before anything is written.
    """
    heard_at_once(lambda: _inspect(request, as_json))


def _inspect(request: InspectRequest, as_json: bool) -> None:
    request.choice.check()
    paths = request.find_runs()
    runs = [load_run(path, request.device, request.files) for path in paths]
    check_comparable(runs)
    out = request.folder(paths)
    check_writable(out, "Use --out.")
    is_scored = request.has_scores and request.choice.text is None
    if is_scored:
        _ = runs[0].task_with_files  # before anything is written
    with StageProgress() as progress:
        with memory_faults_named():
            drawn = _drawn(request, runs, progress)
        _announce(drawn, runs, out)
        files = draw_examples(drawn, out, progress)
        scores = None
        if is_scored:
            lengths = shared_lengths(runs) if request.choice.length is None else [request.choice.length]
            tests = f"{len(lengths)} lengths" if len(lengths) > 1 else f"length {lengths[0]}"
            progress.say(
                f"Going through the test examples of {tests} for scores; --no-scores leaves that out"
            )
            scores = score_runs(runs, lengths, progress)
            files += write_scores(scores, request, drawn, out)
    if as_json:
        print_json(_as_json(request, runs, drawn, scores, files))
        return
    print_shaded(drawn)
    if scores is not None:
        print_scores(scores, request, drawn)
    _say_files(request, drawn, files)


def _drawn(request: InspectRequest, runs: Sequence[TrainedRun], progress: StageProgress) -> Drawn:
    if request.choice.text is None:
        return capture_examples(runs, request.choice, progress)
    return capture_text(runs, request.choice, progress)


def _announce(drawn: Drawn, runs: Sequence[TrainedRun], out: Path) -> None:
    for name, run in zip(drawn.names, runs, strict=True):
        say(f"Inspecting {name} ({run.folder.path}) on {run.device}")
        if run.folder.path.resolve().name != run.spec.run_id:
            say(f"{run.folder.path} is the run {run.spec.run_id} under another name")
    for note in filter(None, [*drawn.notes, letters_note(drawn)]):
        say(note)
    say(f"Drawing into {out}")


def _say_files(request: InspectRequest, drawn: Drawn, files: Sequence[Path]) -> None:
    pages = [path for path in files if path.suffix == ".html"]
    for path in files:
        if path not in pages:
            say(f"{path}")
    if request.choice.text is None and not request.choice.wrong_only:
        wrong, own = request.command("--wrong"), request.command("--text", "…")
        say(f"Next: `{wrong}` draws the worst examples, `{own}` takes your own text.")
    for page in pages:
        say(f"The page to click through: {page.resolve().as_uri()}")


def _as_json(
    request: InspectRequest,
    runs: Sequence[TrainedRun],
    drawn: Drawn,
    scores: Scores | None,
    files: Sequence[Path],
) -> dict[str, Any]:
    scores = scores or Scores()
    tables = {"attention": scores.attention, "causal": scores.causal, "errors": scores.errors}
    return {
        "runs": [
            {"run_id": run.spec.run_id, "name": name, "folder": str(run.folder.path)}
            for name, run in zip(drawn.names, runs, strict=True)
        ],
        "length": drawn.length,
        "unknown_words": drawn.unknown,
        "examples": [_example_as_json(drawn, number) for number in range(drawn.count)],
        **tables,
        "worst": scores.worst_rows(request, drawn),
        "files": [str(path) for path in files],
    }


def _example_as_json(drawn: Drawn, number: int) -> dict[str, Any]:
    arms = drawn.arms_of(number)
    first = arms[0].portrait
    return {
        "index": first.index,
        "source": first.source,
        "expected": first.expected or None,
        "written": {arm.run_id: arm.portrait.written for arm in arms},
        "wrong": {arm.run_id: _wrong_in_place(arm.portrait) if first.expected else None for arm in arms},
        "edits": {arm.run_id: edits_of(arm.portrait.aligned) if first.expected else None for arm in arms},
        "slips": {arm.run_id: described(arm.portrait.aligned) if first.expected else None for arm in arms},
    }


def _wrong_in_place(portrait: AttentionExample) -> int:
    """Return how many places hold another word than the expected one, or none; given words left out."""
    places = zip_longest(portrait.written, portrait.expected, portrait.is_given)
    return sum(word != expected and not is_given for word, expected, is_given in places)

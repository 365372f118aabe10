"""`attnbench inspect`: what finished runs wrote and where they looked."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attnbench.cli.completion import complete_run
from attnbench.cli.options import (
    DEFAULT_RESULTS,
    AsJson,
    ConfigDir,
    Debug,
    Results,
    command_line,
    explained_errors,
    folder_at_home,
    print_json,
    say,
)
from attnbench.errors import UserError, memory_faults_named

if TYPE_CHECKING:
    from attnbench.cli.inspect_examples import Drawn
    from attnbench.cli.inspect_scores import Scores
    from attnbench.cli.progress import StageProgress
    from attnbench.inspection.load import TrainedRun

EXAMPLES = 3


def inspect(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="A run's folder or run_id; two are laid side by side. Behind it task.source=FILE and the like, where "
            "the files of its data have moved and are not found.",
            show_default=False,
            autocompletion=complete_run,
        ),
    ],
    length: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Test examples of this length alone; by default examples of the longest length that the run was "
            "evaluated at, and scores of all.",
        ),
    ] = None,
    examples: Annotated[
        int | None, typer.Option(metavar="K", min=1, help="How many to draw.", show_default="3")
    ] = None,
    wrong: Annotated[bool, typer.Option("--wrong", help="Draw the worst examples, worst first.")] = False,
    index: Annotated[
        list[int] | None,
        typer.Option(metavar="I", min=0, help="Draw the example of this number; may be given several times."),
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="Your own words in place of test examples, with blanks between.")
    ] = None,
    question: Annotated[
        str | None, typer.Option(help="What to ask about --text, where the task asks questions.")
    ] = None,
    answer_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="How many words to write about --text.", show_default="as the task does"
        ),
    ] = None,
    scores: Annotated[
        bool,
        typer.Option("--scores/--no-scores", help="Go through the whole test set for scores and errors."),
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            callback=folder_at_home,
            help="Where to write.",
            show_default="inspect/ in the folder of the run",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    results: Results = DEFAULT_RESULTS,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what a trained model attends to as it writes, what errors it makes, and whether the attention matters.

    Draws examples as heatmaps (PNG, SVG, an interactive page, and shaded on the terminal), and scores the whole
    test set.
    """
    with explained_errors(debug, config_dir):
        from attnbench.cli.stopping import heard_at_once
        from attnbench.config.compose import Configuration

        choice = Choice(length, examples, wrong, tuple(index or ()), text, question, answer_tokens)
        Configuration(config_dir)  # its classes may be loaded from now on
        names, files = split_words(runs)
        request = InspectRequest(names, choice, scores, out, device, results, config_dir, files)
        # A signal ends it at once.
        heard_at_once(lambda: _inspect(request, as_json))


@dataclass(frozen=True)
class Choice:
    """Which examples to draw.

    Attributes:
        length: of the test examples; None where nobody said.
        examples: how many; None where nobody said.
        wrong_only: only those with a wrong word.
        indexes: these; empty where nobody said.
        text: the person's own words in place of test examples.
        question: about them.
        answer_tokens: how many words to write about them.
    """

    length: int | None = None
    examples: int | None = None
    wrong_only: bool = False
    indexes: tuple[int, ...] = ()
    text: str | None = None
    question: str | None = None
    answer_tokens: int | None = None

    @property
    def count(self) -> int:
        """How many examples to draw where no indexes are given."""
        return EXAMPLES if self.examples is None else self.examples

    def check(self) -> None:
        """Refuse options that contradict each other.

        Raises:
            UserError: naming two.
        """
        of_tests = {
            "--length": self.length is not None,
            "--examples": self.examples is not None,
            "--wrong": self.wrong_only,
            "--index": bool(self.indexes),
        }
        of_text = {"--question": self.question is not None, "--answer-tokens": self.answer_tokens is not None}
        for option, is_given in of_tests.items():
            if is_given and self.text is not None:
                raise UserError(f"{option} chooses test examples, --text takes their place: use one of them.")
        for option, is_given in of_text.items():
            if is_given and self.text is None:
                raise UserError(f"{option} belongs to --text: give a text too.")
        for option in ("--wrong", "--examples"):
            if self.indexes and of_tests[option]:
                raise UserError(f"--index names the examples, {option} searches for some: use one of them.")


@dataclass(frozen=True)
class InspectRequest:
    """All that a person asked for.

    Attributes:
        runs: as the person named them.
        choice: of the examples.
        has_scores: whether the whole test set is gone through.
        out: where to write; None where nobody said.
        device: where the models run.
        results: where runs are searched by run_id.
        config_dir: of the person.
        files: where files of the runs' data lie, by the task's key.
    """

    runs: tuple[str, ...]
    choice: Choice
    has_scores: bool
    out: Path | None
    device: str
    results: Path
    config_dir: Path | None
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_scored(self) -> bool:
        """Whether the whole test set is to be gone through; a person's own text has none."""
        return self.has_scores and self.choice.text is None

    def find_runs(self) -> list[Path]:
        """Return the folders of one run, or of two.

        Raises:
            UserError: for more, or where there is no such run.
        """
        from attnbench.cli.find import find_run

        if len(self.runs) > 2:
            raise UserError(f"{len(self.runs)} runs: expected one, or two to be laid side by side.")
        return [find_run(words, self.results) for words in self.runs]

    def example_command(self, length: int, index: int, default_length: int) -> str:
        """Return the command that draws one example of the same runs."""
        has_length = self.choice.length is not None or length != default_length
        return self.command(
            *(["--length", str(length)] if has_length else []), "--index", str(index), "--no-scores"
        )

    def command(self, *options: str) -> str:
        """Return the command that looks at the same runs with other options."""
        files = [f"task.{key}={path}" for key, path in self.files.items()]
        words = ("inspect", *self.runs, *files, *options)
        return command_line(*words, results=self.results, config_dir=self.config_dir)

    def folder(self, paths: Sequence[Path]) -> Path:
        """Return where to write: what one asks for does not take the place of what another one asked for."""
        if self.out is not None:
            return self.out
        folder = paths[0] / "inspect"
        folder = folder / f"beside_{paths[1].name}" if len(paths) > 1 else folder
        return folder if self.choice.length is None else folder / f"length_{self.choice.length}"


def split_words(words: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the runs that a person named, and the files of their data by the task's key.

    Raises:
        UserError: for another key than one of a task, or no run at all.
    """
    runs, files = [], {}
    for word in words:
        key, mark, path = word.partition("=")
        group, _, name = key.partition(".")
        if not mark or "/" in key or os.path.exists(word):  # noqa: PTH110 a path would refuse a long word
            runs.append(word)
        elif group == "task" and name and path:
            files[name] = path
        else:
            raise UserError(
                f"'{word}': expected a run, or where a file of its data lies, such as task.source=FILE. "
                "All else of a run was fixed when it was trained."
            )
    if not runs:
        raise UserError("No run is named: expected a run's folder or run_id.")
    return tuple(runs), files


def _inspect(request: InspectRequest, as_json: bool) -> None:
    """Draw examples, print them shaded, score the test set, and say what was written.

    Raises:
        UserError: before anything is written.
    """
    from attnbench.cli.inspect_examples import capture, draw_examples, print_shaded, with_worst, write_page
    from attnbench.cli.inspect_scores import print_scores, worst_lines, write_scores
    from attnbench.cli.progress import StageProgress
    from attnbench.runs.store import check_writable

    paths, runs = open_runs(request)
    out = request.folder(paths)
    check_writable(out, "Use --out.")
    with StageProgress() as progress:
        with memory_faults_named():
            drawn = capture(runs, request.choice, progress)
        _announce(drawn, runs, out)
        files = draw_examples(drawn, out, progress)
        scores = score(request, runs, progress)
        if scores is not None:
            files += write_scores(scores, request, drawn, out)
            if drawn.count:
                write_page(with_worst(runs, drawn, worst_lines(scores, drawn), progress), out)
    if as_json:
        print_json(_as_json(request, runs, drawn, scores, files))
        return
    print_shaded(drawn)
    if scores is not None:
        print_scores(scores, request, drawn)
    _say_files(request, drawn, files)


def open_runs(request: InspectRequest) -> "tuple[list[Path], list[TrainedRun]]":
    """Return the folders of the runs that are asked for, and the runs, opened; the test set is there if it is needed.

    Raises:
        UserError: where options do not fit, or a run is not there, not finished or not comparable.
    """
    from attnbench.inspection.load import check_comparable, load_run

    request.choice.check()
    paths = request.find_runs()
    runs = [load_run(path, request.device, request.files) for path in paths]
    check_comparable(runs)
    if request.is_scored:
        _ = runs[0].task_with_files
    return paths, runs


def score(
    request: InspectRequest, runs: "Sequence[TrainedRun]", progress: "StageProgress"
) -> "Scores | None":
    """Go through the whole test set, where that is asked for."""
    from attnbench.cli.inspect_examples import shared_lengths
    from attnbench.cli.inspect_scores import score_runs

    if not request.is_scored:
        return None
    lengths = shared_lengths(runs) if request.choice.length is None else [request.choice.length]
    tests = f"{len(lengths)} lengths" if len(lengths) > 1 else f"length {lengths[0]}"
    progress.say(f"Going through the test examples of {tests} for scores; --no-scores leaves that out")
    return score_runs(runs, lengths, progress)


def _announce(drawn: "Drawn", runs: "Sequence[TrainedRun]", out: Path) -> None:
    from attnbench.cli.inspect_examples import letters_note

    for name, run in zip(drawn.names, runs, strict=True):
        say(f"Inspecting {name} ({run.folder.path}) on {run.device}")
        if run.folder.path.resolve().name != run.spec.run_id:
            say(f"{run.folder.path} is the run {run.spec.run_id} under another name")
    for note in filter(None, [*drawn.notes, letters_note(drawn)]):
        say(note)
    say(f"Drawing into {out}")


def _say_files(request: InspectRequest, drawn: "Drawn", files: Sequence[Path]) -> None:
    pages = [path for path in files if path.suffix == ".html"]
    for path in files:
        if path not in pages:
            say(f"{path}")
    if request.choice.text is None and not request.choice.wrong_only:
        # The scores are there, or were not wanted.
        wrong, own = request.command("--wrong", "--no-scores"), request.command("--text", "…")
        say(f"Next: `{wrong}` draws the worst examples, `{own}` takes your own text.")
    for page in pages:
        say(f"The page to click through: {page.resolve().as_uri()}")


def _as_json(
    request: InspectRequest,
    runs: "Sequence[TrainedRun]",
    drawn: "Drawn",
    scores: "Scores | None",
    files: Sequence[Path],
) -> dict[str, Any]:
    from attnbench.cli.inspect_examples import example_as_json
    from attnbench.cli.inspect_scores import Scores

    scores = scores or Scores()
    tables = {"attention": scores.attention, "causal": scores.causal, "errors": scores.errors}
    return {
        "runs": [
            {"run_id": run.spec.run_id, "name": name, "folder": str(run.folder.path)}
            for name, run in zip(drawn.names, runs, strict=True)
        ],
        "length": drawn.length,
        "unknown_words": drawn.unknown,
        "examples": [example_as_json(drawn, number) for number in range(drawn.count)],
        **tables,
        "worst": scores.worst_rows(request, drawn),
        "files": [str(path) for path in files],
    }

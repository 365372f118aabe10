"""`attnbench inspect`: what finished runs wrote and where they looked."""

from pathlib import Path
from typing import Annotated

import typer

from attnbench.cli.options import (
    DEFAULT_RESULTS,
    AsJson,
    ConfigDir,
    Debug,
    Results,
    explained_errors,
    folder_at_home,
)


def inspect(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="A run's folder or run_id; two are laid side by side. Behind it task.source=FILE and the like, where "
            "the files of its data have moved and are not found.",
            show_default=False,
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
    """Show where a trained model looked as it wrote, what errors it makes, and whether its looks matter.

    Draws examples as heatmaps (PNG, SVG, an interactive page, and shaded on the terminal), and scores the whole
    test set.
    """
    with explained_errors(debug, config_dir):
        from attnbench.cli.inspect_request import Choice, InspectRequest, split_words
        from attnbench.cli.inspect_run import inspect_runs
        from attnbench.config.compose import Configuration

        choice = Choice(length, examples, wrong, tuple(index or ()), text, question, answer_tokens)
        Configuration(config_dir)  # whose classes may be loaded from now on
        names, files = split_words(runs)
        request = InspectRequest(names, choice, scores, out, device, results, config_dir, files)
        inspect_runs(request, as_json)

"""`attnbench preview`: what a model will see."""

from typing import Annotated

import typer

from attnbench.cli.options import (
    DEFAULT_RESULTS,
    ConfigDir,
    Debug,
    NeedlessResults,
    Overrides,
    TaskName,
    explained_errors,
    print_text,
    say,
)


def preview(
    overrides: Overrides = None,
    task: TaskName = None,
    examples: Annotated[int, typer.Option(min=1, help="How many samples.")] = 3,
    _results: NeedlessResults = DEFAULT_RESULTS,
    config_dir: ConfigDir = None,
    debug: Debug = False,
) -> None:
    """Print samples of a task: source, given words, and the answers that are scored."""
    with explained_errors(debug, config_dir):
        from attnbench.cli.samples import describe_samples
        from attnbench.config.compose import Configuration
        from attnbench.config.run_request import request_run
        from attnbench.errors import memory_faults_named

        request = request_run(Configuration(config_dir), overrides or [], task)
        with memory_faults_named():
            lines = list(describe_samples(request.spec, examples))
        for line in lines:
            print_text(line)
        for note in request.spec.task.notes():
            say(note)

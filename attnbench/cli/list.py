"""`attnbench list`: the tasks there are, each with an example, the models, and the presets of a sweep."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from attnbench.cli.completion import complete_list
from attnbench.cli.options import (
    DEFAULT_RESULTS,
    AsJson,
    ConfigDir,
    Debug,
    NeedlessResults,
    explained_errors,
    print_json,
    print_text,
)

if TYPE_CHECKING:
    from attnbench.config.compose import Configuration

KINDS = {"tasks": "task", "models": "model", "presets": "sweep"}
SYNONYMS = {"arms": "models"}
MOST_CHARACTERS = 100


def list_choices(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="tasks|models|presets",
            help="What to list; arms is another word for models.",
            autocompletion=complete_list,
        ),
    ],
    _results: NeedlessResults = DEFAULT_RESULTS,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the tasks, each with an example, the models, or the presets, with what each is and how long it takes."""
    with explained_errors(debug, config_dir):
        from attnbench.config.compose import Configuration
        from attnbench.errors import unknown

        kind = SYNONYMS.get(kind, kind)
        if kind not in KINDS:
            raise unknown("list", kind, KINDS)
        configuration = Configuration(config_dir)
        if as_json:
            print_json(_as_json(kind, configuration))
        else:
            _print_lines(kind, configuration)


def _print_lines(kind: str, configuration: "Configuration") -> None:
    described = configuration.described(KINDS[kind])
    width = max(map(len, described))
    for name, text in described.items():
        print(f"{name:{width}}  {text}")
        if kind == "tasks":
            for line in _lines_of_task(name, configuration):
                line.truncate(MOST_CHARACTERS, overflow="ellipsis")
                print_text(Text(" " * (width + 2)) + line)


def _lines_of_task(name: str, configuration: "Configuration") -> "Iterator[Text]":
    from attnbench.cli.preview import task_lines
    from attnbench.config.run_request import plain_task
    from attnbench.errors import UserError

    try:
        return task_lines(*plain_task(name, configuration))
    except UserError as error:
        raise UserError(f"The yaml of the task {name} cannot be used: {error}") from error


def _as_json(kind: str, configuration: "Configuration") -> list[dict[str, Any]]:
    listed = []
    for name, text in configuration.described(KINDS[kind]).items():
        lines = [line.plain for line in _lines_of_task(name, configuration)] if kind == "tasks" else []
        listed.append({"name": name, "description": text} | ({"details": lines} if lines else {}))
    return listed

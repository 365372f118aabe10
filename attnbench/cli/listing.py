"""`attnbench list`: the tasks and models there are, a line each."""

from typing import Annotated

import typer

from attnbench.cli.options import AsJson, ConfigDir, Debug, explained_errors, print_json

KINDS = {"tasks": "task", "models": "model"}


def list_choices(
    kind: Annotated[str, typer.Argument(metavar="tasks|models", help="What to list.")],
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the tasks or the models, with what each is."""
    with explained_errors(debug):
        from attnbench.config.composition import Configuration
        from attnbench.errors import unknown

        if kind not in KINDS:
            raise unknown("list", kind, KINDS)
        described = Configuration(config_dir).described(KINDS[kind])
        if as_json:
            print_json([{"name": name, "description": text} for name, text in described.items()])
            return
        width = max(map(len, described))
        for name, text in described.items():
            print(f"{name:{width}}  {text}")

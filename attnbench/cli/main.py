"""The program `attnbench`: one file per command. Nothing heavy is imported before a command runs."""

import atexit
import gc
import sys
from typing import Annotated

import typer

import attnbench
from attnbench.cli.cancel import cancel
from attnbench.cli.commands import Command
from attnbench.cli.doctor import doctor
from attnbench.cli.inspect import inspect
from attnbench.cli.list import list_choices
from attnbench.cli.options import FAILED, WRONG_USE, say
from attnbench.cli.plot import plot
from attnbench.cli.preview import preview
from attnbench.cli.status import status
from attnbench.cli.sweep import sweep
from attnbench.cli.train import train
from attnbench.standard_streams import refused_output

app = typer.Typer(
    name="attnbench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"attnbench {attnbench.__version__}")
        raise typer.Exit


@app.callback()
def program(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_show_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
) -> None:
    """Measure at what input length a fixed context vector breaks down, and how attention compares."""


app.command(cls=Command)(train)
app.command(cls=Command)(sweep)
app.command(cls=Command)(plot)
app.command(cls=Command)(preview)
app.command(cls=Command)(inspect)
app.command(cls=Command)(status)
app.command(cls=Command)(cancel)
app.command("list", cls=Command)(list_choices)
app.command(cls=Command)(doctor)


def run() -> None:
    """Run the command that the program was called with."""
    for word in sys.argv[1:]:
        if word.endswith("\r"):
            say(
                f"attnbench: '{word}' ends in a carriage return: a script with Windows line ends? "
                "Take them out: sed -i 's/\\r$//' SCRIPT"
            )
            sys.exit(WRONG_USE)
    # Thousands of runs and rows hold no cycles; looking for some as often as by default took a fifth of all time.
    gc.set_threshold(50_000)
    # When it ends, Python would look for cycles once more among all that torch and thousands of runs have made.
    atexit.register(gc.freeze)
    status: str | int | None = 0
    try:
        app()
    except SystemExit as leaving:
        status = leaving.code
    if refusal := refused_output():
        say(
            f"attnbench: Standard output is incomplete: {refusal.strerror}. Make room there, then repeat the command."
        )
    sys.exit(status or (FAILED if refusal else 0))

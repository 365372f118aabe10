"""The program `attnbench`: one file per command. Nothing heavy is imported before a command runs."""

import signal
import sys
from typing import NoReturn

import typer

from attnbench.cli.doctor import doctor
from attnbench.cli.listing import list_choices
from attnbench.cli.plot import plot
from attnbench.cli.preview import preview
from attnbench.cli.status import status
from attnbench.cli.sweep import sweep
from attnbench.cli.train import train

app = typer.Typer(
    name="attnbench",
    help="Measure at what input length a fixed context vector breaks down, and how attention compares.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(train)
app.command()(sweep)
app.command()(plot)
app.command()(preview)
app.command()(status)
app.command("list")(list_choices)
app.command()(doctor)


def _leave(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def main() -> None:
    """Run the program; 130 after Ctrl-C and 143 after SIGTERM, wherever they come."""
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    app()

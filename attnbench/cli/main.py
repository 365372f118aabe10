"""The program `attnbench`: one file per command. Nothing heavy is imported before a command runs."""

import atexit
import gc
import sys

import typer

from attnbench.cli.cancel import cancel
from attnbench.cli.doctor import doctor
from attnbench.cli.inspect import inspect
from attnbench.cli.listing import list_choices
from attnbench.cli.options import FAILED, say
from attnbench.cli.plot import plot
from attnbench.cli.preview import preview
from attnbench.cli.status import status
from attnbench.cli.sweep import sweep
from attnbench.cli.train import train
from attnbench.standard_streams import refused_output

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
app.command()(inspect)
app.command()(status)
app.command()(cancel)
app.command("list")(list_choices)
app.command()(doctor)


def run() -> None:
    """Run the command that the program was called with."""
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

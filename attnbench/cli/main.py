"""The program `attnbench`: one file per command. Nothing heavy is imported before a command runs."""

import gc
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn, TextIO, cast

import typer

from attnbench.cli.cancel import cancel
from attnbench.cli.doctor import doctor
from attnbench.cli.inspect import inspect
from attnbench.cli.interruption import STANDARD_ERROR
from attnbench.cli.listing import list_choices
from attnbench.cli.log import ForgivingLog
from attnbench.cli.plot import plot
from attnbench.cli.preview import preview
from attnbench.cli.status import status
from attnbench.cli.sweep import sweep
from attnbench.cli.train import train

SHOW_CURSOR = b"\x1b[?25h"  # the progress bars hide it

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


def _leave(number: int, _frame: object) -> NoReturn:
    """End at once: an exception would be swallowed where torch imports numpy, and the program would go on."""
    with suppress(OSError):
        if os.isatty(STANDARD_ERROR):
            os.write(STANDARD_ERROR, SHOW_CURSOR)
    os._exit(128 + number)


def main() -> None:
    """Run the program; 130 after Ctrl-C and 143 after SIGTERM, wherever they come."""
    # Thousands of runs and rows hold no cycles; looking for some as often as by default took a fifth of all time.
    gc.set_threshold(50_000)
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    sys.stderr = cast(TextIO, ForgivingLog(sys.stderr))
    app()

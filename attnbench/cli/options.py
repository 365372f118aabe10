"""Options and habits that the commands share."""

import json
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attnbench.cli.completion import complete_override, complete_sweep, complete_task
from attnbench.config.overrides import at_home
from attnbench.errors import RefusedError, UserError, storage_faults_named
from attnbench.schema import place_in_folder, trusting

if TYPE_CHECKING:
    from rich.text import Text

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[OVERRIDES]...",
        help="Keys to change, such as task=copy model.hidden_size=128.",
        autocompletion=complete_override,
    ),
]


def folder_at_home(path: Path | None) -> Path | None:
    """Read a `~` that the shell left alone, as bash does in `--results=~/runs`."""
    return None if path is None else at_home(path)


TaskName = Annotated[str | None, typer.Option("--task", help="Which task.", autocompletion=complete_task)]
Results = Annotated[
    Path, typer.Option("--results", metavar="DIR", callback=folder_at_home, help="Where the results are.")
]
ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "--config-dir",
        metavar="DIR",
        callback=folder_at_home,
        help="Your own yaml groups, and the classes that they name.",
    ),
]
# Every command takes both folders, so that a script or an alias can name them once; where they are of no effect the
# help leaves them out.
NeedlessResults = Annotated[
    Path, typer.Option("--results", metavar="DIR", callback=folder_at_home, hidden=True)
]
NeedlessConfigDir = Annotated[
    Path | None, typer.Option("--config-dir", metavar="DIR", callback=folder_at_home, hidden=True)
]
SweepName = Annotated[
    str,
    typer.Argument(
        metavar="SWEEP",
        help="A folder, or its name under the results.",
        autocompletion=complete_sweep,
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]

DEFAULT_RESULTS = Path("results")
FAILED = 1
WRONG_USE = 2


@contextmanager
def explained_errors(debug: bool, own_code: Path | None = None) -> Iterator[None]:
    """Turn an error of the person's into its few lines and exit status 2, a refusal from outside into status 1.

    Args:
        debug: whether the traceback is shown as well.
        own_code: see `named_errors`.
    """
    try:
        with named_errors(own_code):
            yield
    except (UserError, RefusedError) as error:
        if debug:
            traceback.print_exc()
        say(f"attnbench: {error}")
        raise typer.Exit(WRONG_USE if isinstance(error, UserError) else FAILED) from error


@contextmanager
def named_errors(own_code: Path | None = None) -> Iterator[None]:
    """Do what a command does, or a call from Python: what goes wrong has the same words in both.

    The folder that is trusted within, for its classes, is not any longer once the command has ended.

    Args:
        own_code: the folder of the person's own classes, where there is one; its errors are the person's too.

    Raises:
        UserError: for what the person gave.
        RefusedError: for what a disk or a cluster did not take.
    """
    with trusting(None), storage_faults_named(is_writing=True), _own_errors_named(own_code):
        _check_working_folder()
        yield


def _check_working_folder() -> None:
    """Refuse to start from a folder that is gone: libraries would end the program on it, in words of their own."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise UserError(
            "The working folder is gone: removed, or put aside. Change to one that is there."
        ) from error


@contextmanager
def _own_errors_named(folder: Path | None) -> Iterator[None]:
    try:
        yield
    except (UserError, RefusedError, typer.Exit):
        raise
    except Exception as error:
        place = None if folder is None else place_in_folder(error, folder.resolve())
        if place is None:
            raise
        said = f"{type(error).__name__}: {error}"
        raise UserError(
            f"{place}: {said}. This class is your own; --debug shows the whole way there."
        ) from error


# Control characters, but for the line's end and the tab, as Python writes them: a carriage return would hide text.
_ESCAPES = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def command_line(*words: str, results: Path, config_dir: Path | None = None) -> str:
    """Return a command to be typed: `attnbench`, the words, and the folders where they are not the usual ones."""
    folders = [] if results == DEFAULT_RESULTS else ["--results", str(results)]
    folders += [] if config_dir is None else ["--config-dir", str(config_dir)]
    return shlex.join(["attnbench", *words, *folders])


def say(text: str) -> None:
    """Print a message to standard error; results alone go to standard output."""
    print(text.translate(_ESCAPES), file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print the one JSON document of a command; what is not defined is null."""
    is_ascii = not str(sys.stdout.encoding or "utf-8").lower().startswith("utf")
    print(json.dumps(value, indent=2, ensure_ascii=is_ascii, default=str))


def print_text(text: "Text") -> None:
    """Print a line to standard output: in colour on a terminal, plain elsewhere, never broken by us."""
    from rich.console import Console

    Console().print(text, soft_wrap=True)

"""The program `attnbench`: one file per command. Nothing heavy is imported before a command runs."""

import atexit
import gc
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import attnbench
from attnbench.cli.doctor import doctor
from attnbench.cli.export import export
from attnbench.cli.inspect import inspect
from attnbench.cli.list import list_choices
from attnbench.cli.options import FAILED, WRONG_USE, say
from attnbench.cli.plot import plot
from attnbench.cli.preview import preview
from attnbench.cli.report import report
from attnbench.cli.status import cancel, status
from attnbench.cli.sweep import EXAMPLES, sweep
from attnbench.cli.train import train
from attnbench.standard_streams import refused_output


def _shown_plainly(params: list[Any]) -> list[Any]:
    """Show a flag as a flag, without `<bool>`; where options stand in panels, let the rest have one, the last."""
    has_panels = any(getattr(each, "rich_help_panel", None) for each in params)
    for each in params:
        if getattr(each, "is_flag", False):
            each.metavar = ""
        if has_panels and each.param_type_name == "option" and each.rich_help_panel is None:
            each.rich_help_panel = "Every command"
    return params


class Program(TyperGroup):
    """The program, whose flags are shown as such."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options of the program itself."""
        return _shown_plainly(super().get_params(ctx))


class Command(TyperCommand):
    """A command whose usage errors name the key, or the option, that a person may have meant."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return options and arguments."""
        return _shown_plainly(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the words of the command line apart.

        Raises:
            UsageError: for an unknown option, or a missing value.
            Exit: with 2, where an override bears the name of an option.
        """
        words = list(args)
        try:
            rest = super().parse_args(ctx, args)
        except Exception as error:
            # typer brings a click of its own in some versions, and takes the installed one in others.
            name = getattr(error, "option_name", None)
            if type(error).__name__ == "NoSuchOption" and name is not None and self._takes_overrides:
                self._explain(error, name, words, _options_of_all(ctx))
            raise
        for word in ctx.params.get("overrides") or ():
            self._refuse_option_without_dashes(ctx, word)
        return rest

    @property
    def _takes_overrides(self) -> bool:
        return any(each.name == "overrides" for each in self.params)

    def _explain(
        self, error: Any, name: str, words: Sequence[str], options: Mapping[str, Mapping[str, bool]]
    ) -> None:
        """Let the error name the key or the other command that has what was taken for an option of this one."""
        bare = name.lstrip("-").replace("_", "-")
        own = options.get(self.name or "", {})
        if name.startswith("--") and {bare, f"{bare}s", bare.removesuffix("s")} & own.keys():
            return  # what click finds by itself
        key = _full_key(bare)
        elsewhere = [command for command, names in options.items() if bare in names]
        if key is not None:
            error.message = f"No such option: {name}. Did you mean {key}={_value_after(name, words)}?"
            error.possibilities = None
        elif elsewhere:
            error.message = f"No such option: {name}. `attnbench {elsewhere[0]}` has it."
            error.possibilities = None

    def _refuse_option_without_dashes(self, ctx: Any, word: str) -> None:
        key, equals, value = word.partition("=")
        bare = key.replace("_", "-")
        options = _options_of_all(ctx)
        if not equals or not any(bare in names for names in options.values()) or _is_key(key):
            return
        own = options.get(self.name or "", {})
        command = self.name if bare in own else next(each for each in options if bare in options[each])
        typed = f"--{bare} {value}" if options[command or ""][bare] else f"--{bare}"
        where = "" if command == self.name else f" of `attnbench {command}`"
        say(f"attnbench: '{word}': this is an option{where}, not a key. Did you mean {typed}?")
        raise typer.Exit(WRONG_USE)


def _options_of_all(ctx: Any) -> dict[str, dict[str, bool]]:
    """Return the long options of every command without their dashes, and whether they take a value."""
    commands = ctx.parent.command.commands if ctx.parent is not None else {ctx.command.name: ctx.command}
    return {
        name: {
            option.lstrip("-"): not each.is_flag
            for each in command.params
            for option in each.opts
            if option.startswith("--")
        }
        for name, command in commands.items()
    }


def _value_after(name: str, words: Sequence[str]) -> str:
    """Return what was typed for an option: behind its `=`, or as the next word."""
    for place, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == name:
            after = words[place + 1 : place + 2]
            return value if equals else after[0] if after and not after[0].startswith("--") else "…"
    return "…"


def _full_key(name: str) -> str | None:
    from attnbench.config.compose import GROUPS, Configuration
    from attnbench.config.overrides import full_key

    return full_key(name, [*GROUPS, *Configuration().all_keys()])


def _is_key(name: str) -> bool:
    from attnbench.config.compose import GROUPS, Configuration

    return name in (*GROUPS, *Configuration().all_keys())


app = typer.Typer(
    name="attnbench",
    cls=Program,
    no_args_is_help=True,
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
app.command(cls=Command, epilog=EXAMPLES)(sweep)
app.command(cls=Command)(plot)
app.command(cls=Command)(export)
app.command(cls=Command)(preview)
app.command(cls=Command)(inspect)
app.command(cls=Command)(report)
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

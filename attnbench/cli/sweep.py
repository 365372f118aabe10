"""`attnbench sweep`: many runs, then the figure."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attnbench.cli.completion import (
    complete_executor,
    complete_model,
    complete_models,
    complete_preset,
    complete_protocol,
    complete_task,
)
from attnbench.cli.options import (
    DEFAULT_RESULTS,
    AsJson,
    ConfigDir,
    Debug,
    Overrides,
    Results,
    explained_errors,
    print_json,
    say,
)
from attnbench.cli.sweep_work import FinishedSweep, carry_out, check_sweep, other_settings
from attnbench.errors import memory_faults_named

if TYPE_CHECKING:
    from attnbench.cli.dry_run import DryRun
    from attnbench.report.settings import SweepTables
    from attnbench.report.verdict import Verdict
    from attnbench.sweeps.plan import SweepOptions, SweepPlan


WHAT, TRAINING, WHERE, OUTPUT = "What to compare", "Training", "Where to run", "Output"
EXAMPLES = """Examples:

attnbench sweep --task copy --models fixed,bahdanau --lengths 4,8,16,32

attnbench sweep --preset hour --dry-run
"""


def sweep(
    overrides: Overrides = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="What to start from; options and overrides replace its values.",
            show_default="quick",
            autocompletion=complete_preset,
            rich_help_panel=WHAT,
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", help="Which task.", autocompletion=complete_task, rich_help_panel=WHAT),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            "--arms",
            metavar="A,B",
            help="Which arms to compare.",
            autocompletion=complete_models,
            rich_help_panel=WHAT,
        ),
    ] = None,
    lengths: Annotated[
        str | None,
        typer.Option(
            metavar="LENGTHS",
            help="4,8,16 or 4:64:4 (steps) or 4:64:x2 (doubling).",
            rich_help_panel=WHAT,
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N", help="How many (5: seeds 0-4), or a list (7,11).", rich_help_panel=WHAT),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="per_length, mixed or extrapolation.",
            autocompletion=complete_protocol,
            rich_help_panel=WHAT,
        ),
    ] = None,
    train_range: Annotated[
        str | None,
        typer.Option(
            metavar="MIN:MAX", help="Lengths to train on (mixed, extrapolation).", rich_help_panel=WHAT
        ),
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(
            help="Where the runs are executed.",
            show_default="processes",
            autocompletion=complete_executor,
            rich_help_panel=WHERE,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="How many processes.",
            show_default="one per core with memory for it",
            rich_help_panel=WHERE,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Folder under the results.", show_default="preset-task", rich_help_panel=OUTPUT),
    ] = None,
    tune_rates: Annotated[
        str | None,
        typer.Option(
            metavar="RATES",
            help="Choose a learning rate for each arm and length, by validation: 1e-3,3e-3,1e-2.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    longer: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Then train the lengths around each breakdown with K times the budget.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(
            metavar="STEPS",
            help="A run for each of several budgets, as branches of one trunk: 500,1000,2000.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Which arm the others are compared with.",
            show_default="fixed",
            autocompletion=complete_model,
            rich_help_panel=WHAT,
        ),
    ] = None,
    share: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Make only the I-th of N shares; N jobs of your own fill one folder.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List the runs and estimate the work.", rich_help_panel=WHERE),
    ] = False,
    no_plot: Annotated[
        bool, typer.Option("--no-plot", help="Write the tables, draw nothing.", rich_help_panel=OUTPUT)
    ] = False,
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard",
            help="Write event files of each run's training (needs attnbench\\[tensorboard]).",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    no_wait: Annotated[
        bool,
        typer.Option(
            "--no-wait", help="Hand the runs to the cluster and leave (slurm).", rich_help_panel=WHERE
        ),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Repeat the runs that have failed.", rich_help_panel=TRAINING),
    ] = False,
    results: Results = DEFAULT_RESULTS,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train models over lengths and seeds, and draw accuracy against length.

    The same command again does only what is missing; more lengths, models or seeds extend the same folder.
    """
    typed = {**locals(), "overrides": tuple(overrides or ())}
    with explained_errors(debug, config_dir):
        from attnbench.config.compose import Configuration
        from attnbench.sweeps.plan import SweepOptions, plan_sweep

        options = SweepOptions(**{each.name: typed[each.name] for each in fields(SweepOptions)})
        status = _sweep(plan_sweep(Configuration(config_dir), options), options, results, as_json)
    raise typer.Exit(status)


def _sweep(plan: "SweepPlan", options: "SweepOptions", results: Path, as_json: bool) -> int:
    """Carry out a plan and tell what came of it; return the exit status."""
    from attnbench.cli.dry_run import DryRun
    from attnbench.cli.plot import print_report

    store, device = check_sweep(plan, options, results)
    if options.dry_run:
        with memory_faults_named():
            for line in () if as_json else other_settings(plan, store):
                say(line)
            _show(DryRun.of(plan, store, device, options.retry_failed), as_json)
        return 0
    told: dict[str, Any] = {}

    def keep(tables: "SweepTables", verdicts: "Sequence[Verdict]") -> None:
        from attnbench.report.sweep_report import report_as_json

        told.update(report_as_json(tables, verdicts))

    made = carry_out(plan, options, store, device, keep if as_json else print_report)
    if as_json:
        print_json(_as_json(made) | told)
    else:
        _say_what_next(made)
    made.work.refusal.raise_noted()
    return made.exit_status


def _show(dry_run: "DryRun", as_json: bool) -> None:
    if as_json:
        print_json(dry_run.as_json())
    else:
        dry_run.show()
        say("Nothing was started and nothing written (--dry-run).")


def _say_what_next(made: FinishedSweep) -> None:
    work, result = made.work, made.result
    plan, store = work.plan, work.store
    for path in made.files:
        say(f"{path}")
    if made.first_file is not None:
        say(f"Look at this one first: {made.first_file}")
    if result.unfinished:
        say(f"{len(result.unfinished)} of {result.count} runs are left; the same command carries on.")
    elif work.refusal.error is not None:
        say("Not everything could be written; the same command carries on.")
    elif plan.share:
        say(f"Share {plan.share} is done. When all shares are: attnbench plot {store.path}")
    elif result.done:
        say(f"Draw it again, alone or beside other sweeps: attnbench plot {store.path}")
        say(f"All of it as one page, to read and to send: attnbench report {store.path}")


def _as_json(made: FinishedSweep) -> dict[str, Any]:
    refused = made.work.refusal.error
    return {
        "folder": str(made.work.store.path),
        "done": made.result.done,
        "failed": made.result.failed,
        "unfinished": made.result.unfinished,
        "files": [str(path) for path in made.files],
        "refused": str(refused) if refused else None,
    }

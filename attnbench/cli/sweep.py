"""`attnbench sweep`: many runs, then the figure."""

from typing import Annotated

import typer

from attnbench.cli.options import (
    DEFAULT_RESULTS,
    AsJson,
    ConfigDir,
    Debug,
    Overrides,
    Results,
    TaskName,
    explained_errors,
)


def sweep(
    overrides: Overrides = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="What to start from; options and overrides replace its values.", show_default="quick"
        ),
    ] = None,
    task: TaskName = None,
    models: Annotated[str | None, typer.Option(metavar="A,B", help="Which arms to compare.")] = None,
    lengths: Annotated[
        str | None, typer.Option(metavar="LENGTHS", help="4,8,16 or 4:64:4 (steps) or 4:64:x2 (doubling).")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N", help="How many (5: seeds 0-4), or a list (7,11).")
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="per_length, mixed or extrapolation.")] = None,
    train_range: Annotated[
        str | None, typer.Option(metavar="MIN:MAX", help="Lengths to train on (mixed, extrapolation).")
    ] = None,
    executor: Annotated[
        str | None, typer.Option(help="Where the runs are executed.", show_default="processes")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="How many processes.", show_default="one per core with memory for it")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Folder under the results.", show_default="preset-task")
    ] = None,
    tune_rates: Annotated[
        str | None,
        typer.Option(
            metavar="RATES",
            help="Choose a learning rate for each arm and length, by validation: 1e-3,3e-3,1e-2.",
        ),
    ] = None,
    longer: Annotated[
        int | None,
        typer.Option(
            metavar="K", help="Then train the lengths around each breakdown with K times the budget."
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Which arm the others are compared with.", show_default="fixed"),
    ] = None,
    share: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Make only the I-th of N shares; N jobs of your own fill one folder."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs and estimate the work.")] = False,
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Write the tables, draw nothing.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Hand the runs to the cluster and leave (slurm).")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Repeat the runs that have failed.")
    ] = False,
    results: Results = DEFAULT_RESULTS,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train models over lengths and seeds, and draw accuracy against length.

    The same command again does only what is missing; more lengths, models or seeds extend the same folder.
    """
    with explained_errors(debug, config_dir):
        from attnbench.cli.sweep_run import SweepChoices, sweep_run
        from attnbench.config.compose import Configuration
        from attnbench.sweeps.plan import SweepOptions, plan_sweep

        configuration = Configuration(config_dir)
        words = SweepOptions(
            preset=preset,
            task=task,
            models=models,
            lengths=lengths,
            seeds=seeds,
            protocol=protocol,
            train_range=train_range,
            executor=executor,
            workers=workers,
            name=name,
            tune_rates=tune_rates,
            longer=longer,
            baseline=baseline,
            share=share,
            overrides=tuple(overrides or ()),
        )
        choices = SweepChoices(results, dry_run, not no_plot, retry_failed, as_json, waits=not no_wait)
        status = sweep_run(plan_sweep(configuration, words), choices)
    raise typer.Exit(status)

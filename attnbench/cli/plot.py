"""`attnbench plot`: figures and tables from metrics; trains nothing and loads no model."""

from pathlib import Path
from typing import Annotated

import typer

from attnbench.cli.options import (
    DEFAULT_RESULTS,
    Debug,
    NeedlessConfigDir,
    Results,
    explained_errors,
    folder_at_home,
    say,
)
from attnbench.errors import UserError


def plot(
    sweeps: Annotated[
        list[str], typer.Argument(metavar="SWEEP...", help="Folders, their names, or metrics.csv files.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", callback=folder_at_home, help="Where to write; beside the first by default."
        ),
    ] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="One figure in place of those against length: memory (L50, context size), capacity (bits), "
            "price (steps of training).",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="The arm that all others are compared with.", show_default="fixed"
        ),
    ] = None,
    results: Results = DEFAULT_RESULTS,
    _config_dir: NeedlessConfigDir = None,
    debug: Debug = False,
) -> None:
    """Draw accuracy against length, with the length at which each arm breaks down, and say what it shows."""
    with explained_errors(debug):
        from attnbench.cli.drawing import (
            check_baseline,
            check_rates,
            check_scores,
            draw_metrics,
            read_sweep,
        )
        from attnbench.cli.named_figures import check_figure, draw_figure
        from attnbench.runs.store import check_writable

        if figure is not None:
            check_figure(figure)
        if figure is not None and baseline is not None:
            raise UserError(
                "--baseline belongs to the comparison, which --figure leaves out: use one of them."
            )
        tables = [read_sweep(each, results) for each in sweeps]
        metrics = [table for table, _ in tables]
        check_rates(metrics)
        if baseline is not None:
            check_baseline(metrics, baseline)
        home = tables[0][1]
        check_writable(out or home, "Use another --out.")
        folder, is_copied = out or home, out not in (None, home)
        if figure is None:
            check_scores(metrics)
            files = draw_metrics(
                metrics, folder, is_drawn=True, is_table_shown=True, is_copied=is_copied, baseline=baseline
            )
        else:
            files = draw_figure(figure, metrics, folder, is_copied)
        for path in files:
            say(f"{path}")

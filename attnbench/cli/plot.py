"""`attnbench plot`: figures and tables from metrics; trains nothing and loads no model."""

from pathlib import Path
from typing import Annotated

import typer

from attnbench.cli.options import DEFAULT_RESULTS, Debug, Results, explained_errors, say


def plot(
    sweeps: Annotated[
        list[str], typer.Argument(metavar="SWEEP...", help="Folders, their names, or metrics.csv files.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to write; beside the first by default.")
    ] = None,
    results: Results = DEFAULT_RESULTS,
    debug: Debug = False,
) -> None:
    """Draw accuracy against length, with the length at which each arm breaks down."""
    with explained_errors(debug):
        from attnbench.cli.drawing import draw_metrics, read_sweep
        from attnbench.runs.store import check_writable

        tables = [read_sweep(each, results) for each in sweeps]
        metrics = [table for table, _ in tables]
        home = tables[0][1]
        check_writable(out or home, "Use another --out.")
        files = draw_metrics(
            metrics, out or home, is_drawn=True, is_table_shown=True, is_copied=out not in (None, home)
        )
        for path in files:
            say(f"{path}")

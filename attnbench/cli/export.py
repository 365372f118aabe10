"""`attnbench export`: the numbers of a sweep as tables for a paper."""

from typing import Annotated

import typer

from attnbench.cli.options import (
    DEFAULT_RESULTS,
    Debug,
    NeedlessConfigDir,
    Results,
    explained_errors,
)
from attnbench.errors import UserError


def export(
    sweeps: Annotated[
        list[str], typer.Argument(metavar="SWEEP...", help="Folders, their names, or metrics.csv files.")
    ],
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX, for the package booktabs.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
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
    """Print accuracy by length, the breakdown and the comparison as tables for a paper.

    Nothing is written: `attnbench export quick-reverse --latex > tables.tex`.
    """
    with explained_errors(debug):
        from attnbench.cli.plot import read_sweep
        from attnbench.report.paper_tables import export_text
        from attnbench.report.settings import SweepTables
        from attnbench.report.sweep_report import check_baseline, check_rates, join_sweeps
        from attnbench.runs.training_records import TrainingRecords

        if latex == markdown:
            raise UserError("Expected --latex or --markdown, one of them.")
        tables = [read_sweep(each, results) for each in sweeps]
        metrics = [table for table, _ in tables]
        check_rates(metrics)
        if baseline is not None:
            check_baseline(metrics, baseline)
        records = TrainingRecords(path for _, path in tables)
        print(export_text(SweepTables.of(join_sweeps(metrics), baseline, records), is_latex=latex), end="")

"""`attnbench plot`: figures and tables from metrics; trains nothing and loads no model."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnbench.cli.completion import complete_model, complete_sweep
from attnbench.cli.options import (
    DEFAULT_RESULTS,
    Debug,
    NeedlessConfigDir,
    Results,
    explained_errors,
    folder_at_home,
    say,
)
from attnbench.errors import DamagedFileError, UserError
from attnbench.formatting import counted

if TYPE_CHECKING:
    import pandas as pd

    from attnbench.report.settings import SweepTables
    from attnbench.report.verdict import Verdict
    from attnbench.runs.store import RunStore


def plot(
    sweeps: Annotated[
        list[str],
        typer.Argument(
            metavar="SWEEP...",
            help="Folders, their names, or metrics.csv files.",
            autocompletion=complete_sweep,
        ),
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
            "price (steps of training), law (L50 against budget and hidden size).",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The arm that all others are compared with.",
            show_default="fixed",
            autocompletion=complete_model,
        ),
    ] = None,
    results: Results = DEFAULT_RESULTS,
    _config_dir: NeedlessConfigDir = None,
    debug: Debug = False,
) -> None:
    """Draw accuracy against length, with the length at which each arm breaks down, and say what it shows."""
    with explained_errors(debug):
        from attnbench.report.sweep_report import (
            check_baseline,
            check_figure,
            check_rates,
            check_scores,
            report_figure,
            report_metrics,
        )
        from attnbench.runs.store import check_writable
        from attnbench.runs.training_records import TrainingRecords

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
        records = TrainingRecords(path for _, path in tables)
        for table, path in tables:
            if unfinished := TrainingRecords([path]).progress(table).unfinished:
                say(f"{unfinished} are done; the same sweep does the rest. Which: attnbench status {path}")
        if figure is None:
            for score, (lacking, count) in check_scores(metrics).items():
                what = "it is left out" if lacking == count else "they are left out of its means"
                say(f"{score} is empty in {lacking:,} of {counted(count, 'row')}: {what}.")
            files = report_metrics(
                metrics,
                folder,
                is_drawn=True,
                tell=print_report,
                is_copied=is_copied,
                baseline=baseline,
                records=records,
            )
        else:
            files = report_figure(figure, metrics, folder, is_copied, print_verdicts, records)
        for path in files:
            say(f"{path}")


def print_report(tables: "SweepTables", verdicts: "Sequence[Verdict]") -> None:
    """Print what each arm reached, and the verdict without its method."""
    from rich.console import Console

    from attnbench.report.summary import summary_table

    console = Console()
    console.print(summary_table(tables.panels))
    print_verdicts(verdicts, has_method=False)


def print_verdicts(verdicts: "Sequence[Verdict]", has_method: bool = True) -> None:
    """Print verdicts as wide as the terminal; not as markup, since intervals stand in brackets."""
    from rich.console import Console
    from rich.text import Text

    from attnbench.report.verdict import verdict_text

    console = Console()
    console.print(Text(verdict_text(verdicts, console.width, has_method).rstrip()))


def read_sweep(words: str, results: Path) -> "tuple[pd.DataFrame, Path]":
    """Return the metrics of a sweep that a person named, and the folder beside which to draw.

    Raises:
        UserError: where there is no such sweep, nothing has finished, or a table is damaged.
    """
    from attnbench.cli.find import find_store
    from attnbench.runs.metrics_table import join_metrics, read_handed_metrics

    alone = table_alone(words, results)
    if alone is not None:
        metrics, notes = read_handed_metrics(alone)
        for note in notes:
            say(note)
        if metrics.empty:
            raise UserError(f"{alone} has no rows: expected one for every run and evaluated length.")
        return metrics, alone.parent
    store = find_store(words, results)
    if store.metrics_file.exists():
        _check_merged(store)
    rows = store.collect()
    tell_renamed(store)
    if not rows:
        states = Counter(store.states().values())
        found = (
            ", ".join(f"{number:,} {state}" for state, number in sorted(states.items())) or "there is none"
        )
        raise UserError(
            f"{store.path}: no run has a row to draw ({found}). `attnbench status {store.path}` names each."
        )
    return join_metrics(rows), store.path


def tell_renamed(store: "RunStore") -> None:
    """Say which runs of a folder are left out, since their folders were renamed."""
    for name, true in store.renamed().items():
        say(store.about_renamed(name, true))


def table_alone(words: str, results: Path) -> Path | None:
    """Return the metrics.csv that the words name, by itself or in a folder without runs; None for a sweep."""
    for folder in (results / words, Path(words)):
        if (folder / "metrics.csv").is_file() and not (folder / "runs").is_dir():
            return folder / "metrics.csv"
    return Path(words) if Path(words).is_file() else None


def _check_merged(store: "RunStore") -> None:
    """Refuse a damaged merged table: somebody may be reading it, so it is not mended behind their back."""
    from attnbench.runs.metrics_table import read_metrics

    try:
        read_metrics(store.metrics_file)
    except DamagedFileError as error:
        raise DamagedFileError(
            f"{error} It is derived: delete it, and it is made anew from the runs."
        ) from error

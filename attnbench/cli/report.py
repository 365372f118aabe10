"""`attnbench report`: one page of a sweep, to read, to print and to send."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    import pandas as pd

    from attnbench.runs.sweep_records import SweepRecords

PAGE_FILE = "report.html"
PAGE_MARK = b'<p class="kind">attnbench report</p>'
"""Stands in every page that the command has written."""


def report(
    sweep: Annotated[
        str,
        typer.Argument(metavar="SWEEP", help="A folder, its name under the results, or a metrics.csv file."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            callback=folder_at_home,
            help="Where to write: a folder, or a file that ends in .html.",
            show_default="report.html in the folder of the sweep",
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
    """Write one HTML page of a sweep: verdict, charts, tables, learning curves, and how to repeat it.

    It needs nothing from outside: it opens from disk, prints, and can be sent.
    """
    with explained_errors(debug):
        from attnbench.report.page import SweepPage
        from attnbench.report.settings import SweepTables
        from attnbench.report.sweep_report import check_baseline, check_rates, join_sweeps
        from attnbench.runs.io import write_atomically
        from attnbench.runs.records import typed_command
        from attnbench.runs.store import check_writable
        from attnbench.runs.training_records import TrainingRecords

        metrics, home, records, notes = _read(sweep, results)
        if metrics is not None:
            check_rates([metrics])
            if baseline is not None:
                check_baseline([metrics], baseline)
        path = page_path(out, home)
        check_writable(path.parent, "Use another --out.")
        check_replaceable(path)
        if out is not None and out.is_dir():
            say(f"{out} is a folder: the page goes into it, as {path.name}")
        tables = None
        if metrics is not None:
            tables = SweepTables.of(join_sweeps([metrics]), baseline, TrainingRecords([home]))
        page = SweepPage(home.resolve().name, tables, records, typed_command(), notes)
        text = page.html(say)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
        say(f"{path} ({size_text(len(text.encode()))})")
        say(f"Open it in a browser: {path.resolve().as_uri()}")


def page_path(out: Path | None, home: Path) -> Path:
    """Return the file to write: `--out` may name it, or its folder.

    Raises:
        UserError: the file would be a folder that is there.
    """
    path = (
        home / PAGE_FILE
        if out is None
        else out
        if out.suffix.lower() in (".html", ".htm")
        else out / PAGE_FILE
    )
    if path.is_dir():
        raise UserError(f"{path} is a folder, expected a file to write. Use another --out.")
    return path


def check_replaceable(path: Path) -> None:
    """Refuse to write over a file that is no page of ours, and not empty.

    Raises:
        UserError: and the file stays as it is.
    """
    if path.exists() and (held := path.read_bytes()) and PAGE_MARK not in held:
        raise UserError(f"{path} is there, and no page of `attnbench report`: name another file by --out.")


def size_text(count: int) -> str:
    """Return a number of bytes as people say it."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _read(words: str, results: Path) -> "tuple[pd.DataFrame | None, Path, SweepRecords, list[str]]":
    """Return the metrics of a sweep, None where no run has any, its folder, its records, and notes for the page."""
    from attnbench.cli.find import find_store
    from attnbench.cli.plot import read_sweep, table_alone
    from attnbench.runs.metrics_table import join_metrics
    from attnbench.runs.sweep_records import SweepRecords

    if table_alone(words, results) is not None:
        metrics, home = read_sweep(words, results)
        return metrics, home, SweepRecords(home), []
    store = find_store(words, results)
    damages: list[str] = []
    rows = store.collect(damages.append)
    notes = [f"{damage} Its rows are left out; the sweep repeats it." for damage in damages]
    notes += [store.about_renamed(name, true) for name, true in store.renamed().items()]
    return join_metrics(rows) if rows else None, store.path, SweepRecords.of(store), notes

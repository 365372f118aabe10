"""Tables and figures of finished runs, for `sweep` and `plot` alike."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attnbench.cli.places import find_store
from attnbench.errors import DamagedFileError, UserError
from attnbench.runs.store import RunStore

if TYPE_CHECKING:
    import pandas as pd


def read_sweep(words: str, results: Path) -> "tuple[pd.DataFrame, Path]":
    """Return the metrics of a sweep that a person named, and the folder beside which to draw.

    Raises:
        UserError: where there is no such sweep, nothing has finished, or a table is damaged.
    """
    from attnbench.runs.tables import join_metrics, read_metrics

    path = Path(words)
    folders = (results / words, path)
    alone = next((each / "metrics.csv" for each in folders if _is_table_alone(each)), path)
    if alone.is_file():
        metrics = read_metrics(alone)
        if metrics.empty:
            raise UserError(f"{alone} has no rows: expected one for every run and evaluated length.")
        return metrics, alone.parent
    store = find_store(words, results)
    if store.metrics_file.exists():
        _check_merged(store)
    rows = store.collect()
    if not rows:
        raise UserError(
            f"{store.path}: no run has a row yet. `attnbench status {store.path}` says how far they are."
        )
    return join_metrics(rows), store.path


def _is_table_alone(folder: Path) -> bool:
    return (folder / "metrics.csv").is_file() and not (folder / "runs").is_dir()


def _check_merged(store: RunStore) -> None:
    """Refuse a damaged merged table: somebody may be reading it, so it is not mended behind their back."""
    from attnbench.runs.tables import read_metrics

    try:
        read_metrics(store.metrics_file)
    except DamagedFileError as error:
        raise DamagedFileError(
            f"{error} It is derived: delete it, and it is made anew from the runs."
        ) from error


def draw_folder(
    store: RunStore, is_drawn: bool, is_table_shown: bool, on_damage: Callable[[str], None]
) -> list[Path]:
    """Merge the runs of a folder, then write its tables and figures; return what was written."""
    from attnbench.runs.tables import join_metrics

    rows = store.collect(on_damage)
    store.write_metrics(rows)
    return [store.metrics_file, *draw_metrics([join_metrics(rows)], store.path, is_drawn, is_table_shown)]


def join_sweeps(metrics: "Sequence[pd.DataFrame]") -> "pd.DataFrame":
    """Return the rows of all sweeps; a run that several hold counts once."""
    import pandas as pd

    return pd.concat(metrics, ignore_index=True).drop_duplicates(["run_id", "length_min", "length"])


def draw_metrics(
    metrics: "Sequence[pd.DataFrame]",
    out: Path,
    is_drawn: bool,
    is_table_shown: bool,
    is_copied: bool = False,
) -> list[Path]:
    """Write curve.csv, breakdown.csv and the figures into a folder, and print the table.

    Where `is_copied`, metrics.csv goes along, so that the folder can be drawn from again by itself.
    """
    from attnbench.analysis.breakdown import breakdown_table
    from attnbench.analysis.curves import curve_table
    from attnbench.runs.tables import write_table

    joined = join_sweeps(metrics)
    curve, breakdown = curve_table(joined), breakdown_table(joined)
    out.mkdir(parents=True, exist_ok=True)
    files = [out / "curve.csv", out / "breakdown.csv"]
    write_table(files[0], curve)
    write_table(files[1], breakdown)
    if is_copied:
        files.insert(0, out / "metrics.csv")
        write_table(files[0], joined)
    if is_table_shown:
        from rich.console import Console

        from attnbench.report.summary import summary_table

        Console().print(summary_table(joined, curve, breakdown))
    if is_drawn:
        from attnbench.report.figure import draw_sweep_figures, save_figure

        for name, figure in draw_sweep_figures(joined, curve, breakdown).items():
            files += save_figure(figure, out / name)
    return files

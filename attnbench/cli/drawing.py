"""Tables and figures of finished runs, for `sweep` and `plot` alike."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attnbench.cli.places import find_store
from attnbench.errors import DamagedFileError, UserError, unknown
from attnbench.runs.store import RunStore

if TYPE_CHECKING:
    import pandas as pd

    from attnbench.report.settings import VerdictTables


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
    store: RunStore,
    is_drawn: bool,
    is_table_shown: bool,
    on_damage: Callable[[str], None],
    baseline: str | None = None,
) -> list[Path]:
    """Merge the runs of a folder, then write its tables, verdict and figures; return what was written.

    Nothing is where no run has a row: those that choose a learning rate are not tested.
    """
    from attnbench.runs.tables import join_metrics

    rows = store.collect(on_damage)
    if not rows:
        return []
    store.write_metrics(rows)
    drawn = draw_metrics([join_metrics(rows)], store.path, is_drawn, is_table_shown, baseline=baseline)
    return [store.metrics_file, *drawn]


def join_sweeps(metrics: "Sequence[pd.DataFrame]") -> "pd.DataFrame":
    """Return the rows of all sweeps; a run that several hold counts once."""
    import pandas as pd

    return pd.concat(metrics, ignore_index=True).drop_duplicates(["run_id", "length_min", "length"])


def check_rates(metrics: "Sequence[pd.DataFrame]") -> None:
    """Refuse sweeps in which one seed of an arm has several learning rates: rows are pooled over seeds alone.

    Raises:
        UserError: naming two such runs.
    """
    from attnbench.runs.columns import ARM_COLUMNS

    rows = join_sweeps(metrics).dropna(subset=["learning_rate"])
    rates = rows.groupby([*ARM_COLUMNS, "seed"], dropna=False)["learning_rate"]
    mixed = rows[rates.transform("nunique") > 1]
    if mixed.empty:
        return
    first = mixed.groupby([*ARM_COLUMNS, "seed"], dropna=False).ngroup()
    runs = mixed[first == first.iloc[0]].drop_duplicates("learning_rate")
    pairs = zip(runs["run_id"], runs["learning_rate"], strict=True)
    named = " and ".join(f"{run_id} at {rate:g}" for run_id, rate in pairs)
    raise UserError(
        f"One arm was trained at several learning rates, {named}: its curve would be their mean. Draw "
        "sweeps whose rates were tuned, and those with other rates, one at a time."
    )


def check_baseline(metrics: "Sequence[pd.DataFrame]", baseline: str) -> None:
    """Refuse a baseline that is no model of these sweeps.

    Raises:
        UserError: naming those there are.
    """
    models = sorted({model for table in metrics for model in table["model"]})
    if baseline not in models:
        raise unknown("baseline", baseline, models)


def draw_metrics(
    metrics: "Sequence[pd.DataFrame]",
    out: Path,
    is_drawn: bool,
    is_table_shown: bool,
    is_copied: bool = False,
    baseline: str | None = None,
) -> list[Path]:
    """Write the tables, the verdict and the figures into a folder, and print table and verdict.

    Where `is_copied`, metrics.csv goes along, so that the folder can be drawn from again by itself. Arms are
    compared with the `baseline`, by default with `fixed` where it is there.
    """
    from attnbench.report.verdict import verdict_text
    from attnbench.runs.files import clear_halves, write_atomically
    from attnbench.runs.tables import write_table

    joined = join_sweeps(metrics)
    tables = _analyse(joined, baseline)
    verdict = verdict_text(tables)
    out.mkdir(parents=True, exist_ok=True)
    clear_halves(out)
    files = []
    for name, table in _files_of(joined, tables, is_copied).items():
        files.append(out / name)
        write_table(files[-1], table)
    files.append(out / "verdict.md")
    write_atomically(files[-1], verdict.encode())
    if is_table_shown:
        _print(tables, verdict)
    if is_drawn:
        files += _draw(tables, out)
    return files


def _draw(tables: "VerdictTables", out: Path) -> list[Path]:
    """Draw the scores against length and, beside the breakdown that they show, the price of length."""
    from attnbench.analysis.training_cost import seed_training_costs, training_cost_table
    from attnbench.plots.training_cost import draw_price_figure
    from attnbench.report.figure import draw_sweep_figures, save_figure

    figures = draw_sweep_figures(tables.metrics, tables.curve, tables.breakdown)
    price = training_cost_table(tables.metrics)
    if price["length"].notna().any():
        figures["price"] = draw_price_figure(price, seed_training_costs(tables.metrics))
    return [path for name, figure in figures.items() for path in save_figure(figure, out / name)]


def _analyse(metrics: "pd.DataFrame", baseline: str | None) -> "VerdictTables":
    """Compute all tables of joined metrics."""
    from attnbench.analysis.arms import Metrics
    from attnbench.analysis.breakdown import breakdown_table, larger_budget_table
    from attnbench.analysis.capacity import capacity_table
    from attnbench.analysis.comparison import DEFAULT_BASELINE, comparison_table
    from attnbench.analysis.curves import curve_table
    from attnbench.report.settings import VerdictTables

    wanted = baseline or DEFAULT_BASELINE
    prepared = Metrics.of(metrics)
    breakdowns = breakdown_table(prepared)
    return VerdictTables(
        metrics=prepared,
        curve=curve_table(prepared),
        breakdown=breakdowns,
        comparison=comparison_table(prepared, wanted),
        capacity=capacity_table(prepared),
        longer=larger_budget_table(prepared, breakdowns),
        baseline=wanted if (metrics["model"] == wanted).any() else None,
    )


def _files_of(metrics: "pd.DataFrame", tables: "VerdictTables", is_copied: bool) -> "dict[str, pd.DataFrame]":
    """Return the tables to write by the names of their files; bits and longer budgets only where there are any."""
    from attnbench.analysis.training_cost import training_cost_table

    files = {"metrics.csv": metrics} if is_copied else {}
    files |= {
        "curve.csv": tables.curve,
        "breakdown.csv": tables.breakdown,
        "comparison.csv": tables.comparison,
    }
    where_any = {"capacity.csv": tables.capacity, "longer.csv": tables.longer}
    files |= {name: table for name, table in where_any.items() if not table.empty}
    return files | {"price.csv": training_cost_table(tables.metrics)}


def _print(tables: "VerdictTables", verdict: str) -> None:
    from rich.console import Console
    from rich.text import Text

    from attnbench.report.summary import summary_table

    console = Console()
    console.print(summary_table(tables.metrics, tables.curve, tables.breakdown))
    # Not as markup: intervals stand in brackets.
    console.print(Text(verdict.rstrip()))

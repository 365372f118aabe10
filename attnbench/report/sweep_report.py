"""What is made of a sweep's metrics: its tables, its verdict and its figures, for `sweep` and `plot` alike.

It is handed rows or a store, tells a callback what to show, and knows no terminal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from attnbench.analysis.arms import Metrics
from attnbench.analysis.breakdown import breakdown_table
from attnbench.analysis.capacity import capacity_table, context_size_table
from attnbench.analysis.curves import curve_table, missing_scores
from attnbench.analysis.law import Law, find_laws
from attnbench.analysis.law_tables import law_cell_table, law_table
from attnbench.analysis.rates import TuningRows
from attnbench.analysis.training_cost import (
    PriceLaw,
    find_price_laws,
    seed_training_costs,
    training_cost_table,
)
from attnbench.errors import UserError, unknown
from attnbench.formatting import joined
from attnbench.plots.points import split_panels
from attnbench.report.law_words import all_verdicts, law_verdicts, price_verdicts
from attnbench.report.paper_tables import accuracy_tables, latex_text, markdown_text
from attnbench.report.settings import NO_RECORDS, SweepTables
from attnbench.report.verdict import Verdict, verdict_markdown
from attnbench.runs.io import remove_partial_files, write_atomically
from attnbench.runs.metrics_csv import ARM_COLUMNS
from attnbench.runs.metrics_table import as_records, join_metrics, write_rounded_table, write_table
from attnbench.runs.sentences import SENTENCES_FILE, write_sentence_table
from attnbench.runs.store import RunStore
from attnbench.runs.training_records import TrainingRecords

if TYPE_CHECKING:  # matplotlib takes a third of a second, and a sweep without figures needs none
    from matplotlib.figure import Figure

Tell = Callable[[SweepTables, Sequence[Verdict]], None]
"""Is told the tables and the verdicts as soon as they are written; figures take longer."""


def report_store(
    store: RunStore,
    is_drawn: bool,
    tell: Tell,
    on_damage: Callable[[str], None],
    baseline: str | None = None,
) -> list[Path]:
    """Merge the runs of a folder, then write its tables, verdict and figures; return what was written.

    Nothing is where no run has a row: those that choose a learning rate are not tested.
    """
    rows = store.collect(on_damage)
    if not rows:
        return []
    store.write_metrics(rows)
    written = report_metrics(
        [join_metrics(rows)],
        store.path,
        is_drawn,
        tell,
        keeps_sentences=True,
        baseline=baseline,
        records=TrainingRecords([store.path]),
    )
    return [store.metrics_file, *written]


def report_metrics(
    metrics: Sequence[pd.DataFrame],
    out: Path,
    is_drawn: bool,
    tell: Tell,
    is_copied: bool = False,
    keeps_sentences: bool = False,
    baseline: str | None = None,
    records: TrainingRecords = NO_RECORDS,
) -> list[Path]:
    """Write the tables, the verdict and, where `is_drawn`, the figures into a folder; return what was written.

    Where `is_copied`, metrics.csv and the learning rates that were tried go along, so that the folder can be drawn from
    again by itself; and there, or where it `keeps_sentences`, what is scored sentence by sentence of real text. Arms
    are compared with the `baseline`, by default with `fixed` where it is there. The `records` of runs say what
    metrics.csv does not.
    """
    joined = join_sweeps(metrics)
    tables = SweepTables.of(joined, baseline, records)
    found = all_verdicts(tables)
    out.mkdir(parents=True, exist_ok=True)
    remove_partial_files(out)
    files = _copy_inputs(joined, records, out) if is_copied else []
    for name, table in _files_of(tables).items():
        files.append(out / name)
        write_rounded_table(files[-1], table)
    if (is_copied or keeps_sentences) and len(tables.sentences):
        files.append(out / SENTENCES_FILE)
        write_sentence_table(files[-1], tables.sentences)
    paper = accuracy_tables(tables)
    texts = {
        "table.md": markdown_text(paper),
        "table.tex": latex_text(paper),
        "verdict.md": verdict_markdown(found),
    }
    for name, text in texts.items():
        files.append(out / name)
        write_atomically(files[-1], text.encode())
    tell(tables, found)
    return [*files, *_draw(tables, out)] if is_drawn else files


def report_figure(
    name: str,
    metrics: Sequence[pd.DataFrame],
    out: Path,
    is_copied: bool,
    tell: Callable[[Sequence[Verdict]], None] = lambda _: None,
    records: TrainingRecords = NO_RECORDS,
) -> list[Path]:
    """Write one figure of `FIGURES` and its tables into a folder; return what was written.

    `tell` is given what there is to say beside the figure, if anything. The `records` of runs say how many are done,
    and what other rates came to.

    Where `is_copied`, metrics.csv and tuning.csv go along, so that the folder can be drawn from again by itself.

    Raises:
        UserError: the sweeps have nothing that the figure could show.
    """
    from attnbench.plots.layout import save_figure

    joined = join_sweeps(metrics)
    named = FIGURES[name](Metrics.of(joined), records.progress(joined).unfinished, records.tuning_rows())
    out.mkdir(parents=True, exist_ok=True)
    remove_partial_files(out)
    files = _copy_inputs(joined, records, out) if is_copied else []
    for stem, each in named.tables.items():
        files.append(out / f"{stem}.csv")
        write_rounded_table(files[-1], each)
    if named.verdicts:
        tell(named.verdicts)
    return [*files, *save_figure(named.figure, out / name)]


def _copy_inputs(metrics: pd.DataFrame, records: TrainingRecords, out: Path) -> list[Path]:
    """Write what tables are made from into a folder, and return the files."""
    copies = {"metrics.csv": metrics}
    if tried := records.tuning_rows():
        copies["tuning.csv"] = pd.DataFrame(tried)
    for name, table in copies.items():
        write_table(out / name, table)
    return [out / name for name in copies]


def join_sweeps(metrics: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all sweeps; a run that several hold counts once."""
    return pd.concat(metrics, ignore_index=True).drop_duplicates(["run_id", "length_min", "length"])


def check_figure(name: str) -> None:
    """Refuse a name that no figure has.

    Raises:
        UserError: naming the known ones.
    """
    if name not in FIGURES:
        raise unknown("figure", name, FIGURES)


def check_rates(metrics: Sequence[pd.DataFrame]) -> None:
    """Refuse sweeps in which one seed of an arm has several learning rates: rows are pooled over seeds alone.

    Raises:
        UserError: naming two such runs.
    """
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


def check_baseline(metrics: Sequence[pd.DataFrame], baseline: str) -> None:
    """Refuse a baseline that is no model of these sweeps.

    Raises:
        UserError: naming those there are.
    """
    models = sorted({model for table in metrics for model in table["model"]})
    if baseline not in models:
        raise unknown("baseline", baseline, models)


def check_scores(metrics: Sequence[pd.DataFrame]) -> dict[str, tuple[int, int]]:
    """Return of each score that rows lack how many lack it, and of how many that a run writes with it.

    Raises:
        UserError: nothing can be drawn; naming the scores of which there are none.
    """
    from attnbench.plots.length import DRAWN_SCORES

    rows = join_sweeps(metrics)
    if rows[list(DRAWN_SCORES)].isna().all(axis=None):
        raise UserError(
            f"Nothing can be drawn: no row has {joined(DRAWN_SCORES, 'or')}. Hand over a metrics.csv whose scores are "
            "filled in, as a sweep writes it."
        )
    return missing_scores(rows)


def report_as_json(tables: SweepTables, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return for JSON what a sweep shows: verdicts, and the rows of curve.csv, breakdown.csv, comparison.csv."""
    return {
        "verdict": [asdict(each) for each in verdicts],
        "curve": as_records(tables.curve),
        "breakdown": as_records(tables.breakdown),
        "comparison": as_records(tables.comparison),
    }


def _files_of(tables: SweepTables) -> dict[str, pd.DataFrame]:
    """Return the tables to write by the names of their files; those that few sweeps have only where they have rows."""
    where_any = {
        "capacity.csv": tables.capacity,
        "longer.csv": tables.larger_budget,
        "retention.csv": tables.retention,
        **{f"{stem}.csv": table for stem, table in _law_tables(tables.laws, tables.price_laws).items()},
    }
    return {
        "curve.csv": tables.curve,
        "breakdown.csv": tables.breakdown,
        "comparison.csv": tables.comparison,
        **{name: table for name, table in where_any.items() if not table.empty},
        "price.csv": tables.training_cost,
    }


def _draw(tables: SweepTables, out: Path) -> list[Path]:
    """Draw the scores against length and, beside the breakdown that they show, the training cost of length.

    Of several budgets or hidden sizes the law is drawn too.
    """
    from attnbench.plots.law import PriceRows, draw_law_figure, drawn_laws
    from attnbench.plots.layout import save_figure
    from attnbench.plots.length import draw_length_figures
    from attnbench.plots.training_cost import draw_training_cost_figure

    unfinished = tables.progress.unfinished
    figures = draw_length_figures(tables.drawn_panels)
    seeds = seed_training_costs(tables.metrics)
    if drawn_laws(tables.laws):
        rows = PriceRows(tables.training_cost, seeds, tables.price_laws)
        figures["law"] = draw_law_figure(tables.laws, rows, unfinished)
    if tables.training_cost["length"].notna().any():
        figures["price"] = draw_training_cost_figure(tables.training_cost, seeds, unfinished)
    return [path for name, figure in figures.items() for path in save_figure(figure, out / name)]


@dataclass(frozen=True)
class NamedFigure:
    """A figure that a person asked for by name, the tables behind it by the stems of their files, and its words."""

    tables: Mapping[str, pd.DataFrame]
    figure: "Figure"
    verdicts: Sequence[Verdict] = ()


def _context_size(metrics: Metrics, unfinished: str, tuning: TuningRows) -> NamedFigure:
    from attnbench.plots.context_size import context_size_points, draw_context_size_figure, not_drawn

    sizes = context_size_table(metrics, breakdown_table(metrics, tuning))
    if sizes.empty:
        raise UserError(
            "--figure memory: expected rows with token_accuracy and chance_accuracy, from which L50 is found; "
            "no row of another task than real text has both. Without --figure, what there is is drawn."
        )
    if not context_size_points(sizes):
        raise UserError(
            "--figure memory: expected an arm that learnt and has a context, since both axes are logarithms. "
            f"{not_drawn(sizes)} Without --figure, what there is is drawn."
        )
    return NamedFigure({"memory": sizes}, draw_context_size_figure(sizes, unfinished))


def _capacity(metrics: Metrics, unfinished: str, tuning: TuningRows) -> NamedFigure:
    from attnbench.plots.capacity import draw_capacity_figure

    capacity = capacity_table(metrics)
    if capacity.empty:
        raise UserError(
            "--figure capacity: expected rows with bits_recovered and bits_available; no row has both, as with "
            "real text, whose entropy nobody knows. Without --figure, what there is is drawn."
        )
    tables = metrics, curve_table(metrics), breakdown_table(metrics, tuning)
    panels = split_panels(*tables, unfinished=unfinished)
    return NamedFigure({"capacity": capacity}, draw_capacity_figure(panels, capacity))


def _training_cost(metrics: Metrics, unfinished: str, _: TuningRows) -> NamedFigure:
    from attnbench.plots.training_cost import draw_training_cost_figure

    costs = training_cost_table(metrics)
    if costs["length"].isna().all():
        raise UserError(
            "--figure price: expected runs of their own for each length (protocol per_length) with "
            "train_max_length, steps and chance_accuracy; there are none. Without --figure, what there is is drawn."
        )
    figure = draw_training_cost_figure(costs, seed_training_costs(metrics), unfinished)
    return NamedFigure({"price": costs}, figure, price_verdicts(find_price_laws(metrics), unfinished))


def _law(metrics: Metrics, unfinished: str, tuning: TuningRows) -> NamedFigure:
    from attnbench.plots.law import PriceRows, draw_law_figure, drawn_laws

    laws = find_laws(metrics, breakdown_table(metrics, tuning), tuning)
    if not laws:
        raise UserError(
            "--figure law: expected an arm with several budgets or several hidden sizes, and its free-running "
            "accuracies, from which L50 is found; every arm has one of both. A sweep over "
            "`training.steps=500,1000,2000 model.hidden_size=16,32,64` makes them. Without --figure, what there is is "
            "drawn."
        )
    prices = find_price_laws(metrics)
    found = law_verdicts(laws, prices, unfinished)
    reasons = " ".join(fact for each in found for fact in each.found)
    if not drawn_laws(laws):
        raise UserError(
            "--figure law: expected a cell, which is one budget and one hidden size, that broke down within the tested "
            f"lengths. {reasons} Test other lengths. Without --figure, what there is is drawn."
        )
    rows = PriceRows(training_cost_table(metrics), seed_training_costs(metrics), prices)
    return NamedFigure(_law_tables(laws, prices), draw_law_figure(laws, rows, unfinished), found)


def _law_tables(laws: Sequence[Law], prices: Sequence[PriceLaw]) -> dict[str, pd.DataFrame]:
    return {"law": law_table(laws, prices), "law_cells": law_cell_table(laws)}


FIGURES: Mapping[str, Callable[[Metrics, str, TuningRows], NamedFigure]] = {
    "memory": _context_size,
    "capacity": _capacity,
    "price": _training_cost,
    "law": _law,
}
"""What a person may ask for by name; each gives the tables of what it shows and the figure.

It is told how many of the planned runs are done, nothing where all are.
"""

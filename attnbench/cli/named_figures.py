"""The figures that `plot --figure NAME` draws, each with the table of what it shows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attnbench.cli.drawing import join_sweeps
from attnbench.errors import UserError, unknown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def check_figure(name: str) -> None:
    """Refuse a name that no figure has.

    Raises:
        UserError: naming the known ones.
    """
    if name not in FIGURES:
        raise unknown("figure", name, FIGURES)


def draw_figure(name: str, metrics: "Sequence[pd.DataFrame]", out: Path, is_copied: bool) -> list[Path]:
    """Write one figure of some sweeps and its table into a folder; return what was written.

    Where `is_copied`, metrics.csv goes along, so that the folder can be drawn from again by itself.

    Raises:
        UserError: the sweeps have nothing that the figure could show.
    """
    from attnbench.runs.tables import write_table

    joined = join_sweeps(metrics)
    files = FIGURES[name](joined, out)
    if is_copied:
        files.insert(0, out / "metrics.csv")
        write_table(files[0], joined)
    return files


def _draw_memory(metrics: "pd.DataFrame", out: Path) -> list[Path]:
    from attnbench.analysis.arms import Metrics
    from attnbench.analysis.breakdown import breakdown_table
    from attnbench.analysis.capacity import context_size_table
    from attnbench.plots.context_size import draw_memory_figure

    prepared = Metrics.of(metrics)
    memory = context_size_table(prepared, breakdown_table(prepared))
    if memory.empty:
        raise UserError(
            "--figure memory: expected rows with token_accuracy and chance_accuracy, from which L50 is found; "
            "no row has both. Without --figure, what there is is drawn."
        )
    return _write("memory", memory, draw_memory_figure(memory), out)


def _draw_capacity(metrics: "pd.DataFrame", out: Path) -> list[Path]:
    from attnbench.analysis.arms import Metrics
    from attnbench.analysis.breakdown import breakdown_table
    from attnbench.analysis.capacity import capacity_table
    from attnbench.analysis.curves import curve_table
    from attnbench.plots.capacity import draw_capacity_figure
    from attnbench.plots.points import split_panels

    prepared = Metrics.of(metrics)
    capacity = capacity_table(prepared)
    if capacity.empty:
        raise UserError(
            "--figure capacity: expected rows with bits_recovered and bits_available; no row has both, as with "
            "real text, whose entropy nobody knows. Without --figure, what there is is drawn."
        )
    panels = split_panels(prepared, curve_table(prepared), breakdown_table(prepared))
    return _write("capacity", capacity, draw_capacity_figure(panels, capacity), out)


def _draw_price(metrics: "pd.DataFrame", out: Path) -> list[Path]:
    from attnbench.analysis.arms import Metrics
    from attnbench.analysis.training_cost import seed_training_costs, training_cost_table
    from attnbench.plots.training_cost import draw_price_figure

    prepared = Metrics.of(metrics)
    price = training_cost_table(prepared)
    if price["length"].isna().all():
        raise UserError(
            "--figure price: expected runs of their own for each length (protocol per_length) with steps and "
            "chance_accuracy; there are none. Without --figure, what there is is drawn."
        )
    return _write("price", price, draw_price_figure(price, seed_training_costs(prepared)), out)


def _write(name: str, table: "pd.DataFrame", figure: "Figure", out: Path) -> list[Path]:
    from attnbench.report.figure import save_figure
    from attnbench.runs.files import clear_halves
    from attnbench.runs.tables import write_table

    out.mkdir(parents=True, exist_ok=True)
    clear_halves(out)
    write_table(out / f"{name}.csv", table)
    return [out / f"{name}.csv", *save_figure(figure, out / name)]


# What a person may ask for; each function takes the joined metrics and the folder to write to.
FIGURES: "Mapping[str, Callable[[pd.DataFrame, Path], list[Path]]]" = {
    "memory": _draw_memory,
    "capacity": _draw_capacity,
    "price": _draw_price,
}

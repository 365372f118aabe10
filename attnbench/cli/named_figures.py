"""The figures that `plot --figure NAME` draws, each with the table of what it shows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attnbench.cli.drawing import join_sweeps
from attnbench.errors import UserError, unknown

if TYPE_CHECKING:
    import pandas as pd


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
    from attnbench.analysis.memory import memory_table
    from attnbench.report.figure import save_figure
    from attnbench.report.memory_figure import draw_memory_figure
    from attnbench.runs.tables import write_table

    memory = memory_table(metrics)
    if memory.empty:
        raise UserError(
            "--figure memory: expected rows with token_accuracy and chance_accuracy, from which L50 is found; "
            "no row has both. Without --figure, what there is is drawn."
        )
    out.mkdir(parents=True, exist_ok=True)
    write_table(out / "memory.csv", memory)
    return [out / "memory.csv", *save_figure(draw_memory_figure(memory), out / "memory")]


# What a person may ask for; each function takes the joined metrics and the folder to write to.
FIGURES: "Mapping[str, Callable[[pd.DataFrame, Path], list[Path]]]" = {"memory": _draw_memory}

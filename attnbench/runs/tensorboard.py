"""Runs in TensorBoard: the rows of train.csv as scalars by step, in event files beside it (the extra `tensorboard`).

They are derived from train.csv: whoever takes up a run writes them anew from the rows that it has, and adds to them.
So no step is there twice or missing, whatever ended the run before.
"""

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attnbench.errors import UserError, storage_faults_named
from attnbench.runs.folder import RunFolder
from attnbench.runs.io import ClaimedError
from attnbench.runs.metrics_csv import read_rows

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

INSTALL = "pip install 'attnbench[tensorboard]'"
VALIDATION = "validation_"
"""What the columns of train.csv begin with that were measured on validation data."""

Row = Mapping[str, float | str]
"""A row of train.csv, as numbers or as they stand in the file."""


def check_tensorboard() -> None:
    """See that event files can be written.

    Raises:
        UserError: where the package is missing, with the command that installs it.
    """
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise UserError(f"--tensorboard needs the package tensorboard ({error}): {INSTALL}") from None


def tensorboard_command(sweep: Path) -> str:
    """Return the command that shows the runs of a sweep, as a shell takes it."""
    return shlex.join(["tensorboard", "--logdir", str(sweep / "runs")])


def tag_of(column: str) -> str:
    """Return the name of a column in TensorBoard, which draws what stands before the slash together."""
    if column.startswith(VALIDATION):
        return f"validation/{column.removeprefix(VALIDATION)}"
    return f"training/{column}"


@contextmanager
def events_written(folder: RunFolder, rows: Iterable[Row]) -> Iterator[Callable[[Row], None]]:
    """Write the event files of a run anew.

    Args:
        folder: of the run, held by this process.
        rows: that the run has so far.

    Yields:
        What takes each further row; a TensorBoard that is open shows it.
    """
    from torch.utils.tensorboard import SummaryWriter

    known = list(rows)
    folder.empty_event_files()
    began = time.time() - (_train_seconds(known[-1]) if known else 0.0)
    with storage_faults_named(folder.tensorboard_path, is_writing=True):
        # An open TensorBoard forgets what it read of the files before from this step on.
        writer = SummaryWriter(str(folder.tensorboard_path), purge_step=0)
    with writer:
        for row in known:
            _add(writer, row, began)
        writer.flush()

        def add(row: Row) -> None:
            _add(writer, row, began)
            writer.flush()

        yield add


def _add(writer: "SummaryWriter", row: Row, began: float) -> None:
    # As if trained in one go: TensorBoard's relative time is then time of training, also of a resumed run.
    when = began + _train_seconds(row)
    for column, value in row.items():
        if column != "step" and value != "":
            writer.add_scalar(tag_of(column), float(value), int(row["step"]), when)


def _train_seconds(row: Row) -> float:
    return float(row["train_seconds"])


def complete_events(folders: Iterable[RunFolder]) -> None:
    """Write the event files of runs that ended without them, or were carried on without."""
    for folder in folders:
        if folder.has_ended and folder.train_file.exists() and not _has_latest_events(folder):
            with suppress(ClaimedError), folder.claim(), events_written(folder, read_rows(folder.train_file)):
                pass


def _has_latest_events(folder: RunFolder) -> bool:
    """Say whether something was written since train.csv was: each row goes there first."""
    written = [path.stat().st_mtime_ns for path in folder.event_files()]
    return max(written, default=0) >= folder.train_file.stat().st_mtime_ns

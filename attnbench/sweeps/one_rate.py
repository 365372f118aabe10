"""One learning rate for each seed of an arm: rows are pooled over seeds alone, two rates would be averaged unseen."""

from collections.abc import Sequence
from pathlib import Path

from attnbench.arm import Variant
from attnbench.errors import DamagedFileError, UserError
from attnbench.runs.columns import ARM_COLUMNS, read_rows
from attnbench.runs.spec import RunSpec
from attnbench.runs.store import RunStore
from attnbench.sweeps.planned import PlannedRun
from attnbench.sweeps.sweep import find_damage

Training = tuple[str, ...]
"""What tells one training from another but for its rate: the columns of its arm, and the seed."""


def check_one_rate(store: RunStore, runs: Sequence[PlannedRun], grid: Sequence[float] = ()) -> None:
    """Refuse runs of which the folder holds rows that were trained at another learning rate.

    A rate that a person names stands in `variant` and makes another arm; one that was tuned does not.

    Args:
        store: the folder of the sweep.
        runs: what is to be trained.
        grid: the rates that are about to be tried; empty where each run has its own.

    Raises:
        UserError: naming the run that is there and both rates.
    """
    there = _trained(store)
    for run in runs:
        wanted = grid or (run.spec.training.learning_rate,)
        for run_id, rate in there.get(_training_of(run.spec), {}).items():
            if rate not in wanted and store.folder(run_id).path.is_dir():
                at = " or ".join(f"{each:g}" for each in wanted)
                raise UserError(
                    f"{store.path} holds {run_id}, trained at the learning rate {rate:g}, and this sweep trains the "
                    f"same at {at}: one curve would be the mean of both. Use another --name."
                )


def check_not_named(store: RunStore, runs: Sequence[PlannedRun], trusted_folder: Path | None) -> None:
    """Refuse tuned runs that the folder holds already, as those of a rate that a person had named.

    Raises:
        UserError: naming the first of them.
    """
    for run in runs:
        folder = store.folder(run.spec.run_id)
        if not folder.spec_file.exists() or find_damage(folder, run.spec, trusted_folder):
            continue  # what is damaged is named and made anew
        if Variant.parse(str(folder.read_spec().get("variant"))) != run.spec.variant:
            raise UserError(
                f"{folder.path} was made with a learning rate named by hand, so its row counts as another arm. "
                "Use another --name for the tuned sweep."
            )


def _trained(store: RunStore) -> dict[Training, dict[str, float]]:
    """Return which runs the folder's table has of each training, with their rates."""
    try:
        rows = read_rows(store.metrics_file) if store.metrics_file.exists() else []
        trained: dict[Training, dict[str, float]] = {}
        for row in rows:
            cells = {**row, "variant": str(Variant.parse(row["variant"]))}
            training = tuple(cells[name] for name in (*ARM_COLUMNS, "seed"))
            trained.setdefault(training, {})[row["run_id"]] = float(row["learning_rate"])
    except (DamagedFileError, KeyError, ValueError):
        return {}  # the table is derived, and this sweep makes it anew
    return trained


def _training_of(spec: RunSpec) -> Training:
    lengths = (spec.lengths.minimum, spec.lengths.maximum)
    arm = (spec.task.name, spec.model.name, spec.variant, spec.protocol, spec.model.hidden_size, *lengths)
    return tuple(map(str, (*arm, spec.seed)))

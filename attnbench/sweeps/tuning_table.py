"""The table of the learning rates that were tried, tuning.csv, and what is said of it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attnbench.errors import DamagedFileError, UserError
from attnbench.formatting import joined
from attnbench.runs.metrics_csv import ARM_COLUMNS, read_rows, write_rows
from attnbench.runs.spec import RunSpec
from attnbench.runs.store import RunStore
from attnbench.sweeps.learning_rates import TUNING_SEED, TunedRate, by_arm

TUNING_COLUMNS = (
    *ARM_COLUMNS,
    *(
        "seed",
        "learning_rate",
        "validation_nats",
        "validation_token_accuracy",
        "steps",
        "solved",
        "chosen",
        "at_edge",
        "note",
        "run_id",
    ),
)

NAMED_WHERE_THEY_DIFFER = ("task", "variant", "hidden_size")
"""Columns of an arm that a person is told where the chosen rates have several."""


def tuning_rows(tuned: Sequence[TunedRate], chosen: Mapping[RunSpec, float]) -> list[dict[str, Any]]:
    """Return all rates that were tried as rows of tuning.csv, those of an arm and train range by rate.

    `at_edge` says that a chosen rate is the lowest or the highest that was tried there, and `note` what that means.
    """
    rows = []
    for arm, tried in by_arm(tuned).items():
        rates = [each.rate for each in tried]
        edges = (min(rates), max(rates))
        rows += [_row(each, chosen[arm], edges) for each in sorted(tried, key=lambda each: each.rate)]
    return rows


def _row(tuned: TunedRate, best: float, edges: tuple[float, float]) -> dict[str, Any]:
    spec, is_chosen = tuned.spec, tuned.rate == best
    sides = {edges[0]: ("lowest", "below"), edges[1]: ("highest", "above")}
    side = sides.get(tuned.rate) if is_chosen else None
    return {
        "task": spec.task.name,
        "model": spec.model.name,
        "variant": str(spec.variant),
        "protocol": spec.protocol,
        "hidden_size": spec.model.hidden_size,
        "train_min_length": spec.lengths.minimum,
        "train_max_length": spec.lengths.maximum,
        "seed": spec.seed,
        "learning_rate": tuned.rate,
        "validation_nats": tuned.nats,
        "validation_token_accuracy": tuned.accuracy,
        "steps": tuned.steps,
        "solved": str(tuned.is_solved).lower(),
        "chosen": str(is_chosen).lower(),
        "at_edge": str(side is not None).lower(),
        "note": f"The {side[0]} rate tried: a better one may lie {side[1]}." if side else "",
        "run_id": spec.run_id,
    }


def write_tuning(store: RunStore, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows into tuning.csv, in place of those of the same arms and train ranges; the others stay.

    Raises:
        StorageError: when the disk refuses the file.
    """
    with store.held():
        renewed = {_training(row) for row in rows}
        others = [row for row in _read(store) if _training(row) not in renewed]
        write_rows(store.tuning_file, [*others, *rows], TUNING_COLUMNS)


def check_tuning_seed(store: RunStore) -> None:
    """Refuse to tune in a folder whose rates were chosen with a seed of the sweep, as the first versions did.

    Raises:
        UserError: and nothing has been changed.
    """
    if any(row.get("seed") != str(TUNING_SEED) for row in _read(store)):
        raise UserError(
            f"{store.tuning_file} has rates that an earlier version chose, with a seed that is reported: two ways of "
            "choosing in one folder. Use another --name; `attnbench plot` still draws this one."
        )


def chosen_in_words(rows: Sequence[Mapping[str, Any]], table: Path) -> Iterator[str]:
    """Say which rates were chosen for each arm and length, and how many lie at the edge of all that were tried.

    Args:
        rows: as `tuning_rows` returns them.
        table: where they can be read.
    """
    chosen = [row for row in rows if row["chosen"] == "true"]
    chosen.sort(key=lambda row: (row["train_max_length"], row["train_min_length"]))
    differing = [name for name in NAMED_WHERE_THEY_DIFFER if len({row[name] for row in chosen}) > 1]
    arms: dict[str, dict[float, list[str]]] = {}
    for row in chosen:
        facts = ", ".join(f"{name.replace('_', ' ')} {row[name]}".strip() for name in differing if row[name])
        rates = arms.setdefault(f"{row['model']} ({facts})" if facts else row["model"], {})
        rates.setdefault(row["learning_rate"], []).append(_trained_lengths(row))
    for arm, rates in arms.items():
        said = ", ".join(
            f"{rate:g} for {'length' if len(of_rate) == 1 else 'lengths'} {joined(of_rate)}"
            for rate, of_rate in sorted(rates.items())
        )
        yield f"  {arm}: learning rate {said}"
    at_edge = sum(row["at_edge"] == "true" for row in rows)
    if at_edge:
        yield (
            f"  {at_edge} of the chosen rates lie at the edge of all that were tried: a better one may lie beyond. "
            f"Which: {table}"
        )


def _trained_lengths(row: Mapping[str, Any]) -> str:
    low, high = row["train_min_length"], row["train_max_length"]
    return f"{high}" if low == high else f"{low} to {high}"


def _read(store: RunStore) -> list[dict[str, str]]:
    """Return the rows of the folder's tuning.csv; none where it is absent or damaged, since it is made anew."""
    try:
        return read_rows(store.tuning_file) if store.tuning_file.is_file() else []
    except DamagedFileError:
        return []


def _training(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row.get(name)) for name in ARM_COLUMNS)

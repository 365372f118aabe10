"""Learning rates chosen by validation, one for each arm and seed; and larger budgets around a breakdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attnbench.arm import Arm, Variant
from attnbench.errors import DamagedFileError, UserError
from attnbench.runs.checks import find_damage
from attnbench.runs.metrics_csv import ARM_COLUMNS, read_rows
from attnbench.runs.spec import PlannedRun, RunSpec
from attnbench.runs.store import RunStore

RATE_KEY = "training.learning_rate"
TUNING_COLUMNS = (
    *ARM_COLUMNS,
    *(
        "seed",
        "learning_rate",
        "validation_nats",
        "validation_token_accuracy",
        "steps",
        "chosen",
        "at_edge",
        "run_id",
    ),
)


def parse_rates(text: str) -> list[float]:
    """Read `1e-3,3e-3,1e-2` as learning rates, sorted, each once.

    Raises:
        UserError: where a part is not a number above 0, or there are fewer than two.
    """
    try:
        rates = sorted({float(part) for part in text.split(",")})
    except ValueError:
        rates = []
    if len(rates) < 2 or not all(0 < rate < float("inf") for rate in rates):
        raise UserError(
            f"--tune-rates {text}: expected at least two different learning rates above 0, such as 1e-3,3e-3,1e-2."
        )
    return rates


def tuning_runs(runs: Sequence[PlannedRun], rates: Sequence[float]) -> list[PlannedRun]:
    """Return a run of each arm and length at each rate, with the first of its seeds and no test at all."""
    first: dict[RunSpec, RunSpec] = {}
    for run in runs:
        arm = _without_seed(run.spec)
        if arm not in first or run.spec.seed < first[arm].seed:
            first[arm] = run.spec
    return [PlannedRun(at_rate(spec, rate), ()) for spec in first.values() for rate in rates]


def at_rate(spec: RunSpec, rate: float) -> RunSpec:
    """Return the run with this learning rate; it stays the same arm."""
    return replace(spec, training=replace(spec.training, learning_rate=rate))


@dataclass(frozen=True)
class TunedRate:
    """What one rate came to on the validation split, at the end of training.

    Attributes:
        nats: cross-entropy per scored token; None where the run failed.
        accuracy: free-running, 0–1.
    """

    spec: RunSpec
    nats: float | None
    accuracy: float | None
    steps: int | None


def read_tuning(store: RunStore, runs: Sequence[PlannedRun]) -> list[TunedRate]:
    """Return what the finished tuning runs came to; failed ones have no score and are never chosen."""
    return [_read(store, run.spec) for run in runs]


def _read(store: RunStore, spec: RunSpec) -> TunedRate:
    folder = store.folder(spec.run_id)
    outcome = folder.read_outcome()
    # One that has ended may be at its test once more by now, for another sweep that has chosen; its training stays.
    if outcome is not None and outcome.state == "failed":
        return TunedRate(spec, None, None, None)
    last = read_rows(folder.train_file)[-1]
    nats, accuracy = float(last["validation_nats"]), float(last["validation_token_accuracy"])
    return TunedRate(spec, nats, accuracy, int(last["step"]))


class NoRateError(UserError):
    """Every learning rate of the grid failed for an arm."""


def choose_rates(tuned: Sequence[TunedRate]) -> dict[RunSpec, float]:
    """Return for each arm and length the rate with the lowest validation cross-entropy, the lower rate of equals.

    Raises:
        NoRateError: where every rate of an arm failed.
    """
    chosen: dict[RunSpec, TunedRate] = {}
    for each in sorted(tuned, key=lambda each: each.spec.training.learning_rate):
        arm = _arm(each.spec)
        best = chosen.get(arm)
        if each.nats is not None and (best is None or best.nats is None or each.nats < best.nats):
            chosen[arm] = each
    for each in tuned:
        if _arm(each.spec) not in chosen:
            raise NoRateError(
                f"--tune-rates: no rate of the grid could be trained for {each.spec.run_id}. "
                "Use lower rates, or see the reasons."
            )
    return {arm: each.spec.training.learning_rate for arm, each in chosen.items()}


def with_rates(runs: Sequence[PlannedRun], chosen: Mapping[RunSpec, float]) -> list[PlannedRun]:
    """Return the runs, each at the rate that was chosen for its arm and length."""
    return [replace(run, spec=at_rate(run.spec, chosen[_arm(run.spec)])) for run in runs]


def tuning_rows(tuned: Sequence[TunedRate], chosen: Mapping[RunSpec, float]) -> list[dict[str, Any]]:
    """Return the whole grid as rows of tuning.csv; `at_edge` says that a chosen rate is the first or last."""
    rates = [each.spec.training.learning_rate for each in tuned]
    edges = (min(rates), max(rates))
    return [_row(each, chosen[_arm(each.spec)], edges) for each in tuned]


def chosen_in_words(rows: Sequence[Mapping[str, Any]], table: Path) -> Iterator[str]:
    """Say which rates were chosen for each arm, and how many lie at the edge of the grid.

    Args:
        rows: as `tuning_rows` returns them.
        table: where they can be read.
    """
    counts: dict[str, dict[float, int]] = {}
    for row in rows:
        if row["chosen"] == "true":
            of_arm = counts.setdefault(row["model"], {})
            of_arm[row["learning_rate"]] = of_arm.get(row["learning_rate"], 0) + 1
    for model, rates in counts.items():
        said = ", ".join(f"{rate:g} at {count}" for rate, count in sorted(rates.items()))
        yield f"  {model}: {said} of its trainings"
    at_edge = sum(row["at_edge"] == "true" for row in rows)
    if at_edge:
        yield (
            f"  {at_edge} of the chosen rates lie at the edge of the grid: a better one may lie beyond. "
            f"Which: {table}"
        )


def _row(tuned: TunedRate, best: float, edges: tuple[float, float]) -> dict[str, Any]:
    spec = tuned.spec
    rate = spec.training.learning_rate
    return {
        "task": spec.task.name,
        "model": spec.model.name,
        "variant": str(spec.variant),
        "protocol": spec.protocol,
        "hidden_size": spec.model.hidden_size,
        "train_min_length": spec.lengths.minimum,
        "train_max_length": spec.lengths.maximum,
        "seed": spec.seed,
        "learning_rate": rate,
        "validation_nats": tuned.nats,
        "validation_token_accuracy": tuned.accuracy,
        "steps": tuned.steps,
        "chosen": str(rate == best).lower(),
        "at_edge": str(rate == best and rate in edges).lower(),
        "run_id": spec.run_id,
    }


def _arm(spec: RunSpec) -> RunSpec:
    """Return what a rate is chosen for: everything but the seed and the rate."""
    return at_rate(_without_seed(spec), 1.0)


def _without_seed(spec: RunSpec) -> RunSpec:
    return replace(spec, seed=0)


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


def check_not_named(store: RunStore, runs: Sequence[PlannedRun]) -> None:
    """Refuse tuned runs that the folder holds already, as those of a rate that a person had named.

    Raises:
        UserError: naming the first of them.
    """
    for run in runs:
        folder = store.folder(run.spec.run_id)
        if not folder.spec_file.exists() or find_damage(folder, run.spec):
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


STEPS_KEY, PATIENCE_KEY = "training.steps", "training.patience"


@dataclass(frozen=True)
class FoundBreakdown:
    """Where an arm's mean curve fell through L50, as breakdown.csv has it.

    Attributes:
        length: in the task's unit; the shortest tested one for an arm that was under the threshold from the start.
        censored: "", "above", "below" or "not_learnt".
    """

    arm: Arm
    length: float
    censored: str


def larger_budget_runs(
    runs: Sequence[PlannedRun], breakdowns: Sequence[FoundBreakdown], factor: int
) -> list[PlannedRun]:
    """Return the runs of the lengths next to each breakdown with `factor` times the budget.

    These are the two tested lengths between which the arm broke down and the next longer one, to which the breakdown
    may move; the two shortest for an arm that was under the threshold from the start. An arm that never broke down
    has none. A model of many lengths (mixed, extrapolation) is trained again as a whole.
    """
    wanted = []
    for found in breakdowns:
        own = [run for run in runs if run.spec.arm == found.arm]
        tested = sorted({length for run in own for length in run.lengths})
        near = set(lengths_around(tested, found))
        wanted += [
            replace(run, spec=with_budget(run.spec, factor))
            for run in own
            if near and near & set(run.lengths)
        ]
    return list(dict.fromkeys(wanted))


def lengths_around(tested: Sequence[int], found: FoundBreakdown) -> list[int]:
    """Return the tested lengths next to a breakdown, see `larger_budget_runs`."""
    if found.censored == "above":
        return []
    if found.censored:
        return list(tested[:2])
    below = max(place for place, length in enumerate(tested) if length <= found.length)
    return list(tested[below : below + 3])


def with_budget(spec: RunSpec, factor: int) -> RunSpec:
    """Return the run with so many times its budget and its patience; its variant says so.

    With the patience of a short run a long one would end at a plateau that its larger budget is to see beyond. The
    final decay is a share of the budget and grows with it; the warm-up is a number of steps that does not.
    """
    training = spec.training
    changes = {STEPS_KEY: training.steps * factor, PATIENCE_KEY: training.patience * factor}
    longer = replace(training, steps=changes[STEPS_KEY], patience=changes[PATIENCE_KEY])
    return replace(spec, training=longer, variant=spec.variant.replaced(changes))

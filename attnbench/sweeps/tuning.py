"""One learning rate for each arm and length, chosen on validation data alone, from one grid for all arms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from attnbench.errors import UserError
from attnbench.runs.columns import ARM_COLUMNS, read_rows
from attnbench.runs.spec import RunSpec
from attnbench.runs.store import RunStore
from attnbench.sweeps.planned import PlannedRun

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

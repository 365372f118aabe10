"""Learning rates chosen by validation, one for each arm and train range; and larger budgets around a breakdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from attnbench.arm import Arm, Variant
from attnbench.errors import DamagedFileError, UserError
from attnbench.runs.checks import find_damage
from attnbench.runs.metrics_csv import ARM_COLUMNS, read_rows
from attnbench.runs.spec import PlannedRun, RunSpec
from attnbench.runs.store import RunStore

RATE_KEY = "training.learning_rate"
TUNING_SEED = 2_000_000_000
"""Of the runs that choose a rate: nobody types it by chance, and results of it are never reported."""
MOST_EXTENSIONS = 3
"""Rates that are tried beyond each edge of the grid at most."""


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


def reachable_rates(grid: Sequence[float]) -> list[float]:
    """Return a sorted grid with the rates that may be tried beyond its edges, sorted.

    Each lies as far from the one before it, as a ratio, as the two outermost rates of the grid at that edge.

        >>> reachable_rates([0.001, 0.002, 0.01])
        [0.000125, 0.00025, 0.0005, 0.001, 0.002, 0.01, 0.05, 0.25, 1.25]
    """
    below, above = _beyond(grid[0], grid[0] / grid[1]), _beyond(grid[-1], grid[-1] / grid[-2])
    return [*reversed(below), *grid, *above]


def _beyond(edge: float, ratio: float) -> list[float]:
    rates = [edge]
    for _ in range(MOST_EXTENSIONS):
        # As it is shown: the number that stands in every table is the one that was used.
        rate = float(f"{rates[-1] * ratio:g}")
        if not (rates[-1] < rate < float("inf") if ratio > 1 else 0 < rate < rates[-1]):
            break
        rates.append(rate)
    return rates[1:]


def tuning_runs(runs: Sequence[PlannedRun], rates: Sequence[float]) -> list[PlannedRun]:
    """Return a run of each arm and train range at each rate, with a seed of their own and no test at all."""
    specs = dict.fromkeys(replace(run.spec, seed=TUNING_SEED) for run in runs)
    return [PlannedRun(at_rate(spec, rate), ()) for spec in specs for rate in rates]


def at_rate(spec: RunSpec, rate: float) -> RunSpec:
    """Return the run with this learning rate; it stays the same arm."""
    return replace(spec, training=replace(spec.training, learning_rate=rate))


@dataclass(frozen=True)
class TunedRate:
    """What one rate came to on the validation split, at the end of training.

    Attributes:
        nats: cross-entropy per scored token; None where the run failed.
        accuracy: free-running, 0–1; None where the run failed.
        steps: that were trained; None where the run failed.
    """

    spec: RunSpec
    nats: float | None
    accuracy: float | None
    steps: int | None

    @property
    def rate(self) -> float:
        """The learning rate that was tried."""
        return self.spec.training.learning_rate

    @property
    def is_solved(self) -> bool:
        """Whether training ended because the work was solved."""
        return self.accuracy is not None and self.accuracy >= self.spec.training.solved_accuracy

    @property
    def rank(self) -> tuple[float, ...]:
        """What is least for the best: solved with the fewest steps, or else the lowest cross-entropy."""
        if self.nats is None or self.steps is None:
            return (2.0,)
        score = (0.0, self.steps) if self.is_solved else (1.0,)
        return (*score, self.nats, self.rate)


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
    """Return the rate for each arm and train range.

    Among rates that solved the work it is the one with the fewest steps; where none did, the one with the lowest
    validation cross-entropy. The lower cross-entropy, then the lower rate, decides between equals.

    Raises:
        NoRateError: where every rate of an arm failed.
    """
    best = {arm: min(tried, key=lambda each: each.rank) for arm, tried in by_arm(tuned).items()}
    for each in best.values():
        if each.nats is None:
            raise NoRateError(
                f"--tune-rates: no rate of the grid could be trained for {each.spec.run_id}. "
                "Use lower rates, or see the reasons."
            )
    return {arm: each.rate for arm, each in best.items()}


def extending_runs(tuned: Sequence[TunedRate], grid: Sequence[float]) -> list[PlannedRun]:
    """Return a run of the next rate beyond the edge for each arm and train range whose best rate lies there.

    It follows from what was tried alone, so the same command finds the same runs again.

    Args:
        tuned: all rates tried so far.
        grid: the rates that were asked for, sorted.

    Returns:
        Nothing, once every best rate has a worse one on both sides or no further one may be tried.

    Raises:
        NoRateError: where every rate of an arm failed.
    """
    reachable, chosen = reachable_rates(grid), choose_rates(tuned)
    runs = []
    for arm, tried in by_arm(tuned).items():
        best, rates = chosen[arm], [each.rate for each in tried]
        place = reachable.index(best)
        beyond: Sequence[float] = ()
        if best == max(rates):
            beyond = reachable[place + 1 : place + 2]
        elif best == min(rates):
            beyond = reachable[max(place - 1, 0) : place]
        runs += [PlannedRun(at_rate(tried[0].spec, rate), ()) for rate in beyond]
    return runs


def with_rates(runs: Sequence[PlannedRun], chosen: Mapping[RunSpec, float]) -> list[PlannedRun]:
    """Return the runs, each at the rate that was chosen for its arm and length."""
    return [replace(run, spec=at_rate(run.spec, chosen[_arm(run.spec)])) for run in runs]


def known_and_later(
    store: RunStore,
    runs: Sequence[PlannedRun],
    grid: Sequence[float],
    has_ended: Callable[[PlannedRun], bool],
) -> tuple[list[PlannedRun], list[PlannedRun]]:
    """Return the runs of a tuned sweep that are known by now, and those whose learning rates are to be chosen yet."""
    known: list[PlannedRun] = []
    tuned: list[TunedRate] = []
    candidates = tuning_runs(runs, grid)
    while candidates:
        known += candidates
        if not all(map(has_ended, candidates)):
            return known, list(runs)
        tuned += read_tuning(store, candidates)
        try:
            candidates = extending_runs(tuned, grid)
        except NoRateError:
            return known, []
    return [*known, *with_rates(runs, choose_rates(tuned))], []


def _arm(spec: RunSpec) -> RunSpec:
    """Return what a rate is chosen for: everything but the seed and the rate."""
    return at_rate(replace(spec, seed=0), 1.0)


def by_arm(tuned: Sequence[TunedRate]) -> dict[RunSpec, list[TunedRate]]:
    """Return the rates that were tried for each arm and train range."""
    tried: dict[RunSpec, list[TunedRate]] = {}
    for each in tuned:
        tried.setdefault(_arm(each.spec), []).append(each)
    return tried


Training = tuple[str, ...]
"""What tells one training from another but for its rate: the columns of its arm, and the seed."""


def check_one_rate(store: RunStore, runs: Sequence[PlannedRun], grid: Sequence[float] = ()) -> None:
    """Refuse runs of which the folder holds rows that were trained at another learning rate.

    A rate that a person names stands in `variant` and makes another arm; one that was tuned does not.

    Args:
        store: the folder of the sweep.
        runs: what is to be trained.
        grid: the rates that are about to be tried, and beyond the edges of which others may follow; empty where
            each run has its own.

    Raises:
        UserError: naming the run that is there and both rates.
    """
    there = _trained(store)
    reachable = reachable_rates(grid) if grid else ()
    for run in runs:
        wanted = grid or (run.spec.training.learning_rate,)
        for run_id, rate in there.get(_training_of(run.spec), {}).items():
            if rate not in (reachable or wanted) and store.folder(run_id).path.is_dir():
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


def most_larger_budget_runs(runs: Sequence[PlannedRun], factor: int) -> list[PlannedRun]:
    """Return the runs with a larger budget if each arm broke down where that makes the most of them."""
    most: list[PlannedRun] = []
    for arm in dict.fromkeys(run.spec.arm for run in runs):
        own = [run for run in runs if run.spec.arm == arm]
        places = sorted({length for run in own for length in run.lengths})
        found = [larger_budget_runs(own, [FoundBreakdown(arm, place, "")], factor) for place in places]
        largest = max(found, key=len)
        most += largest
    return most


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

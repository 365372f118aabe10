"""How much work runs are, and how long they would take: by finished ones, or from a moment of training."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache

import torch

from attnbench.arm import NO_CHANGES
from attnbench.errors import InterruptedRunError, RunFailedError
from attnbench.runs.execute import make_trainer
from attnbench.runs.spec import PlannedRun, RunSpec
from attnbench.runs.store import RunStore
from attnbench.tasks.base import LengthRange, Task
from attnbench.training.trainer import Trainer

LOOKED_AT = 4
"""Training batches from which the work of a run is reckoned."""
# Timed per cell: the first step of a model fetches memory, and of few others the middle one is no accident.
_FEWEST_STEPS = 3
_SLOW_SECONDS = 1.0
"""After which one step of a cell is enough."""
_ENDLESS = 10**9


def work_of(run: PlannedRun, first_step: int = 0) -> float:
    """Return target tokens, about: the steps from the first one on times what the first few training batches hold."""
    spec = run.spec
    return (spec.training.steps - first_step) * _tokens_per_step(
        spec.task, spec.lengths, spec.training.batch_size
    )


@cache
def _tokens_per_step(task: Task, lengths: LengthRange, batch_size: int) -> float:
    batches = [task.training_batch(0, step, batch_size, lengths) for step in range(LOOKED_AT)]
    return sum(int(batch.target_mask.sum()) for batch in batches) / LOOKED_AT


def seconds_by_experience(
    store: RunStore, left: Sequence[PlannedRun], starts: Mapping[str, int]
) -> float | None:
    """Reckon the time of what is left from the speed of the finished runs of the same arm; None without any.

    Args:
        store: where the finished runs are.
        left: the runs that are to be made.
        starts: the steps at which those begin that do not begin at their first, by run_id.
    """
    if not left:
        return 0.0
    speeds: dict[str, list[float]] = {}
    for row in store.collect(on_damage=lambda _: None):
        if row["tokens_per_second"]:
            speeds.setdefault(row["model"], []).append(float(row["tokens_per_second"]))
    if any(run.spec.model.name not in speeds for run in left):
        return None
    return sum(
        work_of(run, starts.get(run.spec.run_id, 0)) * len(each) / sum(each)
        for run in left
        for each in [speeds[run.spec.model.name]]
    )


@dataclass(frozen=True)
class Speed:
    """What one cell takes.

    Attributes:
        length: mean source length that it is trained on.
        step_seconds: of one training step.
        example_seconds: of one example that is validated or tested.
    """

    length: float
    step_seconds: float
    example_seconds: float

    def towards(self, other: "Speed", length: float) -> "Speed":
        """Return the speed at a length, on the line through this cell and another one."""
        span = other.length - self.length
        share = (length - self.length) / span if span else 0.0
        return Speed(
            length,
            max(0.0, self.step_seconds + share * (other.step_seconds - self.step_seconds)),
            max(0.0, self.example_seconds + share * (other.example_seconds - self.example_seconds)),
        )


@dataclass(frozen=True)
class Estimate:
    """How long runs take if each of them uses its whole budget.

    Attributes:
        work_seconds: of all runs, one after the other.
        longest_seconds: of the longest run, or of all branches of one trunk, which are made one after the other.
        measured_seconds: how long was measured.
    """

    work_seconds: float
    longest_seconds: float
    measured_seconds: float

    def seconds(self, workers: int) -> float:
        """Return the time with so many workers side by side."""
        return max(self.work_seconds / workers, self.longest_seconds)


def estimate(
    runs: Sequence[PlannedRun],
    device: torch.device,
    total_seconds: float = 1.0,
    most_seconds: float = 10.0,
    starts: Mapping[str, int] | None = None,
) -> Estimate | None:
    """Train the shortest and the longest cell of every arm for a few steps, and reckon the time of all runs from them.

    Args:
        runs: that are to be made.
        device: that they are to be made on.
        total_seconds: to be spent on steps, about; every cell takes a few at least.
        most_seconds: of computing, after which no further cell is begun.
        starts: the steps at which those runs begin that do not begin at their first, by run_id.

    Returns:
        None where so many arms cannot be measured in this time, or an arm fails at its first steps.
    """
    started, computed = time.perf_counter(), time.process_time()
    cells: dict[RunSpec, list[PlannedRun]] = {}
    for run in runs:
        cells.setdefault(_arm(run.spec), []).append(run)
    speeds = {}
    with _one_thread():
        for arm, of_arm in cells.items():
            by_length = sorted(of_arm, key=lambda run: _length(run.spec))
            ends = dict.fromkeys([by_length[0].spec.lengths, by_length[-1].spec.lengths])
            measured = []
            for lengths in ends:
                if time.process_time() - computed > most_seconds:
                    return None
                spec = next(run.spec for run in of_arm if run.spec.lengths == lengths)
                try:
                    measured.append(_measure(spec, device, total_seconds / (2 * len(cells))))
                except RunFailedError:
                    return None
            speeds[arm] = (measured[0], measured[-1])
    in_turn: dict[str, float] = {}
    for run in runs:
        seconds = _seconds_of(run, speeds, (starts or {}).get(run.spec.run_id, 0))
        name = run.spec.trunk if starts else run.spec.run_id
        in_turn[name] = in_turn.get(name, 0.0) + seconds
    measured_seconds = time.perf_counter() - started
    return Estimate(sum(in_turn.values()), max(in_turn.values(), default=0.0), measured_seconds)


_WORTH = 10


def is_worth_measuring(runs: Sequence[PlannedRun], starts: Mapping[str, int]) -> bool:
    """Say whether runs take many times the steps that measuring them takes."""
    fewest = 2 * len({_arm(run.spec) for run in runs}) * (_FEWEST_STEPS + 2)
    return _steps(runs, starts) >= _WORTH * fewest


def _steps(runs: Sequence[PlannedRun], starts: Mapping[str, int]) -> int:
    return sum(run.spec.training.steps - starts.get(run.spec.run_id, 0) for run in runs)


_STEP_SECONDS = 0.001
"""Hardly any step takes less."""
_SHARE = 0.02
"""Of the work, that measuring it may take where it is long."""


def estimate_at_the_start(
    runs: Sequence[PlannedRun], device: torch.device, starts: Mapping[str, int]
) -> Estimate | None:
    """Return what `estimate` finds within a second or two, of work for hours within a few more; None where nothing."""
    if device.type != "cpu":
        return None  # this process would keep memory of the GPU that the workers need
    most_seconds = min(max(1.5, _SHARE * _STEP_SECONDS * _steps(runs, starts)), 10.0)
    try:
        return estimate(runs, device, 0.5, most_seconds, starts)
    except Exception:  # noqa: BLE001 what is wrong with a run is told when it is made; the others can go on
        return None


def _arm(spec: RunSpec) -> RunSpec:
    """Return what the runs share whose speed differs by length alone."""
    training = replace(spec.training, steps=1, learning_rate=1.0, evaluate_every=1)
    nothing = replace(spec.lengths, minimum=1, maximum=1)
    return replace(
        spec, seed=0, lengths=nothing, training=training, variant=NO_CHANGES, protocol="per_length"
    )


def _length(spec: RunSpec) -> float:
    return (spec.lengths.minimum + spec.lengths.maximum) / 2


def _measure(spec: RunSpec, device: torch.device, seconds: float) -> Speed:
    examples = min(spec.training.validation_examples, spec.training.evaluation_batch_size)
    config = replace(spec.training, steps=_ENDLESS, evaluate_every=_ENDLESS, validation_examples=examples)
    trainer = make_trainer(replace(spec, training=config), device)
    step_seconds = _step_seconds(trainer, seconds)
    started = time.perf_counter()
    scored = trainer.validate().examples
    return Speed(_length(spec), step_seconds, (time.perf_counter() - started) / max(scored, 1))


def _step_seconds(trainer: Trainer, seconds: float) -> float:
    """Return the middle of the times of some steps, the first one left out."""
    stamps: list[float] = []

    def should_stop() -> bool:
        if trainer.device.type != "cpu":
            torch.accelerator.synchronize()
        stamps.append(time.perf_counter())
        is_slow = len(stamps) > 2 and stamps[-1] - stamps[0] >= _SLOW_SECONDS
        return is_slow or (len(stamps) > _FEWEST_STEPS + 1 and stamps[-1] - stamps[1] >= seconds)

    with suppress(InterruptedRunError):
        next(trainer.fit(should_stop))
    taken = sorted(after - before for before, after in itertools.pairwise(stamps[1:]))
    return taken[len(taken) // 2]


def _seconds_of(run: PlannedRun, speeds: Mapping[RunSpec, tuple[Speed, Speed]], first_step: int) -> float:
    """Return what a run takes at most from a step on: its budget, its validations and its tests."""
    training, length = run.spec.training, _length(run.spec)
    shortest, longest = speeds[_arm(run.spec)]
    speed = shortest.towards(longest, length)
    steps = training.steps - first_step
    validations = -(-steps // training.evaluate_every) * training.validation_examples
    # An example costs in proportion to its length, about.
    tests = training.test_examples * sum(each / length for each in run.lengths)
    return steps * speed.step_seconds + (validations + tests) * speed.example_seconds


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread, as every run does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""The runs around a breakdown once more with a larger budget: did it move?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from attnbench.arm import Arm
from attnbench.runs.spec import RunSpec
from attnbench.sweeps.planned import PlannedRun

STEPS_KEY = "training.steps"


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


def longer_runs(
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
    """Return the tested lengths next to a breakdown, see `longer_runs`."""
    if found.censored == "above":
        return []
    if found.censored:
        return list(tested[:2])
    below = max(place for place, length in enumerate(tested) if length <= found.length)
    return list(tested[below : below + 3])


def with_budget(spec: RunSpec, factor: int) -> RunSpec:
    """Return the run with so many times its budget; its variant says so."""
    steps = spec.training.steps * factor
    variant = spec.variant.replaced({STEPS_KEY: steps})
    return replace(spec, training=replace(spec.training, steps=steps), variant=variant)

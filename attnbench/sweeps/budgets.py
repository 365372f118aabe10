"""Several budgets in one sweep: each run a branch of a trunk that it shares with those of the other budgets.

A branch is a run like any other, of the same name as without `--budgets`. What it shares is where it begins: see
`attnbench/runs/checkpoint.py`.
"""

from collections.abc import Collection, MutableMapping, Sequence
from itertools import pairwise

from attnbench.config.compose import Configuration, Preset
from attnbench.config.overrides import Assignment
from attnbench.errors import UserError
from attnbench.runs.spec import PlannedRun
from attnbench.runs.store import RunStore
from attnbench.sweeps.grid import parse_budgets

STEPS = "training.steps"


def set_budgets(
    configuration: Configuration,
    preset: Preset,
    typed: str | None,
    overrides: Sequence[str],
    parts: Sequence[MutableMapping[str, Assignment]],
) -> tuple[int, ...]:
    """Make the budgets an axis of every part of a sweep, and return them; none where nobody asked for several.

    Args:
        configuration: what overrides are read by.
        preset: with the option in it, where it was typed.
        typed: the option as it was typed; None where it was not.
        overrides: as they were typed. `training.steps` among them replaces budgets of a preset, and is the limit of
            budgets that were typed.
        parts: what each part of the sweep assigns.

    Raises:
        UserError: where the budgets do not ascend, or are over the `training.steps` that stands beside them.
    """
    said = next((each for each in configuration.read(overrides) if each.key == STEPS), None)
    if preset.budgets is None or (typed is None and said is not None):
        return ()
    if said is not None and len(said.values) > 1:
        raise UserError(f"--budgets and {STEPS}= say the same thing twice: leave one of them out.")
    budgets = parse_budgets(preset.budgets)
    limits = [value for part in parts if STEPS in part for value in part[STEPS].values]
    if limits and budgets[-1] > max(limits):
        whose = "was typed" if said is not None else "is the preset's"
        raise UserError(
            f"--budgets {preset.budgets}: {budgets[-1]} steps are more than {STEPS}={max(limits)}, which {whose}. "
            f"Leave out larger budgets, or write {STEPS}={budgets[-1]} beside them."
        )
    [axis] = configuration.read([f"{STEPS}={','.join(map(str, budgets))}"])
    for part in parts:
        part[STEPS] = axis
    return tuple(budgets)


def check_warmup(budgets: Sequence[int], runs: Sequence[PlannedRun]) -> None:
    """Refuse budgets that end before the learning rate has risen.

    Raises:
        UserError: naming the shortest.
    """
    longest = max((run.spec.training.warmup_steps for run in runs), default=0)
    if budgets and budgets[0] < longest:
        raise UserError(
            f"--budgets {','.join(map(str, budgets))}: {budgets[0]} steps are fewer than those of the warm-up, "
            f"training.warmup_steps={longest}. Use larger budgets, or a shorter warm-up."
        )


def by_trunk(runs: Sequence[PlannedRun]) -> list[list[PlannedRun]]:
    """Return the runs in groups, each the branches of one trunk, the smallest budget first."""
    groups: dict[str, list[PlannedRun]] = {}
    for run in runs:
        groups.setdefault(run.spec.trunk, []).append(run)
    return [sorted(group, key=lambda run: run.spec.training.steps) for group in groups.values()]


def trunks_of(runs: Sequence[PlannedRun]) -> dict[str, str]:
    """Return a name of the trunk of each run, by run_id: the run_id of its branch of the smallest budget."""
    return {run.spec.run_id: group[0].spec.run_id for group in by_trunk(runs) for run in group}


def starting_steps(store: RunStore, runs: Sequence[PlannedRun], left: Collection[str]) -> dict[str, int]:
    """Return the step at which each run begins that is sure to find a trunk, by run_id.

    One of another patience is left out: whether it can be begun from is seen once it is made.

    Args:
        store: where those that have ended keep their state of the branching step.
        runs: of a sweep with several budgets.
        left: the run_ids of those that are to be made.
    """
    starts: dict[str, int] = {}
    for group in by_trunk(runs):
        for patience in {run.spec.training.patience for run in group}:
            alike = [run for run in group if run.spec.training.patience == patience]
            found = [
                run
                for run in alike
                if run.spec.run_id in left or store.folder(run.spec.run_id).trunk_file.exists()
            ]
            starts |= {
                run.spec.run_id: before.spec.training.branching_step
                for before, run in pairwise(found)
                if run.spec.run_id in left
            }
    return starts

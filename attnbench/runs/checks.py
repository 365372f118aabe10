"""What has to hold before a sweep spends hours: that arms may be compared, and that run folders are whole."""

from collections.abc import Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from attnbench.batch import Batch
from attnbench.errors import UserError
from attnbench.models.initialisation import named_blocks
from attnbench.runs.folder import RunFolder
from attnbench.runs.spec import RunSpec
from attnbench.tasks.base import LengthRange, SyntheticTask
from attnbench.vocabulary import PAD

EXAMPLES = 8


def check_comparison(specs: Sequence[RunSpec]) -> None:
    """Refuse a comparison that would not be fair, or a task that does not know its own answers.

    With the first seed, at the shortest and at the longest training of every task: the oracle of a synthetic task
    scores 1, a batch is the same whenever and for whichever arm it is drawn, and the weights that arms share start
    equal.

    Raises:
        UserError: naming what does not hold.
    """
    seed = min(spec.seed for spec in specs)
    groups: dict[tuple[object, ...], list[RunSpec]] = {}
    for spec in specs:
        if spec.seed == seed:
            key = (spec.task, spec.protocol, spec.training.batch_size, spec.lengths)
            groups.setdefault(key, []).append(spec)
    by_task: dict[object, list[list[RunSpec]]] = {}
    for group in sorted(groups.values(), key=lambda group: group[0].lengths):
        by_task.setdefault(group[0].task, []).append(group)
    for of_task in by_task.values():
        for group in {id(each): each for each in (of_task[0], of_task[-1])}.values():
            _check_oracle(group[0])
            _check_batches(group)
        _check_weights(of_task[-1])


def _check_oracle(spec: RunSpec) -> None:
    task, length = spec.task, spec.lengths.maximum
    if not isinstance(task, SyntheticTask):
        return
    batch = task.training_batch(spec.seed, 0, EXAMPLES, LengthRange(length, length))
    asked = replace(batch, target=batch.target.masked_fill(batch.scored, PAD))
    if not torch.equal(task.solve(asked)[batch.scored], batch.target[batch.scored]):
        raise UserError(
            f"{task.name} at length {length}: its own oracle does not score 1, so no model could either. "
            "Mend `sample` or `solve` of the task."
        )


def _check_batches(group: Sequence[RunSpec]) -> None:
    """Draw the first batch for every arm, and another one in between, which must not matter."""
    batches = []
    for spec in group:
        for step in (0, 1):
            batch = spec.task.training_batch(spec.seed, step, spec.training.batch_size, spec.lengths)
            batches += [batch] if step == 0 else []
    for spec, batch in zip(group, batches, strict=True):
        if not _are_equal(batch, batches[0]):
            raise UserError(
                f"{spec.task.name}: {group[0].model.name} and {spec.model.name} would not be trained on the same "
                "batches. A batch must be a function of seed, split and step: look for a random state of its own."
            )


def _are_equal(one: Batch, other: Batch) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(Batch)]
    return all(
        torch.equal(mine, its) if isinstance(mine, Tensor) and isinstance(its, Tensor) else mine == its
        for mine, its in pairs
    )


def _check_weights(group: Sequence[RunSpec]) -> None:
    """Compare the blocks of one name, shape and bound: an arm of another size shares few."""
    known: dict[tuple[object, ...], tuple[str, Tensor]] = {}
    for spec in {spec.model: spec for spec in group}.values():
        sizes = len(spec.task.source_vocabulary.tokens), len(spec.task.target_vocabulary.tokens)
        for name, (block, bound) in named_blocks(spec.model.build(*sizes, spec.seed)).items():
            owner, first = known.setdefault((name, block.shape, bound), (spec.model.name, block))
            if not torch.equal(first, block):
                raise UserError(
                    f"The arms {owner} and {spec.model.name} share {name}, but do not start with the same numbers in "
                    "it. Draw every parameter from the seed and its own name."
                )


def find_damage(folder: RunFolder, spec: RunSpec) -> str | None:
    """Return what is wrong with the files of a run, or None."""
    damage = folder.find_damage()
    outcome = folder.read_outcome()
    if damage is not None or (outcome is not None and outcome.state == "done"):
        return damage  # a finished run's spec was compared with its recorded checksum
    if not folder.spec_file.exists() or folder.holds_spec(spec.to_values()):
        return None  # to parse it would tell the same, and take twice as long
    try:
        found = RunSpec.from_values(folder.read_spec())
    except UserError as error:
        return f"{folder.spec_file} is damaged: {error}"
    if found.run_id != spec.run_id:
        return f"{folder.spec_file} is damaged: it describes {found.run_id}."
    return None

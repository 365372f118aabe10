"""A finished run, opened to be looked at."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from attnbench.errors import DamagedFileError, UserError
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.runs.checkpoint import load_checkpoint
from attnbench.runs.data import TEST_EXAMPLES, KeptData, find_data, read_kept_data
from attnbench.runs.folder import RunFolder
from attnbench.runs.spec import RunSpec
from attnbench.tasks.base import Task
from attnbench.training.device import resolve_device, set_precision


@dataclass(frozen=True)
class TrainedRun:
    """What a run was and what came of it.

    Attributes:
        spec: its task knows the words; its files are sought when test examples are (`task_with_files`).
        model: as it stood at the end of the training, in eval mode, on the device.
        kept: of its data; None for a run of an earlier version, or whose task learns nothing from files.
    """

    folder: RunFolder
    spec: RunSpec
    model: Seq2SeqModel
    device: torch.device
    kept: KeptData | None = None

    @cached_property
    def task_with_files(self) -> Task:
        """The task with the files of its data found.

        Raises:
            UserError: where they are not, with the places looked at.
        """
        if self.kept is None:
            return self.spec.task  # its files were found when it was opened, or it reads none
        return _with_files(self.spec, self.folder, self.kept).task.with_learnt(self.kept.learnt)


def load_run(path: Path, device: str = "cpu", given: Mapping[str, str] | None = None) -> TrainedRun:
    """Open a run folder; whatever lies in it, no code of it runs.

    Args:
        path: the run folder; whoever renamed or copied it may still open it.
        device: "auto", "cpu", "cuda" or "mps"; the one it was trained on does not matter.
        given: where the files of its data lie, by the task's key; by default they are sought when they are needed.

    Raises:
        DamagedFileError: where a file is not what the run wrote.
        UserError: where there is no run, it is not finished, or it cannot be built here.
    """
    folder = RunFolder(path)
    folder = RunFolder(path, folder.true_name)
    _check_finished(folder)
    spec, kept = _read_spec(folder, given or {})
    chosen = resolve_device(device)
    sizes = len(spec.task.source_vocabulary.tokens), len(spec.task.target_vocabulary.tokens)
    model = spec.model.build(*sizes, spec.seed)
    _load_weights(model, folder)
    set_precision(spec.training.precision)
    return TrainedRun(folder, spec, model.to(chosen).eval(), chosen, kept)


def check_comparable(runs: Sequence[TrainedRun]) -> None:
    """Refuse runs that cannot be laid side by side, since they were not asked the same.

    Raises:
        UserError: naming two runs and the keys of the task in which they differ.
    """
    first = runs[0].spec.identity
    for run in runs[1:]:
        other = run.spec.identity
        keys = [
            key
            for key in {**first["task"], **other["task"]}
            if first["task"].get(key) != other["task"].get(key)
        ]
        keys += ["data"] if first["data"] != other["data"] else []
        if keys:
            raise UserError(
                f"{runs[0].spec.run_id} and {run.spec.run_id} were trained on different tasks (they differ in "
                f"{', '.join(keys)}): expected runs of one task side by side. Inspect them one at a time."
            )


def _check_finished(folder: RunFolder) -> None:
    if not folder.path.is_dir() or not folder.spec_file.exists():
        raise UserError(
            f"{folder.path} is no run: expected a folder with a spec.yaml, as `attnbench train` makes."
        )
    again = "The same `attnbench train` or `attnbench sweep` again"
    damage = folder.find_damage()
    if damage is not None:
        raise DamagedFileError(f"{damage} {again} repeats that run.")
    outcome = folder.read_outcome()
    if outcome is not None and outcome.state == "failed":
        raise UserError(f"{folder.path} failed: {outcome.error}. {again}, with --retry-failed, repeats it.")
    if folder.state == "running":
        raise UserError(f"{folder.path} is still running: look at it when it is done.")
    if outcome is None:
        raise UserError(f"{folder.path} is not finished: {again[0].lower()}{again[1:]} carries on.")
    if not folder.checkpoint_file.exists():
        raise UserError(
            f"{folder.path} has no checkpoint: its weights are gone. Remove the folder; {again[0].lower()}{again[1:]} "
            "then trains it anew."
        )


def _read_spec(folder: RunFolder, given: Mapping[str, str]) -> tuple[RunSpec, KeptData | None]:
    """Return the spec, and what the run keeps of its data; without that, files are sought at once."""
    try:
        spec = RunSpec.from_values(folder.read_spec())
    except DamagedFileError:
        raise
    except UserError as error:
        raise UserError(f"{folder.spec_file}: {error}") from error
    try:
        kept = read_kept_data(folder)
    except DamagedFileError as error:
        raise DamagedFileError(
            f"{error} The same `attnbench train` or `attnbench sweep` again writes it anew, and trains nothing."
        ) from error
    if kept is None or given:
        spec = _with_files(spec, folder, kept, given)
    if kept is None:
        return spec, None
    try:
        return replace(spec, task=spec.task.with_learnt(kept.learnt)), kept
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedFileError(f"{folder.data_file} is damaged: {error}") from error


def _with_files(
    spec: RunSpec, folder: RunFolder, kept: KeptData | None, given: Mapping[str, str] | None = None
) -> RunSpec:
    paths = " ".join(f"task.{key}=FILE" for key in spec.paths)
    remedy = f"Say where they are: `attnbench inspect {shlex.quote(str(folder.path))} {paths}`."
    if not spec.paths:  # a set is found by its name alone
        remedy = "Put the set back where it was."
    if kept is not None:
        remedy += f" The first {TEST_EXAMPLES} examples (--no-scores) and your own --text can be drawn without them."
    return find_data(spec, folder.path, remedy, kept.files if kept else None, given)


def _load_weights(model: Seq2SeqModel, folder: RunFolder) -> None:
    state: Any = load_checkpoint(folder.checkpoint_file)
    try:
        model.load_state_dict(state["model"])
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise DamagedFileError(
            f"{folder.checkpoint_file} does not hold the weights of {folder.run_id}: {error}"
        ) from error

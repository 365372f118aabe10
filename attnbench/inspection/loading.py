"""A finished run, opened to be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from attnbench.errors import DamagedFileError, UserError
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.runs.checkpoint import load_checkpoint
from attnbench.runs.folder import RunFolder
from attnbench.runs.spec import RunSpec
from attnbench.training.device import resolve_device


@dataclass(frozen=True)
class TrainedRun:
    """What a run was and what came of it.

    Attributes:
        model: as it stood at the end of the training, in eval mode, on the device.
    """

    folder: RunFolder
    spec: RunSpec
    model: Seq2SeqModel
    device: torch.device


def load_run(path: Path, device: str = "cpu", trusted_folder: Path | None = None) -> TrainedRun:
    """Open a run folder; whatever lies in it, no code of it runs.

    Args:
        path: the run folder.
        device: "auto", "cpu", "cuda" or "mps"; the one it was trained on does not matter.
        trusted_folder: where classes may come from besides attnbench.

    Raises:
        DamagedFileError: where a file is not what the run wrote.
        UserError: where there is no run, it is not finished, or it cannot be built here.
    """
    folder = RunFolder(path)
    _check_finished(folder)
    spec = _read_spec(folder, trusted_folder)
    chosen = resolve_device(device)
    sizes = len(spec.task.source_vocabulary.tokens), len(spec.task.target_vocabulary.tokens)
    model = spec.model.build(*sizes, spec.seed)
    _load_weights(model, folder)
    return TrainedRun(folder, spec, model.to(chosen).eval(), chosen)


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


def _read_spec(folder: RunFolder, trusted_folder: Path | None) -> RunSpec:
    try:
        spec = RunSpec.from_values(folder.read_spec(), trusted_folder)
        is_same_data = spec.data == spec.task.data_fingerprint()
    except DamagedFileError:
        raise
    except UserError as error:
        raise UserError(f"{folder.spec_file}: {error}") from error
    if not is_same_data:
        raise UserError(
            f"{folder.path}: the files that {spec.task.name} reads have changed since it was trained. "
            "Put the old ones back, or train on the new ones."
        )
    return spec


def _load_weights(model: Seq2SeqModel, folder: RunFolder) -> None:
    state: Any = load_checkpoint(folder.checkpoint_file)
    try:
        model.load_state_dict(state["model"])
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise DamagedFileError(
            f"{folder.checkpoint_file} does not hold the weights of {folder.run_id}: {error}"
        ) from error

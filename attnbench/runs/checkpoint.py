"""Checkpoints: what a run goes on from, and the trunk from which runs of several budgets branch.

Up to its branching step a training is that of any larger budget too. A run of a sweep with `--budgets` keeps its state
of that step, `trunk.pt`, in its folder; any of a larger budget begins from it, and keeps its own. Where none is there,
or a damaged one, a run is trained from its first step, and comes to the same.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from attnbench.errors import DamagedFileError, UserError, storage_faults_named
from attnbench.runs.folder import RunFolder
from attnbench.runs.io import read_whole, write_atomically
from attnbench.runs.spec import RunSpec
from attnbench.training.trainer import Trainer

_HEADER = b"attnbench checkpoint 1 sha256 "


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write the state with its checksum, in one step.

    torch itself does not notice a flipped bit in a tensor, so the checksum stands in front.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getvalue()
    write_atomically(path, _HEADER + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state back, onto the CPU.

    Raises:
        DamagedFileError: where the file is not what was written, or holds more than tensors and plain values.
        StorageError: where the disk does not give it.
    """
    data = read_whole(path)
    head, _, payload = data.partition(b"\n")
    if not head.startswith(_HEADER) or head != _HEADER + hashlib.sha256(payload).hexdigest().encode():
        raise DamagedFileError(f"{path} is damaged: its checksum does not fit.")
    try:
        return torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
    except Exception as error:
        raise DamagedFileError(f"{path} cannot be loaded: {error}") from error


@dataclass(frozen=True)
class _Branch:
    folder: RunFolder
    spec: RunSpec

    def may_begin_from(self, other: "_Branch") -> bool:
        """Say whether the state that another run keeps is one that this run would come to, as far as specs tell."""
        mine, its = self.spec.training, other.spec.training
        is_before = its.branching_step <= mine.branching_step and its.patience <= mine.patience
        return is_before and self.spec.run_id != other.spec.run_id


def finds_trunk(folder: RunFolder, spec: RunSpec) -> bool:
    """Whether another branch of the same trunk keeps a state that this run may begin from."""
    return bool(_kept_before(_Branch(folder, spec)))


def begin_from_trunk(
    trainer: Trainer, folder: RunFolder, spec: RunSpec, note: Callable[[str], None]
) -> int | None:
    """Take up the latest state that another branch of the same trunk keeps; return its step, None without any."""
    kept = _kept_before(_Branch(folder, spec))
    for other in sorted(kept, key=lambda each: each.spec.training.branching_step, reverse=True):
        try:
            state = load_checkpoint(other.folder.trunk_file)
        except FileNotFoundError:
            continue  # taken away in between: the branches that needed it are done
        except DamagedFileError as error:
            note(f"{error} {folder.run_id} begins without it.")
            continue
        if other.spec.training.patience == spec.training.patience or _has_not_decayed(state):
            trainer.load_state_dict(state)
            return trainer.step
    return None


def _has_not_decayed(state: dict[str, Any]) -> bool:
    """Say whether a larger patience would have led to the same state: the rate was not decayed yet."""
    schedule = state["schedule"]
    return bool(schedule["rate_factor"] == 1.0 and schedule["improved_since_decay"])


def keep_trunk(trainer: Trainer, folder: RunFolder) -> None:
    """Write down the state that branches of larger budgets begin from."""
    save_checkpoint(folder.trunk_file, trainer.state_dict())


def remove_needless(folder: RunFolder, spec: RunSpec) -> None:
    """Take away the states that no branch needs any more, once this one is done; the last stays, for more budgets.

    One is the last of its patience where no done branch of that patience keeps a later one.
    """
    own = _Branch(folder, spec)
    family = [own, *_others(own)]
    for each in family:
        later = [branch for branch in family if branch.may_begin_from(each)]
        is_kept_later = any(
            branch.spec.training.patience == each.spec.training.patience and branch.folder.trunk_file.exists()
            for branch in later
        )
        if is_kept_later and all(branch is own or _is_done(branch.folder) for branch in later):
            with storage_faults_named(each.folder.trunk_file, is_writing=True):
                each.folder.trunk_file.unlink(missing_ok=True)


def _is_done(folder: RunFolder) -> bool:
    outcome = folder.read_outcome()
    return outcome is not None and outcome.state == "done"


def _kept_before(own: _Branch) -> list[_Branch]:
    """Return the other branches of the trunk that keep a state from which this one may begin."""
    keeping = _others(own, lambda folder: folder.trunk_file.exists())
    return [each for each in keeping if own.may_begin_from(each)]


def _others(own: _Branch, is_asked: Callable[[RunFolder], bool] = lambda _: True) -> Iterator[_Branch]:
    """Yield the other branches of the trunk that are planned or made beside this one, of the folders asked for."""
    # All that stands before the hash is alike among them.
    alike = own.spec.run_id.rpartition("-")[0]
    for path in sorted(own.folder.path.parent.glob(f"{alike}-????????")):
        folder = RunFolder(path)
        if path.name == own.spec.run_id or not is_asked(folder):
            continue
        try:
            spec = RunSpec.from_values(folder.read_spec())
        except UserError:
            continue  # damaged, or of a class that this process does not trust: not known to be one of them
        if spec.run_id == path.name and spec.trunk == own.spec.trunk:
            yield _Branch(folder, spec)

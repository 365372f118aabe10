"""A training's saved state: whole or refused, and unable to run code."""

import hashlib
import io
from pathlib import Path
from typing import Any

from attnbench.errors import DamagedFileError
from attnbench.runs.files import read_whole, write_atomically

_HEADER = b"attnbench checkpoint 1 sha256 "


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write the state with its checksum, in one step.

    torch itself does not notice a flipped bit in a tensor, so the checksum stands in front.
    """
    import torch

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
    import torch

    data = read_whole(path)
    head, _, payload = data.partition(b"\n")
    if not head.startswith(_HEADER) or head != _HEADER + hashlib.sha256(payload).hexdigest().encode():
        raise DamagedFileError(f"{path} is damaged: its checksum does not fit.")
    try:
        return torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
    except Exception as error:
        raise DamagedFileError(f"{path} cannot be loaded: {error}") from error

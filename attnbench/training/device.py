"""Where to compute, and with which numbers."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

from attnbench.errors import UserError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["float32", "bfloat16"]


def resolve_device(name: str) -> torch.device:
    """Return the device of that name; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        UserError: where the machine has no such device.
    """
    counts = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    if name == "auto":
        return torch.device(next(kind for kind, count in counts.items() if count))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")  # no such name: never among those that are there
    if (device.index or 0) >= counts.get(device.type, 0):
        there = ", ".join(kind for kind, count in counts.items() if count)
        raise UserError(
            f"device={name}: this machine has no such device. There is: {there}. Use device=auto."
        )
    return device


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse bfloat16 where it is not meant for.

    Raises:
        UserError: for bfloat16 on anything but CUDA.
    """
    if precision == "bfloat16" and device.type != "cuda":
        raise UserError(
            f"training.precision=bfloat16 is for CUDA devices; this run would use {device.type}. "
            "Use training.precision=float32."
        )


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a forward pass computes with this precision."""
    if precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


@contextmanager
def seeded_dropout(seed: int, device: torch.device) -> Iterator[None]:
    """Make dropout a function of the seed, and leave the global random state as it was.

    torch's dropout takes no generator, so this is the one place that borrows the global one.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield

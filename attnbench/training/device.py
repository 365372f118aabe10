"""Where to compute, with which numbers, and what is done where a batch does not fit."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import torch

from attnbench.batch import Batch
from attnbench.errors import RunFailedError, UserError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["float32", "tf32", "bfloat16"]


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
    """Refuse a precision where it is not meant for.

    Raises:
        UserError: for tf32 and bfloat16 on anything but CUDA.
    """
    if precision != "float32" and device.type != "cuda":
        raise UserError(
            f"training.precision={precision} is for CUDA devices; this run would use {device.type}. "
            "Use training.precision=float32."
        )


def check_cuda_graphs(is_wanted: bool, device: torch.device) -> None:
    """Refuse recorded steps where there are no CUDA graphs.

    Raises:
        UserError: on anything but CUDA.
    """
    if is_wanted and device.type != "cuda":
        raise UserError(
            f"training.cuda_graphs=true is for CUDA devices; this run would use {device.type}. "
            "Use training.cuda_graphs=false."
        )


def set_precision(precision: Precision) -> None:
    """Let CUDA round the factors of products to TF32 (10 bits of 23) with `tf32` alone.

    cuDNN's recurrences would do so by default, so that "float32" would not be float32. Holds for the process: the
    backward pass asks as well, outside of any context.
    """
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


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


Result = TypeVar("Result")

# The driver, MPS, cuBLAS and cuDNN, where it is not PyTorch's own allocator that finds no room.
OF_OTHERS = ("error: out of memory", "backend out of memory", "STATUS_ALLOC_FAILED", "ALLOCATION_FAILED")


@dataclass
class BatchSplit:
    """Into how many parts each batch goes; the number grows where memory gives out, and never shrinks.

    Attributes:
        purpose: of the batches, as a word for people.
        tell: told in words when the number grows.
    """

    purpose: str
    parts: int = 1
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False)

    def work_on(self, batch: Batch, work: Callable[[Iterator[Batch]], Result]) -> Result:
        """Return what `work` makes of the parts; where memory gives out it begins again with halves of them.

        Raises:
            RunFailedError: where even single examples do not fit.
        """
        while True:
            try:
                return work(batch.split(self.parts))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if self.parts >= len(batch):
                    raise RunFailedError(
                        f"the device is out of memory even with one example at a time ({error}); a smaller "
                        "model.hidden_size or task.length, or fewer executor.workers_per_gpu, may help"
                    ) from error
            # Out here the error is gone, and with it the frames that held on to the tensors of the attempt.
            self._halve(batch)

    def _halve(self, batch: Batch) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.parts = min(2 * self.parts, len(batch))
        largest = -(-len(batch) // self.parts)
        self.tell(
            f"Out of memory: from here on {self.purpose} takes {self.parts} parts of at most {largest} examples, "
            f"one after the other, for a batch of {len(batch)}."
        )


def is_out_of_memory(error: RuntimeError) -> bool:
    """Say whether an error means that the memory of a GPU is full."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in OF_OTHERS)

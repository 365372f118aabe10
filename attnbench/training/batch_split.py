"""A batch that does not fit into the memory of a GPU is worked on in parts, and whoever watches is told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import torch

from attnbench.batch import Batch
from attnbench.errors import RunFailedError

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

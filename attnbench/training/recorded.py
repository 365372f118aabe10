"""Whole steps of training, recorded once for each shape of batch and replayed from then on.

A step of a small model costs what its hundreds of calls cost, on a GPU above all. A CUDA graph is one call. What it
replays are the same operations on the same addresses: inputs that change are copied into tensors that stay, and no
number of Python may change from step to step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from attnbench.batch import Batch

WARM_UPS = 3
"""Steps of a shape before it is recorded: torch asks for some, in which libraries choose their ways."""
MOST_SHAPES = 32
"""Each graph takes memory of its own beside what all share, and a text has hundreds of shapes."""

Work = Callable[[], Tensor]
Step = Callable[[Batch, int | Tensor], Tensor]
"""Takes a step on a batch with so many scored tokens, and returns its summed loss."""


class Recorder(Protocol):
    """What records work on a device."""

    def run_aside(self, work: Work) -> Tensor:
        """Do the work where it will be recorded, and return its result."""

    def record(self, work: Work) -> Work:
        """Record the work without doing it, and return what does it; each call returns a tensor of its own.

        Raises:
            RuntimeError: where it cannot be recorded.
        """


class CudaGraphs:
    """Records CUDA graphs on one stream, which share one pool of memory.

    They may share it since nothing but the weights and what they are trained by is read before it is written.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def run_aside(self, work: Work) -> Tensor:
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = work()
        current.wait_stream(self._stream)
        return result.clone()  # the memory of `result` is the side stream's to take again

    def record(self, work: Work) -> Work:
        graph = torch.cuda.CUDAGraph()
        # The outer two put device and stream back where recording fails; torch's own context does not.
        with (
            torch.cuda.device(self._device),
            torch.cuda.stream(self._stream),
            torch.cuda.graph(graph, pool=self._pool, stream=self._stream),
        ):
            result = work()

        def replay() -> Tensor:
            graph.replay()
            return result.clone()  # the next replay writes over it

        return replay


@dataclass
class _Shape:
    """What is kept for one shape of batch.

    Attributes:
        batch: tensors on the device that stay; each batch of the shape is copied into them.
        scored_tokens: of that batch, a scalar on the device.
        steps: taken so far, until there is a replay.
        replay: takes a step on what the tensors hold.
    """

    batch: Batch
    scored_tokens: Tensor
    steps: int = 0
    replay: Work | None = None

    @classmethod
    def of(cls, batch: Batch, device: torch.device) -> "_Shape":
        source, source_lengths, target, scored = (
            torch.empty(each.shape, dtype=each.dtype, device=device) for each in _inputs(batch)
        )
        return cls(Batch(source, source_lengths, target, scored), torch.empty((), device=device))

    def fill(self, batch: Batch, scored_tokens: int) -> None:
        for kept, each in zip(_inputs(self.batch), _inputs(batch), strict=True):
            kept.copy_(each, non_blocking=True)
        self.scored_tokens.fill_(scored_tokens)


def _inputs(batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return all that a step reads of a batch."""
    return batch.source, batch.source_lengths, batch.target, batch.scored


class RecordedSteps:
    """Takes steps by replay, and ordinary ones where that cannot be; why not is told once.

    Attributes:
        replays: steps that were replayed.
    """

    def __init__(
        self,
        ordinary: Step,
        whole: Step,
        recorder: Recorder,
        device: torch.device,
        tell: Callable[[str], None],
    ) -> None:
        """Take two ways of the same step.

        Args:
            ordinary: as it is taken without replay.
            whole: the same without a way out: on the whole batch, and nothing is waited for.
            recorder: of the device.
            device: of the model.
            tell: told in words why steps are not replayed.
        """
        self._ordinary, self._whole, self._recorder = ordinary, whole, recorder
        self._device, self._tell = device, tell
        self._shapes: dict[tuple[int, ...], _Shape] = {}
        self._reasons_told: set[str] = set()
        self._failure: str | None = None
        self.replays = 0

    def take(self, batch: Batch, scored_tokens: int, obstacle: str | None) -> Tensor:
        """Take a step and return its summed loss, on the device.

        Args:
            batch: on any device.
            scored_tokens: of the batch.
            obstacle: why this step and those behind it cannot be replayed, if so.
        """
        obstacle = obstacle or self._failure
        if obstacle is not None:
            self.forget()  # the graphs hold memory
            return self._take_ordinary(batch, scored_tokens, obstacle)
        shape = self._shape_of(batch)
        if shape is None:
            reason = f"batches have more than {MOST_SHAPES} shapes; steps of the first {MOST_SHAPES} are"
            return self._take_ordinary(batch, scored_tokens, reason)
        shape.fill(batch, scored_tokens)
        if shape.replay is None and shape.steps < WARM_UPS:
            shape.steps += 1
            return self._recorder.run_aside(lambda: self._ordinary(shape.batch, shape.scored_tokens))
        shape.replay = shape.replay or self._record(shape)
        if shape.replay is None:
            return self.take(batch, scored_tokens, self._failure)
        self.replays += 1
        return shape.replay()

    def forget(self) -> None:
        """Record anew: the tensors that a step works on are others now, or there is no more replay."""
        self._shapes.clear()

    def _shape_of(self, batch: Batch) -> _Shape | None:
        key = (len(batch), batch.source.shape[1], batch.target.shape[1])
        if key not in self._shapes and len(self._shapes) < MOST_SHAPES:
            self._shapes[key] = _Shape.of(batch, self._device)
        return self._shapes.get(key)

    def _record(self, shape: _Shape) -> Work | None:
        """Return the replay of a shape; where recording fails, None, and no other is tried."""
        try:
            return self._recorder.record(lambda: self._whole(shape.batch, shape.scored_tokens))
        except RuntimeError as error:
            # Where the work itself failed, CUDA's word on the broken recording comes on top.
            cause = f"{error.__context__ or error}".partition("\n")[0]
            self._failure = f"recording one failed ({cause})"
            return None

    def _take_ordinary(self, batch: Batch, scored_tokens: int, reason: str) -> Tensor:
        if reason not in self._reasons_told:
            self._reasons_told.add(reason)
            self._tell(f"Steps are not replayed as CUDA graphs: {reason}.")
        return self._ordinary(batch, scored_tokens)

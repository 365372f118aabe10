"""Steps that are replayed are the ordinary ones, to the last bit, and where they cannot be it is said why.

There are no CUDA graphs here. What stands in for them repeats what it recorded as they do: the same operations, with
the same numbers of Python, on tensors at the same addresses.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from attnbench.batch import Batch
from attnbench.errors import InterruptedRunError
from attnbench.models.config import ModelConfig
from attnbench.tasks.base import LengthRange, SyntheticTask
from attnbench.training import recorded
from attnbench.training.trainer import Adam, Trainer
from attnbench.vocabulary import PAD
from tests.models.arms import arm, every_arm
from tests.tasks.synthetic import synthetic_task
from tests.training.fitting import make_trainer, stops_after
from tests.training.test_resume import assert_ended_alike

Work = Callable[[], Tensor]


def same_memory(values: Any) -> Any:
    """Return tensors of their own shape in the same memory: some operations change the shape of what they are given."""
    return tree_map_only(Tensor, lambda each: each.detach(), values)


def tensors(values: object) -> list[Tensor]:
    return [each for each in tree_leaves(values) if isinstance(each, Tensor)]


class Tape(TorchDispatchMode):
    """Writes down every operation with its arguments and results, and what those overwrite that was there before."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[bool, Any, Any, Any, Any]] = []
        self.before: list[tuple[Tensor, Tensor]] = []
        self._made: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: object, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for position, argument in enumerate(func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                given = args[position] if position < len(args) else kwargs.get(argument.name)
                self.before += [
                    (each, each.clone()) for each in tensors(given) if self._memory(each) not in self._made
                ]
        given_to = same_memory((args, kwargs))
        result = func(*args, **kwargs)
        known = {self._memory(each) for each in tensors((args, kwargs))}
        self._made |= {self._memory(each) for each in tensors(result)} - known
        self.calls.append((torch.is_grad_enabled(), func, *given_to, same_memory(result)))
        return result

    @staticmethod
    def _memory(tensor: Tensor) -> int:
        return tensor.untyped_storage().data_ptr()

    def undo(self) -> None:
        for tensor, value in reversed(self.before):
            tensor.copy_(value)

    def play(self) -> None:
        for has_gradient, func, args, kwargs, result in self.calls:
            # oneDNN's recurrences keep something for the way back only where there may be one.
            with torch.set_grad_enabled(has_gradient), torch._C._AutoDispatchBelowAutograd():
                again = func(*same_memory(args), **same_memory(kwargs))
                for place, value in zip(tensors(result), tensors(again), strict=True):
                    if place.data_ptr() != value.data_ptr():
                        place.copy_(value)


class GraphLike:
    """Stands in for CUDA graphs on the CPU."""

    def __init__(self) -> None:
        self.aside, self.recordings = 0, 0

    def run_aside(self, work: Work) -> Tensor:
        self.aside += 1
        return work()

    def record(self, work: Work) -> Work:
        self.recordings += 1
        with Tape() as tape:
            result = work()
        with torch.no_grad():
            tape.undo()

        def replay() -> Tensor:
            tape.play()
            return result.clone()

        return replay


def trainer_of(
    recorder: GraphLike | None = None, configured: ModelConfig | None = None, **changed: Any
) -> Trainer:
    lengths = changed.pop("lengths", LengthRange(2, 4))
    return make_trainer(configured or arm("luong_general"), lengths=lengths, recorder=recorder, **changed)


def fitted(trainer: Trainer) -> Trainer:
    list(trainer.fit())
    return trainer


def steps_of(trainer: Trainer) -> recorded.RecordedSteps:
    assert trainer.recorded is not None
    return trainer.recorded


def without_dropout(arms: list[Any]) -> list[Any]:
    """Leave out what is never replayed."""
    return [each for each in arms if not each.values[0].dropout]


@pytest.mark.parametrize("configured", without_dropout(every_arm()))
def test_replayed_steps_are_the_ordinary_ones_over_several_shapes(configured: ModelConfig) -> None:
    recorder, short = GraphLike(), {"lengths": LengthRange(2, 3), "steps": 12, "evaluate_every": 12}
    replayed = fitted(trainer_of(recorder, configured, **short))
    assert_ended_alike(replayed, fitted(trainer_of(configured=configured, **short)))
    assert (recorder.aside, recorder.recordings) == (6, 2)  # two lengths, three steps ahead of each recording
    assert steps_of(replayed).replays == 6


@pytest.mark.parametrize("cut", [2, 10, 13, 24])
@pytest.mark.parametrize(("first", "then"), [(True, True), (True, False), (False, True)])
def test_what_one_way_saved_the_other_goes_on_from(cut: int, first: bool, then: bool) -> None:
    stopped = trainer_of(GraphLike() if first else None)
    with pytest.raises(InterruptedRunError):
        list(stopped.fit(stops_after(cut)))
    resumed = trainer_of(GraphLike() if then else None)
    resumed.load_state_dict(stopped.state_dict())
    assert_ended_alike(fitted(resumed), fitted(trainer_of()))


def test_what_is_saved_does_not_tell_the_ways_apart() -> None:
    of_replayed, of_ordinary = fitted(trainer_of(GraphLike())), fitted(trainer_of())
    torch.testing.assert_close(
        of_replayed.optimizer.state_dict(), of_ordinary.optimizer.state_dict(), rtol=0, atol=0
    )
    assert type(of_replayed.optimizer.state_dict()["param_groups"][0]["lr"]) is float


def test_a_state_taken_up_midway_is_recorded_anew() -> None:
    """Graphs that were recorded before would go on with the optimizer's old tensors."""
    trainer = trainer_of(GraphLike(), lengths=LengthRange(3, 3))
    with pytest.raises(InterruptedRunError):
        list(trainer.fit(stops_after(12)))
    state = deepcopy(trainer.state_dict())
    with pytest.raises(InterruptedRunError):
        list(trainer.fit(stops_after(5)))
    trainer.load_state_dict(state)
    assert_ended_alike(fitted(trainer), fitted(trainer_of(lengths=LengthRange(3, 3))))


def test_the_rate_of_a_replayed_step_is_a_tensor_that_stays() -> None:
    trainer = trainer_of(GraphLike())
    rate = trainer.optimizer.param_groups[0]["lr"]
    fitted(trainer)
    assert trainer.optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == trainer.schedule.rate(trainer.step - 1)


class TestOrdinarySteps:
    def told_by(self, trainer: Trainer) -> list[str]:
        told: list[str] = []
        trainer.training_split.tell = told.append
        fitted(trainer)
        return told

    def test_shapes_beyond_the_most_are_not_recorded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recorded, "MOST_SHAPES", 2)
        recorder = GraphLike()
        trainer = trainer_of(recorder)
        assert self.told_by(trainer) == [
            "Steps are not replayed as CUDA graphs: batches have more than 2 shapes; steps of the first 2 are."
        ]
        assert recorder.recordings == 2
        assert 0 < steps_of(trainer).replays < trainer.step - recorder.aside
        assert_ended_alike(trainer, fitted(trainer_of()))

    def test_nothing_is_recorded_with_dropout(self) -> None:
        recorder, configured = GraphLike(), arm("fixed", dropout=0.3)
        trainer = trainer_of(recorder, configured)
        assert self.told_by(trainer) == [
            "Steps are not replayed as CUDA graphs: dropout draws anew at each step."
        ]
        assert (recorder.aside, recorder.recordings) == (0, 0)
        assert_ended_alike(trainer, fitted(trainer_of(configured=configured)))

    def test_nothing_is_recorded_of_batches_in_parts(self) -> None:
        recorder, trainers = GraphLike(), [trainer_of(GraphLike()), trainer_of()]
        trainers[0] = trainer_of(recorder)
        for each in trainers:
            each.training_split.parts = 2
        assert self.told_by(trainers[0]) == ["Steps are not replayed as CUDA graphs: a batch goes in parts."]
        assert (recorder.aside, recorder.recordings) == (0, 0)
        assert_ended_alike(trainers[0], fitted(trainers[1]))

    def test_after_a_recording_that_fails_no_other_is_tried(self) -> None:
        class Failing(GraphLike):
            def record(self, work: Work) -> Work:
                self.recordings += 1
                work_is_begun(trainer)
                try:
                    raise RuntimeError("operation not permitted when stream is capturing\nCUDA says more")
                finally:
                    raise RuntimeError("operation failed due to a previous error during capture")

        recorder = Failing()
        trainer = trainer_of(recorder)
        assert self.told_by(trainer) == [
            "Steps are not replayed as CUDA graphs: recording one failed (operation not permitted when stream is "
            "capturing)."
        ]
        assert (recorder.recordings, steps_of(trainer).replays) == (1, 0)
        assert_ended_alike(trainer, fitted(trainer_of()))


def work_is_begun(trainer: Trainer) -> None:
    """Leave gradients behind, as a recording that fails midway does."""
    for parameter in trainer.model.parameters():
        parameter.grad = torch.full_like(parameter, float("nan"))


@pytest.mark.parametrize("name", ["luong_general", "bahdanau", "published_sutskever2014", "transformer"])
def test_lengths_and_scored_tokens_of_each_batch_are_replayed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = synthetic_task("reverse")
    whole = type(task).training_batch

    def uneven(self: SyntheticTask, seed: int, step: int, batch_size: int, lengths: LengthRange) -> Batch:
        batch, generator = whole(self, seed, step, batch_size, lengths), torch.Generator().manual_seed(step)
        longest = batch.source.shape[1]
        # Each has padding: whether any has is asked on the CPU, and not on a GPU.
        source_lengths = torch.randint(1, longest, (batch_size,), generator=generator)
        source = batch.source.masked_fill(torch.arange(longest) >= source_lengths.unsqueeze(1), PAD)
        scored = torch.rand(batch.target.shape, generator=generator) < 0.6
        scored[0, 0] = True
        return replace(batch, source=source, source_lengths=source_lengths, scored=scored)

    monkeypatch.setattr(type(task), "training_batch", uneven)
    trainers = [
        make_trainer(arm(name), task, LengthRange(4, 4), recorder=each, steps=12)
        for each in (GraphLike(), None)
    ]
    assert_ended_alike(*map(fitted, trainers))
    assert steps_of(trainers[0]).replays == 9


def test_without_the_option_adam_is_as_it_was() -> None:
    (group,) = trainer_of().optimizer.param_groups
    assert (type(group["lr"]), group["capturable"], group["fused"]) == (float, False, True)
    assert isinstance(trainer_of().optimizer, Adam)

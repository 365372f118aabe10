"""Every arm on a device without numbers: a tensor left on the host, or a number waited for, fails there at once.

So code that would stop a GPU within a step is found on a machine that has none.
"""

from contextlib import ExitStack
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attnbench.batch import Batch
from attnbench.models.config import ModelConfig
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.tasks.base import LengthRange
from attnbench.training.evaluation import scored_nats
from tests.models.arms import build, every_arm, uneven_batch
from tests.training.fitting import make_trainer

META = torch.device("meta")
every = pytest.mark.parametrize("arm", every_arm())


def on_meta(batch: Batch) -> Batch:
    tensors = {f.name: getattr(batch, f.name) for f in fields(batch)}
    return replace(
        batch, **{name: each.to(META) for name, each in tensors.items() if isinstance(each, Tensor)}
    )


def meta_model(arm: ModelConfig) -> Seq2SeqModel:
    return build(arm).to(META).train()


@every
def test_a_step_waits_for_nothing(arm: ModelConfig) -> None:
    model, batch = meta_model(arm), on_meta(uneven_batch())
    nats = scored_nats(model(batch, wants_weights=False).logits, batch)
    nats.backward()
    assert nats.device == META
    assert all(each.grad is None or each.grad.device == META for each in model.parameters())


class FromTheHost:
    """Names what hands numbers of the host to the device: a copy that is waited for, and no CUDA graph can hold."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __enter__(self) -> "FromTheHost":
        self._modes = ExitStack()
        self._modes.enter_context(_Operations(self.found))
        self._modes.enter_context(_Constants(self.found))
        return self

    def __exit__(self, *error: object) -> None:
        self._modes.close()


class _Operations(TorchDispatchMode):
    """Looks for tensors of the host that meet with the device."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, func: Any, types: object, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given, made = (
            {each.device for each in tree_leaves(values) if isinstance(each, Tensor)}
            for values in ((args, kwargs), result)
        )
        if torch.device("cpu") in given and META in given | made:
            self.found.append(f"{func}")
        return result


class _Constants(TorchFunctionMode):
    """Looks for tensors made of numbers of Python, which no dispatch mode sees."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, func: Any, types: object, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor, torch.Tensor.new_tensor) and result.device == META:
            self.found.append(func.__name__)
        return result


@every
def test_a_whole_step_of_the_trainer_waits_for_nothing(arm: ModelConfig) -> None:
    """Gradients cleared, forward, loss, backward, clipped, optimizer; on a batch that is on the device already.

    Without the fused kernel of Adam, which this device has not.
    """
    trainer = make_trainer(arm, lengths=LengthRange(4, 4), device=META)
    batch = trainer.task.training_batch(0, 0, 4, trainer.lengths).to(META)
    # The second step finds the state that the first one made.
    for _ in range(2):
        with FromTheHost() as mode:
            nats = trainer._whole_step_on(batch, torch.ones((), device=META))
        assert (nats.device, nats.shape, mode.found) == (META, (), [])


def test_numbers_of_the_host_are_noticed() -> None:
    on_device = torch.ones(2, device=META)
    for hand_over in (
        lambda: on_device.new_tensor([1.0, 2.0]),
        lambda: on_device.copy_(torch.ones(2)),
        lambda: torch.ones(2).to(META),
        lambda: on_device + torch.ones(()),
        lambda: torch.tensor([1.0], device=META),
    ):
        with FromTheHost() as mode:
            hand_over()
        assert mode.found


@every
@torch.no_grad()
def test_decoding_waits_for_nothing(arm: ModelConfig) -> None:
    model, batch = meta_model(arm).eval(), on_meta(uneven_batch())
    written = model.generate(batch.source, batch.source_lengths, batch.given)
    assert written.tokens.device == META
    assert written.tokens.shape == batch.target.shape

"""Every arm on a device without numbers: a tensor left on the host, or a number waited for, fails there at once.

So code that would stop a GPU within a step is found on a machine that has none.
"""

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from attnbench.batch import Batch
from attnbench.models.config import ModelConfig
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.training.evaluation import scored_nats
from tests.models.arms import build, every_arm, uneven_batch

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


@every
@torch.no_grad()
def test_decoding_waits_for_nothing(arm: ModelConfig) -> None:
    model, batch = meta_model(arm).eval(), on_meta(uneven_batch())
    written = model.generate(batch.source, batch.source_lengths, batch.given)
    assert written.tokens.device == META
    assert written.tokens.shape == batch.target.shape

from collections import Counter

import pytest
import torch
from torch import nn

from attnbench.errors import UserError
from tests.models.arms import arm, uneven_batch


def test_an_odd_hidden_size_cannot_be_halved_between_two_directions() -> None:
    odd = arm("fixed", hidden_size=7, bidirectional=True)
    with pytest.raises(UserError, match=r"hidden_size=7 .*bidirectional=false"):
        odd.check()
    arm("fixed", hidden_size=7, bidirectional=False).check()
    arm("fixed", hidden_size=8, bidirectional=True).check()


def test_dropout_acts_in_training_alone() -> None:
    model, batch = arm("luong_dot", dropout=0.5, layers=2).build(11, 9, 0), uneven_batch()
    model.eval()
    assert torch.equal(model(batch).logits, model(batch).logits)
    model.train()
    assert not torch.equal(model(batch).logits, model(batch).logits)


def test_dropout_stands_at_embeddings_between_layers_and_before_the_output() -> None:
    model = arm("luong_dot", dropout=0.5, layers=3).build(11, 9, 0)
    dropped: Counter[str] = Counter()
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout):
            assert module.p == 0.5
            module.register_forward_hook(lambda *_, name=name: dropped.update([name]))
    model(uneven_batch())
    # Encoder: embedding, two between layers. Decoder: embedding, readout; and two between layers.
    assert dropped == {"encoder.dropout": 3, "decoder.dropout": 2, "decoder.recurrence.dropout": 2}

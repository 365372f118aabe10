import pytest
import torch

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

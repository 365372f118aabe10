from dataclasses import replace

import pytest
import torch

from attnbench.batch import NOT_GIVEN
from attnbench.inspection import decode
from attnbench.inspection.decode import example_alone, greedy_decode, head_maps, maps_of, portions, rows_of
from attnbench.vocabulary import EOS, PAD
from tests.inspection.hand_built import asked, pointing_model
from tests.models.arms import build, every_arm, uneven_batch
from tests.tasks.synthetic import synthetic_task

TOLD, UNTOLD = synthetic_task("reverse"), synthetic_task("reverse", eos=True)
every = pytest.mark.parametrize("arm", every_arm())


def test_a_hand_built_model_says_and_looks_as_its_table_says():
    table = [[0.2, 0.1, 0.7], [0.8, 0.2, 0.0]]
    answers = greedy_decode(pointing_model(table), TOLD, asked([[4, 5, 6], [7, 8, 9]], [[1, 1], [1, 1]]))
    assert answers.tokens.tolist() == [[6, 4], [9, 7]]
    assert answers.weights is not None
    torch.testing.assert_close(answers.weights, torch.tensor([table, table]))


def test_an_answer_ends_at_its_mark_and_what_follows_is_not_chosen():
    model = pointing_model([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]] * 6)
    answers = greedy_decode(model, UNTOLD, asked([[4, EOS, 5], [6, 7, EOS]], [[9, 9], [9, 9]]))
    assert answers.tokens.tolist() == [[4, EOS, PAD], [6, 7, EOS]]
    assert answers.chosen.tolist() == [[True, True, False], [True, True, True]]


def test_an_answer_without_end_is_cut_as_in_the_evaluation():
    answers = greedy_decode(pointing_model([[1.0, 0.0]] * 30), UNTOLD, asked([[4, 5], [6, 0]], [[9], [9]]))
    assert answers.chosen.sum(dim=1).tolist() == [2 * 2 + 10, 2 * 1 + 10]


@every
@torch.no_grad()
def test_replayed_answers_are_looked_at_as_when_they_were_written(arm):
    model, batch = build(arm), uneven_batch()
    answers = greedy_decode(model, TOLD, batch)
    assert answers.chosen.equal(batch.scored)
    is_given = batch.given != NOT_GIVEN
    assert torch.equal(answers.tokens[is_given], batch.target[is_given])
    output = model(answers.replay)
    assert torch.equal(output.logits.argmax(dim=2)[answers.chosen], answers.tokens[answers.chosen])
    if answers.weights is None:
        assert output.attention is None
    else:
        torch.testing.assert_close(output.attention[batch.target_mask], answers.weights[batch.target_mask])


@every
@torch.no_grad()
def test_the_mean_over_layers_and_heads_is_the_models_weights(arm):
    model, batch = build(arm), uneven_batch()
    maps, weights = head_maps(model, batch), model(batch).attention
    if arm.name not in ("multihead", "transformer", "transformer_fixed"):
        assert maps is None
        return
    assert maps is not None
    assert (maps.source is None) == (weights is None)
    if maps.source is not None:
        torch.testing.assert_close(maps.source.mean(dim=(1, 2)), weights)
        assert maps.source.shape[1] * maps.source.shape[2] == maps_of(model)
    assert (maps.encoder is None) == (maps.decoder is None) == (arm.name == "multihead")


def test_portions_hold_every_example_once_and_no_more_than_fits(monkeypatch):
    monkeypatch.setattr(decode, "AT_ONCE", 2 * 11 * (11 * 3 + 7))
    batch = uneven_batch((5, 1, 3), (4, 6, 1))
    parts = list(portions(batch, numbers_per_pair=3, numbers_per_word=7))
    assert [len(part) for part in parts] == [2, 1]
    assert torch.cat([part.source for part in parts]).equal(batch.source)
    assert len(list(portions(batch, numbers_per_pair=10_000))) == 3


def test_an_example_alone_has_no_padding():
    batch = replace(uneven_batch(), references=("a", "b", "c"))
    alone = example_alone(batch, 2)
    assert (alone.source.shape, alone.target.shape, alone.references) == ((1, 3), (1, 1), ("c",))
    assert rows_of(batch, slice(2, 3)).source.shape == (1, 5)

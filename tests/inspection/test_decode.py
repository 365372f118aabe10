from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from attnbench.batch import NOT_GIVEN, Batch
from attnbench.inspection import decode
from attnbench.inspection.decode import (
    answers_within_reach,
    example_alone,
    greedy_decode,
    head_maps,
    maps_of,
    portions,
    rows_of,
    source_gradients,
)
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.vocabulary import EOS, PAD
from tests.inspection.hand_built import asked, pointing_model
from tests.models.arms import arm, build, every_arm, row_alone, uneven_batch, with_padding
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


STEP = 1e-6


def gradients(model: Seq2SeqModel, batch: Batch) -> Tensor:
    found = source_gradients(model, batch)
    assert found is not None
    return found


@torch.no_grad()
def by_differences(model: Seq2SeqModel, batch: Batch) -> Tensor:
    """Return the norms for one example, each number of each source word's embedding moved by itself."""
    embedding = model.encoder.embedding
    assert isinstance(embedding, nn.Embedding)
    source_len, size = batch.source.shape[1], embedding.embedding_dim
    norms = torch.zeros(batch.target.shape[1], source_len, dtype=torch.float64)
    for position in range(source_len):
        slopes = [
            (
                moved(model, embedding, batch, position, number, STEP)
                - moved(model, embedding, batch, position, number, -STEP)
            )
            / (2 * STEP)
            for number in range(size)
        ]
        norms[:, position] = torch.stack(slopes).norm(dim=0)
    return norms


def moved(
    model: Seq2SeqModel, embedding: nn.Embedding, batch: Batch, position: int, number: int, by: float
) -> Tensor:
    """Return log p of the target tokens where one number of the embedding of a word that stands once is moved."""
    word = int(batch.source[0, position])
    embedding.weight[word, number] += by
    logits = model(batch).logits
    embedding.weight[word, number] -= by
    return logits.log_softmax(dim=2).gather(2, batch.target.unsqueeze(2))[0, :, 0]


@pytest.mark.parametrize("name", ["fixed", "luong_general", "bahdanau", "linear", "multihead", "transformer"])
@pytest.mark.parametrize("reverse_source", [False, True])
def test_gradients_are_those_of_differences(name, reverse_source):
    model = build(arm(name, reverse_source=reverse_source, bidirectional=False))
    batch = asked([[4, 7, 5, 10]], [[5, 6, 4]])
    torch.testing.assert_close(gradients(model, batch)[0], by_differences(model, batch), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("arm", every_arm())
def test_padding_and_other_examples_change_no_gradient(arm):
    model, batch = build(arm), uneven_batch()
    together = gradients(model, with_padding(batch, 2, 1))
    for row in range(len(batch)):
        alone = row_alone(batch, row)
        found = together[row, : alone.target.shape[1], : alone.source.shape[1]]
        torch.testing.assert_close(found, gradients(model, alone)[0])
        assert not together[row, :, alone.source.shape[1] :].any()


@pytest.mark.parametrize("name", ["bahdanau", "luong_general", "transformer", "linear", "blind"])
@pytest.mark.parametrize("at_once", [1, 4000])
def test_words_that_go_backward_together_have_the_gradient_of_each_alone(monkeypatch, name, at_once):
    model, batch = build(arm(name)), uneven_batch()
    told: list[tuple[int, int]] = []
    together = source_gradients(model, batch, lambda done, of: told.append((done, of)))
    monkeypatch.setattr("attnbench.inspection.decode.AT_ONCE", at_once)
    torch.testing.assert_close(gradients(model, batch), together)
    words = int(batch.scored.any(dim=0).sum())
    assert told == [(words, words)]


def test_a_long_answer_has_the_gradients_of_its_first_words(monkeypatch):
    model, batch = build(arm("fixed")), asked([[4, 7, 5, 6]], [[5, 6, 4, 4]])
    assert answers_within_reach(model, batch) == 4
    monkeypatch.setattr("attnbench.inspection.decode.MOST_WORK", 2 * 2 * 4 * 9)
    assert answers_within_reach(model, batch) == 2
    assert answers_within_reach(build(arm("bahdanau")), batch) == 1


def test_words_that_are_given_have_no_row():
    batch = uneven_batch()
    found = gradients(build(arm("fixed")), batch)
    assert (found.sum(dim=2) > 0).equal(batch.scored)


def test_a_model_that_does_not_see_the_source_has_no_gradient():
    assert not gradients(build(arm("blind")), uneven_batch()).any()


def test_a_word_that_is_not_read_has_no_gradient():
    found = gradients(pointing_model([[0.5, 0.0, 0.5]]), asked([[4, 5, 6]], [[4]]))[0, 0]
    assert (found > 0).tolist() == [True, False, True]


def test_the_model_is_left_without_gradients_and_hooks():
    model = build(arm("bahdanau"))
    gradients(model, uneven_batch())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.encoder.embedding._forward_hooks


def test_a_model_whose_source_is_embedded_otherwise_has_none():
    model = pointing_model([[1.0]])
    del model.encoder.embedding
    assert source_gradients(model, asked([[4]], [[4]])) is None

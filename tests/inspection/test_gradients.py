import pytest
import torch
from torch import Tensor, nn

from attnbench.batch import Batch
from attnbench.inspection.decode import answers_within_reach, source_gradients
from attnbench.models.seq2seq import Seq2SeqModel
from tests.inspection.hand_built import asked, pointing_model
from tests.models.arms import arm, build, every_arm, row_alone, uneven_batch, with_padding

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

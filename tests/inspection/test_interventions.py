from dataclasses import replace

import pytest
import torch
from torch import Tensor

from attnbench.batch import Batch
from attnbench.inspection.decode import Decoded
from attnbench.inspection.editing import Erasure, NoEdit, Permutation, can_be_edited, editable
from attnbench.inspection.interventions import CausalCounts, count_causes
from attnbench.models.seq2seq import RecurrentSeq2Seq, RecurrentState, Seq2SeqModel
from attnbench.models.transformer import Transformer, TransformerState
from attnbench.models.transformer_layers import Attention, KeysAndValues, LayerMemory
from attnbench.randomness import generator_for
from tests.inspection.hand_built import VOCABULARY_SIZE, asked, pointing_model
from tests.models.arms import arm, arm_names, build, every_arm, uneven_batch

PUBLISHED_WITHOUT_WEIGHTS = ("published_cho2014", "published_sutskever2014")
WITHOUT_WEIGHTS = (
    "blind",
    "fixed",
    "fixed_init",
    "linear",
    "slots",
    "transformer_fixed",
    *PUBLISHED_WITHOUT_WEIGHTS,
)
every = pytest.mark.parametrize("arm", every_arm())
either_way = pytest.mark.parametrize("steps_through_time", [False, True])
TABLE = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]


def answers_of(model: Seq2SeqModel, batch: Batch) -> Decoded:
    """Return the batch's target as if the model had written it."""
    with torch.no_grad():
        weights = model(batch).attention
    return Decoded(batch, batch.target, batch.scored, weights)


def causes(model: Seq2SeqModel, batch: Batch, permutations: int = 9) -> CausalCounts:
    counts = CausalCounts()
    assert count_causes(counts, model, answers_of(model, batch), generator_for("causes"), permutations)
    return counts


def edited_reads(model: Seq2SeqModel, batch: Batch, edit: Erasure | Permutation | NoEdit) -> Tensor:
    """Return the logits of each target position, read by itself with changed weights."""
    edited, inputs = editable(model), model.shifted(batch.target)
    assert edited is not None
    state, found = model.start(batch.source, batch.source_lengths), []
    with torch.no_grad():
        for step in range(inputs.shape[1]):
            now = slice(step, step + 1)
            found.append(edited.advance(inputs[:, now], state, edit.within(now)))
            state = model.advance(inputs[:, now], state)[2]
    return torch.cat(found, dim=1)


@either_way
def test_erasing_the_only_position_that_is_used_always_flips_the_answer(steps_through_time):
    counts = causes(
        pointing_model(TABLE, steps_through_time), asked([[4, 5, 6], [7, 8, 9]], [[4, 6, 5], [7, 9, 8]])
    )
    for kind in ("most_attended", "largest_gradient"):
        erased = counts.erased[kind]
        assert (erased.words, erased.flip_rate) == (6, 1)
        assert erased.divergence_bits == pytest.approx(1, abs=0.02)


@either_way
def test_erasing_a_position_that_the_model_ignores_never_flips_the_answer(steps_through_time):
    batch = asked([[4, 5, 6], [7, 8, 9]] * 20, [[4, 6, 5], [7, 9, 8]] * 20)
    erased = causes(pointing_model(TABLE, steps_through_time), batch).erased["random"]
    assert (erased.words, erased.flip_rate, erased.divergence_bits) == (120, 0, 0)


@either_way
def test_what_is_left_is_brought_to_the_old_sum(steps_through_time):
    model = pointing_model([[0.6, 0.4, 0.0]], steps_through_time)
    batch = asked([[4, 5, 6]], [[4]])
    logits = edited_reads(model, batch, Erasure(torch.tensor([[0]])))
    torch.testing.assert_close(logits, model(asked([[5, 5, 5]], [[5]])).logits)


def test_dealing_weights_anew_is_felt_as_often_as_another_word_comes_to_be_read():
    table = [[1.0, 0.0, 0.0, 0.0]]
    same = causes(pointing_model(table), asked([[4, 4, 4, 4]], [[4]]), 25)
    other = causes(pointing_model(table), asked([[4, 5, 6, 7]], [[4]]), 25)
    assert same.median_variation == pytest.approx(0, abs=1e-6)
    # Three orders of four put another word there, so more than half of them do.
    assert other.median_variation == pytest.approx(1, abs=0.02)


def test_equal_weights_permuted_change_nothing():
    model = build(arm("uniform"))
    assert causes(model, uneven_batch()).median_variation == pytest.approx(0, abs=1e-6)


def test_a_source_of_one_word_has_no_other_to_erase_and_erasing_it_leaves_numbers():
    for name in ("luong_general", "bahdanau", "multihead", "transformer", "uniform", "luong_local_p"):
        counts = causes(build(arm(name)), asked([[4]], [[5, 6]]))
        assert counts.erased["random"].words == 0
        assert counts.erased["random"].flip_rate is None
        erased = counts.erased["most_attended"]
        assert erased.words == 2
        assert 0 <= (erased.divergence_bits or 0.0) <= 1


def test_only_words_that_the_model_chose_are_counted():
    model, batch = build(arm("luong_dot")), uneven_batch()
    counts = causes(model, batch)
    assert counts.words == counts.erased["most_attended"].words == int(batch.scored.sum())


@every
def test_weights_left_as_they_are_come_to_the_models_own_answers(arm):
    model, batch = build(arm), uneven_batch()
    can = can_be_edited(model, batch.source, batch.source_lengths, model.shifted(batch.target))
    assert can == (arm.name not in WITHOUT_WEIGHTS)
    if can:
        with torch.no_grad():
            expected = model(batch).logits
        torch.testing.assert_close(edited_reads(model, batch, NoEdit()), expected)


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_arms_without_weights_have_no_causes(name):
    model, batch = build(arm(name)), uneven_batch()
    counts = CausalCounts()
    assert not count_causes(counts, model, answers_of(model, batch), generator_for("causes"))
    assert counts == CausalCounts()


def test_a_context_that_is_no_average_by_its_weights_has_no_causes():
    model = pointing_model(TABLE)
    context = model.decoder.context
    read = context.read
    context.read = lambda *words: (torch.roll(read(*words)[0], 1, 2), read(*words)[1])
    counts, batch = CausalCounts(), asked([[4, 5, 6]], [[4, 6, 5]])
    assert not count_causes(counts, model, answers_of(model, batch), generator_for("causes"))


@pytest.mark.parametrize(
    "name", ["luong_dot", "luong_general", "luong_concat", "bahdanau", "multihead", "uniform"]
)
@pytest.mark.parametrize("wiring", [{}, {"input_feeding": True, "layers": 2, "cell": "gru"}])
@torch.no_grad()
def test_erasing_is_as_if_the_position_were_padding_for_this_one_read(name, wiring):
    changes = {key: value for key, value in wiring.items() if hasattr(arm(name), key)}
    model, batch = build(arm(name, **changes)), uneven_batch((5, 2, 3))
    positions = torch.tensor([[0, 1, 2, 3, 4, 0], [1, 0, 1, 0, 1, 0], [2, 1, 0, 2, 1, 0]])
    found = edited_reads(model, batch, Erasure(positions))
    state = model.start(batch.source, batch.source_lengths)
    inputs = model.shifted(batch.target)
    for step in range(inputs.shape[1]):
        assert isinstance(state, RecurrentState)
        mask = state.memory.mask.scatter(1, positions[:, step : step + 1], False)
        masked = replace(state, memory=replace(state.memory, mask=mask))
        expected = model.advance(inputs[:, step : step + 1], masked)[0]
        torch.testing.assert_close(found[:, step : step + 1], expected)
        state = model.advance(inputs[:, step : step + 1], state)[2]


@torch.no_grad()
def test_erasing_from_a_transformer_is_as_if_the_state_were_cut_out():
    model, batch = build(arm("transformer")), uneven_batch((5,), (4,))
    assert isinstance(model, Transformer)
    found = edited_reads(model, batch, Erasure(torch.full((1, 4), 2)))
    state, inputs = model.start(batch.source, batch.source_lengths), model.shifted(batch.target)
    kept = torch.tensor([0, 1, 3, 4])
    for step in range(4):
        layers = [
            LayerMemory(
                layer.target,
                KeysAndValues(layer.source.keys[:, :, kept], layer.source.values[:, :, kept]),
                layer.source_mask[..., kept],
            )
            for layer in state.layers
        ]
        now = inputs[:, step : step + 1]
        expected = model.advance(now, TransformerState(layers, state.position))[0]
        torch.testing.assert_close(found[:, step : step + 1], expected)
        state = model.advance(now, state)[2]


@torch.no_grad()
def test_nothing_is_read_where_the_only_word_is_erased():
    for name in ("transformer", "luong_dot", "multihead"):
        model = build(arm(name))
        first, second = (model.start(torch.tensor([[word]]), torch.tensor([1])) for word in (4, 5))
        if isinstance(model, RecurrentSeq2Seq):
            second = replace(second, decoder=first.decoder)
        edited, start = editable(model), torch.tensor([[1]])
        assert edited is not None
        for edit, is_read in ((Erasure(torch.tensor([[0]])), False), (NoEdit(), True)):
            found, other = (edited.advance(start, state, edit) for state in (first, second))
            assert torch.allclose(found, other) != is_read


@torch.no_grad()
def test_dealing_values_anew_is_dealing_weights_anew():
    attention = Attention(8, 2).double()
    generator = torch.Generator().manual_seed(0)
    states, source = (
        torch.randn(2, length, 8, generator=generator, dtype=torch.float64) for length in (1, 4)
    )
    read = attention.project(source)
    mask = torch.tensor([[True, True, True, True], [True, True, True, False]])[:, None, None, :]
    order = Permutation(torch.tensor([[[2, 0, 3, 1]], [[1, 2, 0, 3]]]))
    changed = order.of_layer(LayerMemory(None, read, mask))
    found, weights = attention(states, changed.source, changed.source_mask, wants_weights=True)
    heads = order.reweigh(weights) @ read.values
    torch.testing.assert_close(found, attention.joint_projection(heads.transpose(1, 2).flatten(2)))
    assert not torch.allclose(found, attention(states, read, mask)[0])


@pytest.mark.parametrize("name", arm_names())
def test_the_model_is_left_as_it_was(name):
    model, batch = build(arm(name)), uneven_batch()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        expected = model(batch).logits
    count_causes(CausalCounts(), model, answers_of(model, batch), generator_for("causes"), 3)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    with torch.no_grad():
        assert torch.equal(model(batch).logits, expected)
    if isinstance(model, RecurrentSeq2Seq):
        assert not model.training


def test_a_vocabulary_is_left_for_what_a_hand_built_model_says():
    assert pointing_model(TABLE)(asked([[4, 5, 6]], [[4, 6, 5]])).logits.shape == (1, 3, VOCABULARY_SIZE)

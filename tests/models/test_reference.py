"""The recurrent arms against slow loops over their published equations."""

import numpy as np
import pytest
import torch

from attnbench.models.config import RecurrentConfig
from attnbench.models.encoder import RecurrentEncoder
from attnbench.models.seq2seq import RecurrentSeq2Seq
from tests.models.arithmetic import relative_error
from tests.models.arms import WIRINGS, arm_names, arms_wired, build, published_arms, row_alone, uneven_batch
from tests.models.reference import Reference
from tests.models.reference_contexts import CONTEXTS
from tests.models.transformer_reference import TRANSFORMERS

ARMS = [
    each for wiring in WIRINGS for each in arms_wired(wiring) if each.values[0].name in CONTEXTS
] + published_arms()


@pytest.mark.parametrize("name", arm_names())
def test_every_yaml_of_conf_has_its_equations_written_out(name: str) -> None:
    assert name in {*CONTEXTS, *TRANSFORMERS}, (
        f"conf/model/{name}.yaml has no slow reference. Write its context from its published equations into "
        f"tests/models/reference_contexts.py and name it in CONTEXTS."
    )


def test_no_equations_are_written_out_for_nothing() -> None:
    assert {*CONTEXTS, *TRANSFORMERS} == set(arm_names())


@pytest.mark.parametrize("arm", ARMS)
def test_logits_and_weights_are_those_of_the_equations(arm: RecurrentConfig) -> None:
    model, batch = build(arm), uneven_batch()
    reference = Reference(arm, model)
    with torch.no_grad():
        output = model(batch)
    for row in range(len(batch)):
        alone = row_alone(batch, row)
        source, target = alone.source[0].tolist(), alone.target[0].tolist()
        logits, weights = reference.answer(source, target)
        assert relative_error(output.logits[row, : len(target)].numpy(), logits) < 1e-9
        if output.attention is None:
            assert weights == [None] * len(target)
        else:
            found = output.attention[row, : len(target), : len(source)].numpy()
            assert relative_error(found, np.array(weights)) < 1e-9


@pytest.mark.parametrize("arm", [each for each in ARMS if each.values[0].name == "fixed_init"])
def test_encoder_states_and_final_state_are_those_of_the_equations(arm: RecurrentConfig) -> None:
    model, batch = build(arm), uneven_batch(source_lengths=(5, 1, 3, 2))
    assert isinstance(model, RecurrentSeq2Seq)
    assert isinstance(model.encoder, RecurrentEncoder)
    with torch.no_grad():
        encoded = model.encoder(batch.source, batch.source_lengths)
    for row, length in enumerate(batch.source_lengths.tolist()):
        states, finals = Reference(arm, model).encode(batch.source[row, :length].tolist())
        assert relative_error(encoded.states[row, :length].numpy(), np.array(states)) < 1e-9
        assert relative_error(encoded.final[row].numpy(), finals[-1][0]) < 1e-9
        for (hidden, *cell), (expected, expected_cell) in zip(encoded.layers, finals, strict=True):
            assert relative_error(hidden[row].numpy(), expected) < 1e-9
            if arm.carry == "state" and arm.cell == "lstm":
                assert relative_error(cell[0][row].numpy(), expected_cell) < 1e-9
        assert encoded.mask[row].tolist() == [position < length for position in range(5)]


def test_arms_as_published_are_what_their_papers_say() -> None:
    """The options that tell each from the arm that is compared like for like; where they differ is in their yaml."""
    kept = ("cell", "layers", "bidirectional", "reverse_source", "carry", "first_state", "output_reads")
    published = {each.id: [getattr(each.values[0], key) for key in kept] for each in published_arms()}
    assert published == {
        "published_sutskever2014": ["lstm", 4, False, True, "state", "copied", "state"],
        "published_cho2014": ["gru", 1, False, False, "state", "projected", "state_context_word"],
        "published_bahdanau2015": ["gru", 1, True, False, "state", "backward", "last_state_context_word"],
        "published_luong2015": ["lstm", 4, False, True, "state", "copied", "state"],
    }
    arms = {each.id: each.values[0] for each in published_arms()}
    assert (arms["published_cho2014"].read, arms["published_bahdanau2015"].query) == ("before", "before")
    assert (arms["published_luong2015"].input_feeding, arms["published_luong2015"].dropout) == (True, 0.2)
    for configured in arms.values():
        configured.check()

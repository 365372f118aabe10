import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attnbench.models.config import ModelConfig, RecurrentConfig
from attnbench.models.initialisation import initialise
from attnbench.models.recurrence import Recurrence
from attnbench.vocabulary import PAD
from tests.models.arms import SOURCE_SIZE, TARGET_SIZE, WIRINGS, arm, arms_wired, every_arm, in_words

INPUT_WEIGHTS = "decoder.recurrence.layers.0.layer.weight_ih_l0"


def first_weights(configured: RecurrentConfig, seed: int = 0) -> dict[str, Tensor]:
    model = configured.build(SOURCE_SIZE, TARGET_SIZE, seed)
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def input_blocks(configured: RecurrentConfig) -> dict[str, Tensor]:
    """Return the parts of the decoder's input weights by the name of what they read."""
    layer = configured.build(SOURCE_SIZE, TARGET_SIZE, 0).decoder.recurrence.layers[0]
    assert isinstance(layer, Recurrence)
    parts = layer.layer.weight_ih_l0.split(list(layer.input_blocks.values()), dim=1)
    return dict(zip(layer.input_blocks, parts, strict=True))


def arms_of(wiring: dict[str, Any]) -> list[RecurrentConfig]:
    arms = [each.values[0] for each in arms_wired(wiring)]
    return [each for each in arms if isinstance(each, RecurrentConfig)]


wirings = pytest.mark.parametrize("wiring", [WIRINGS[0], WIRINGS[3]], ids=in_words)


@wirings
@pytest.mark.parametrize("seed", [0, 7])
def test_what_arms_share_starts_equal(wiring: dict[str, Any], seed: int) -> None:
    weights = [first_weights(each, seed) for each in arms_of(wiring)]
    assert len(weights) >= 11
    for left, right in itertools.combinations(weights, 2):
        shared = left.keys() & right.keys()
        assert {"encoder.embedding.weight", "decoder.output.weight", "decoder.readout.state.bias"} <= shared
        for name in shared:
            # A bias is drawn within a bound that hangs on the inputs of its layer.
            same_shape = all(
                left[each].shape == right[each].shape for each in (name, name.replace(".bias", ".weight"))
            )
            is_comparable = same_shape and name != INPUT_WEIGHTS
            assert not is_comparable or torch.equal(left[name], right[name]), name


@wirings
def test_the_block_of_the_embedding_is_shared_where_that_of_the_context_is_added(
    wiring: dict[str, Any],
) -> None:
    blocks = [input_blocks(each) for each in arms_of(wiring)]
    assert any("context" in each for each in blocks)
    assert any("context" not in each for each in blocks)
    for left, right in itertools.combinations(blocks, 2):
        assert torch.equal(left["embedding"], right["embedding"])
        for name in left.keys() & right.keys():
            assert left[name].shape != right[name].shape or torch.equal(left[name], right[name])


def drawn_weights(configured: ModelConfig, seed: int = 0) -> dict[str, Tensor]:
    """Return the weights but for those of normalisations, which begin as the identity."""
    model = configured.build(SOURCE_SIZE, TARGET_SIZE, seed)
    norms = [part for part in model.modules() if isinstance(part, nn.LayerNorm)]
    constant = {id(parameter) for norm in norms for parameter in norm.parameters()}
    return {name: each.detach() for name, each in model.named_parameters() if id(each) not in constant}


@pytest.mark.parametrize("configured", every_arm())
def test_seeds_differ_and_seed_0_is_one_of_them(configured: ModelConfig) -> None:
    zero, again, one = (drawn_weights(configured, seed) for seed in (0, 0, 1))
    for name, weights in zero.items():
        assert torch.equal(weights, again[name])
        assert not torch.equal(weights, one[name])


@pytest.mark.parametrize("configured", every_arm())
def test_no_two_weights_of_a_model_start_as_copies(configured: ModelConfig) -> None:
    ends = [str(weights.flatten()[-5:].tolist()) for weights in drawn_weights(configured).values()]
    assert len(set(ends)) == len(ends)


def test_the_distributions_are_those_that_torch_uses() -> None:
    weights = first_weights(arm("bahdanau", hidden_size=64, embedding_size=32, **WIRINGS[0]))
    assert weights["encoder.embedding.weight"][4:].std() == pytest.approx(1, abs=0.2)
    assert (weights["encoder.embedding.weight"][PAD] == 0).all()
    assert (weights["decoder.embedding.weight"][PAD] == 0).all()
    bounds = {
        "encoder.layers.0.1.layer.weight_ih_l0": 32**-0.5,  # one direction of 64
        "encoder.layers.0.1.layer.bias_hh_l0": 32**-0.5,
        INPUT_WEIGHTS: 64**-0.5,
        "decoder.readout.state.weight": 64**-0.5,
        "decoder.output.bias": 64**-0.5,
        "decoder.context.score.weight": 64**-0.5,
    }
    for name, bound in bounds.items():
        assert bound * 0.75 < weights[name].abs().max() <= bound, name
        assert abs(weights[name].mean()) < bound * 4 / (3 * weights[name].numel()) ** 0.5, name


def test_the_global_random_state_makes_no_difference() -> None:
    expected = first_weights(arm("luong_general"))
    torch.rand(5)
    found = first_weights(arm("luong_general"))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_parameter_without_a_rule_is_refused_by_name() -> None:
    model = nn.ModuleDict({"known": nn.Linear(2, 2), "odd": nn.Conv1d(1, 1, 2, bias=False)})
    with pytest.raises(TypeError, match=r"odd\.weight"):
        initialise(model, 0)


def test_a_parameter_that_is_one_number_throughout_was_not_drawn_and_stays() -> None:
    model = nn.ModuleDict({"odd": nn.PReLU(3, init=0.25)})
    initialise(model, 0)
    assert model["odd"].weight.tolist() == [0.25] * 3

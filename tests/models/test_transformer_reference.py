"""Both Transformers against slow loops over their published equations."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from attnbench.models.transformer import AttentionMaps, Transformer, TransformerConfig
from tests.models.arithmetic import relative_error
from tests.models.arms import WIRINGS, arm, arms_wired, build, in_words, row_alone, uneven_batch
from tests.models.transformer_reference import TRANSFORMERS, Map, Maps, TransformerReference

TURNED = {"layers": 3, "heads": 2, "positions": "rotary", "reverse_source": True}
# Some of the five source and six target tokens stand behind the last row.
FEW_ROWS = {"positions": "learnt", "learnt_positions": 3, "reverse_source": True}
WIRED = [
    each for wiring in WIRINGS for each in arms_wired(wiring) if isinstance(each.values[0], TransformerConfig)
]
ARMS = [
    *WIRED,
    *(
        pytest.param(arm(name, **options), id=f"{name}-{in_words(options)}")
        for name in TRANSFORMERS
        for options in (TURNED, FEW_ROWS)
    ),
]
every = pytest.mark.parametrize("arm", ARMS)


def test_both_transformers_are_there_with_every_kind_of_positions() -> None:
    found = {(each.values[0].name, each.values[0].positions) for each in ARMS}
    assert found == set(product(TRANSFORMERS, ("sinusoidal", "rotary", "learnt")))


def transformer(arm: TransformerConfig) -> Transformer:
    model = build(arm)
    assert isinstance(model, Transformer)
    return model


@every
def test_logits_are_those_of_the_equations(arm: TransformerConfig) -> None:
    model, batch = transformer(arm), uneven_batch()
    with torch.no_grad():
        fast, watched = model(batch, wants_weights=False).logits, model(batch).logits
    for row in range(len(batch)):
        alone = row_alone(batch, row)
        target = alone.target[0].tolist()
        expected, _ = TransformerReference(arm, model).answer(alone.source[0].tolist(), target)
        for logits in (fast, watched):
            assert relative_error(logits[row, : len(target)].numpy(), expected) < 1e-9


@every
def test_every_head_of_every_layer_weighs_as_the_equations_say(arm: TransformerConfig) -> None:
    model, batch = transformer(arm), uneven_batch()
    with torch.no_grad():
        found, output = model.attention_maps(batch), model(batch)
    for row in range(len(batch)):
        alone = row_alone(batch, row)
        source, target = alone.source[0].tolist(), alone.target[0].tolist()
        _, maps = TransformerReference(arm, model).answer(source, target)
        assert_maps(found, maps, row, len(source), len(target))
        if arm.name == "transformer_fixed":
            assert output.attention is None
        else:
            mean = square(maps.source, len(source)).mean(axis=(0, 1))
            assert output.attention is not None
            assert relative_error(output.attention[row, : len(target), : len(source)].numpy(), mean) < 1e-9


def assert_maps(found: AttentionMaps, maps: Maps, row: int, source_len: int, target_len: int) -> None:
    """Real positions weigh as expected, and nothing has weight at padding or ahead."""
    read_len = min(source_len, found.source.shape[4])
    kinds: list[tuple[Tensor, list[Map], int, int]] = [
        (found.encoder, maps.encoder, source_len, source_len),
        (found.decoder, maps.decoder, target_len, target_len),
        (found.source, maps.source, target_len, read_len),
    ]
    for weights, expected, length, columns in kinds:
        real = weights[row, :, :, :length]
        assert relative_error(real[..., :columns].numpy(), square(expected, columns)) < 1e-9
        assert (real[..., columns:] == 0).all()


def square(layers: list[Map], columns: int) -> np.ndarray:
    """Fill up each row of weights with zeros; (layers, heads, length, columns)."""
    return np.array(
        [[[row + [0.0] * (columns - len(row)) for row in head] for head in layer] for layer in layers]
    )

"""Contexts that must come to the same as others, or to a plain sum, under weights set by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from attnbench.models.contexts.bottleneck import Uniform
from attnbench.models.contexts.linear import FeatureMap, Linear
from attnbench.models.contexts.luong import LuongDot, LuongGeneral
from attnbench.models.contexts.multihead import MultiHead
from attnbench.models.contexts.slots import Slots
from attnbench.models.encoder import EncoderOutput
from tests.models.reading import (
    HIDDEN,
    LENGTHS,
    QUERIES,
    TARGET_LEN,
    assert_same,
    drawn,
    encoded,
    read,
    set_weight,
)

IDENTITY = torch.eye(HIDDEN)


def one_slot_per_state(source: EncoderOutput, row: int) -> Slots:
    """Return slots of which the k-th takes the k-th of a row's states: W h_j = e_j, and Q is large and diagonal."""
    source_len = source.states.shape[1]
    slots = Slots(HIDDEN, source_len).double()
    inverse = torch.linalg.pinv(source.states[row].T)
    set_weight(slots.state_projection, torch.nn.functional.pad(inverse, (0, 0, 0, HIDDEN - source_len)))
    set_weight(slots.slot_queries, 1e3 * torch.eye(source_len, HIDDEN))
    return slots


@pytest.mark.parametrize("row", range(3))
class TestAsManySlotsAsStates:
    def test_each_slot_is_a_state(self, row: int) -> None:
        source = encoded(5, 5, 5)
        with torch.no_grad():
            assert_same(one_slot_per_state(source, row).prepare(source).values[row], source.states[row])

    def test_they_are_attention_over_the_source(self, row: int) -> None:
        source, general = encoded(5, 5, 5), drawn(LuongGeneral(HIDDEN))
        slots = one_slot_per_state(source, row)
        set_weight(slots.key_projection, general.key_projection.weight)
        assert_same(read(slots, source)[0][row], read(general, source)[0][row])

    def test_without_a_matrix_they_are_the_dot_product(self, row: int) -> None:
        source = encoded(5, 5, 5)
        slots = one_slot_per_state(source, row)
        set_weight(slots.key_projection, IDENTITY)
        assert_same(read(slots, source)[0][row], read(LuongDot(HIDDEN), source)[0][row])


def test_slots_that_do_not_choose_are_the_mean() -> None:
    slots = drawn(Slots(HIDDEN, 3))
    set_weight(slots.slot_queries, torch.zeros(3, HIDDEN))
    assert_same(read(slots, encoded())[0], read(Uniform(HIDDEN, "after"), encoded())[0])


class TestMultiHead:
    def test_one_head_without_matrices_is_the_scaled_dot_product(self) -> None:
        one = MultiHead(HIDDEN, 1).double()
        for layer in (one.query_projection, one.key_projection, one.value_projection, one.joint_projection):
            set_weight(layer, IDENTITY)
        expected, weights = read(LuongDot(HIDDEN), encoded(), QUERIES / HIDDEN**0.5)
        found, found_weights = read(one, encoded())
        assert_same(found, expected)
        assert_same(found_weights, weights)

    @pytest.mark.parametrize("heads", [1, 2, 3, 6])
    def test_it_reads_the_same_without_showing_its_weights(self, heads: int) -> None:
        several, source = drawn(MultiHead(HIDDEN, heads)), encoded()
        with torch.no_grad():
            found, weights = several.read(QUERIES, several.prepare(source), wants_weights=False)
        assert weights is None
        assert_same(found, read(several, source)[0])

    def test_heads_with_equal_matrices_weigh_alike(self) -> None:
        several, source = drawn(MultiHead(HIDDEN, 3)), encoded()
        for layer in (several.query_projection, several.key_projection):
            set_weight(layer, layer.weight[:2].repeat(3, 1))
        with torch.no_grad():
            first, second, third = several.head_weights(QUERIES, several.prepare(source)).unbind(dim=1)
        assert_same(second, first)
        assert_same(third, first)
        assert_same(read(several, source)[1], first)


FEATURES: dict[FeatureMap, Callable[[Tensor], Tensor]] = {
    "elu": lambda x: (x + 1).where(x > 0, x.exp()),
    "relu": lambda x: x.where(x > 0, torch.zeros_like(x)),
}


def kernel_sum(linear: Linear, query: Tensor, states: Tensor) -> Tensor:
    """Return Σ_j φ(q)·φ(k_j) v_j / Σ_j φ(q)·φ(k_j) for one query and one source without padding."""
    phi = FEATURES[linear.feature_map]
    q, k, v = linear.query_projection(query), linear.key_projection(states), linear.value_projection(states)
    products = [phi(q) @ phi(each) for each in k]
    weighted = [product * each for product, each in zip(products, v, strict=True)]
    return torch.stack(weighted).sum(dim=0) / sum(products)


class TestLinear:
    @pytest.mark.parametrize("feature_map", FEATURES)
    @torch.no_grad()
    def test_one_head_is_the_sum_that_it_does_without(self, feature_map: FeatureMap) -> None:
        linear, source = drawn(Linear(HIDDEN, 1, feature_map)), encoded()
        found, _ = read(linear, source)
        for row, length in enumerate(LENGTHS):
            for step in range(TARGET_LEN):
                expected = kernel_sum(linear, QUERIES[row, step], source.states[row, :length])
                # With "relu" nothing may meet: then the sums are 0 / 0, and nothing is read.
                assert_same(found[row, step], linear.joint_projection(expected.nan_to_num(0)))

    def test_where_no_feature_meets_another_nothing_is_read(self) -> None:
        linear = drawn(Linear(HIDDEN, 2, "relu"))
        set_weight(linear.query_projection, torch.zeros(HIDDEN, HIDDEN))
        assert (read(linear, encoded())[0] == 0).all()

    def test_a_query_that_meets_all_keys_alike_reads_the_mean(self) -> None:
        linear = drawn(Linear(HIDDEN, 2, "elu"))
        set_weight(linear.key_projection, torch.zeros(HIDDEN, HIDDEN))
        mean, _ = read(Uniform(HIDDEN, "after"), encoded())
        with torch.no_grad():
            assert_same(read(linear, encoded())[0], linear.joint_projection(linear.value_projection(mean)))

import pytest
import torch

from attnbench.inspection.attention_scores import (
    as_shares,
    entropy_bits,
    jensen_shannon_bits,
    permute_weights,
    random_orders,
    total_variation,
)
from attnbench.randomness import generator_for


@pytest.mark.parametrize(
    ("row", "bits"), [([1, 0, 0], 0), ([1, 1, 0], 1), ([0.5, 0.25, 0.25], 1.5), ([1, 1, 1, 1, 1, 1, 1, 1], 3)]
)
def test_entropy_is_what_a_coin_or_a_die_has(row, bits):
    assert float(entropy_bits(torch.tensor(row))) == pytest.approx(bits)


@pytest.mark.parametrize(
    ("one", "other", "bits"),
    [
        ([1.0, 0.0], [0.0, 1.0], 1.0),
        ([0.3, 0.7], [0.3, 0.7], 0.0),
        # H(3/4, 1/4) - (H(1, 0) + H(1/2, 1/2)) / 2 = 0.811278 - 0.5
        ([1.0, 0.0], [0.5, 0.5], 0.311278),
    ],
)
def test_divergence_as_worked_by_hand(one, other, bits):
    assert float(jensen_shannon_bits(torch.tensor(one), torch.tensor(other))) == pytest.approx(bits, abs=1e-6)


def test_total_variation_is_half_of_what_differs():
    assert float(total_variation(torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.5, 0.25]))) == 0.25


def test_rows_that_do_not_sum_to_one_are_brought_to_it_and_rows_of_zeros_stay():
    assert as_shares(torch.tensor([[1.0, 3.0], [0.0, 0.0]])).tolist() == [[0.25, 0.75], [0.0, 0.0]]


def test_shuffling_keeps_each_words_weights_and_gives_none_to_padding():
    weights = torch.tensor([[[0.1, 0.2, 0.7, 0.0], [0.6, 0.3, 0.1, 0.0]]]).repeat(50, 1, 1)
    mask = torch.tensor([[True, True, True, False]]).repeat(50, 1)
    permuted = permute_weights(weights, mask, generator_for("shuffled"))
    torch.testing.assert_close(permuted.sort(dim=2).values, weights.sort(dim=2).values)
    assert not permuted[:, :, 3].any()
    assert len(set(map(tuple, permuted[:, 0].tolist()))) == 6


def test_every_order_of_the_real_positions_comes_up_alike_often():
    mask = torch.tensor([[True, True, True, False]])
    orders = random_orders(mask, 6000, generator_for("orders"))[0]
    assert (orders[:, 3] == 3).all()
    counts = orders.unique(dim=0, return_counts=True)[1]
    assert len(counts) == 6
    assert int(counts.min()) > 850

import math

import pytest
import torch

from attnbench.batch import Batch
from attnbench.inspection.attention_scores import (
    AlignmentCounts,
    as_shares,
    entropy_bits,
    jensen_shannon_bits,
    permute_weights,
    random_orders,
    total_variation,
)
from attnbench.randomness import generator_for
from attnbench.training.evaluation import looks
from tests.inspection.hand_built import asked


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


LENGTH = 5


def counted(weights: object, batch: Batch) -> AlignmentCounts:
    counts = AlignmentCounts()
    counts.add(torch.tensor(weights) if isinstance(weights, list) else weights, batch)
    return counts


def diagonal(examples: int = 1) -> Batch:
    """Word i of the target stands at place i of the source."""
    rows, gold = [[4, 5, 6, 7, 8]] * examples, [torch.eye(LENGTH).tolist()] * examples
    return asked(rows, rows, gold, gold)


def test_a_planted_alignment_has_no_error():
    counts = counted(torch.eye(LENGTH).unsqueeze(0), diagonal())
    assert (counts.alignment_accuracy, counts.gold_mass, counts.alignment_error_rate) == (1, 1, 0)
    assert (counts.sure_accuracy, counts.sure_mass, counts.alignment_error_rate_sure) == (1, 1, 0)
    assert (counts.entropy_bits, counts.change_bits) == (0, 1)


def test_equal_weights_score_what_a_guesser_would():
    counts = counted(torch.full((1, LENGTH, LENGTH), 1 / LENGTH), diagonal())
    assert counts.alignment_accuracy == pytest.approx(1 / LENGTH)
    assert counts.gold_mass == pytest.approx(1 / LENGTH)
    assert counts.alignment_error_rate == pytest.approx(1 - 1 / LENGTH)
    assert counts.entropy_bits == pytest.approx(math.log2(LENGTH))
    assert counts.change_bits == 0


def test_permuted_weights_come_to_the_expected_value():
    examples = 2000
    batch = diagonal(examples)
    mask = torch.ones(examples, LENGTH, dtype=torch.bool)
    permuted = permute_weights(torch.eye(LENGTH).repeat(examples, 1, 1), mask, generator_for("dealt"))
    counts = counted(permuted, batch)
    # Five standard errors of a share of 1/5 among 10,000 words.
    assert counts.alignment_accuracy == pytest.approx(1 / LENGTH, abs=0.02)
    assert counts.alignment_error_rate == pytest.approx(1 - 1 / LENGTH, abs=0.02)
    assert counts.change_bits == pytest.approx(1 - 1 / LENGTH, abs=0.02)
    assert counts.entropy_bits == 0


def test_numbers_worked_by_hand():
    batch = asked(
        [[4, 5, 6]],
        [[7, 8]],
        sure=[[[1, 0, 0], [0, 0, 1]]],
        possible=[[[1, 1, 0], [0, 1, 1]]],
    )
    counts = counted([[[0.5, 0.25, 0.25], [0.0, 0.75, 0.25]]], batch)
    # A = {(0, 0), (1, 1)}: one of them sure, both possible; |S| = 2.
    assert counts.alignment_error_rate == pytest.approx(1 - (1 + 2) / (2 + 2))
    assert counts.alignment_error_rate_sure == pytest.approx(1 - 2 * 1 / (2 + 2))
    assert (counts.alignment_accuracy, counts.sure_accuracy) == (1, 0.5)
    assert counts.sure_mass == pytest.approx((0.5 + 0.25) / 2)
    assert counts.gold_mass == pytest.approx((0.75 + 1) / 2)
    assert counts.entropy_bits == pytest.approx((1.5 + 0.811278) / 2, abs=1e-6)
    # The mean (1/4, 1/2, 1/4) has 1.5 bits.
    assert counts.change_bits == pytest.approx(1.5 - (1.5 + 0.811278) / 2, abs=1e-6)


def test_a_look_of_a_word_without_gold_is_an_error_of_the_rate():
    # Och & Ney: A = {(0, 0), (1, 1)}, S = P = {(0, 0)}; 1 − (1 + 1) / (2 + 1).
    batch = asked([[4, 5]], [[4, 5]], sure=[[[1, 0], [0, 0]]])
    counts = counted([[[1.0, 0.0], [0.0, 1.0]]], batch)
    assert counts.alignment_error_rate == pytest.approx(1 / 3)
    assert counts.alignment_error_rate_sure == pytest.approx(1 / 3)
    assert (counts.alignment_accuracy, counts.with_gold, counts.looking) == (1, 1, 2)


def test_words_with_several_sure_links_leave_the_error_rate_empty():
    batch = asked([[4, 5, 6]], [[7, 8]], sure=[[[1, 1, 0], [0, 0, 1]]])
    counts = counted([[[0.5, 0.25, 0.25], [0.0, 0.25, 0.75]]], batch)
    assert (counts.alignment_error_rate, counts.alignment_error_rate_sure) == (None, None)
    assert (counts.alignment_accuracy, counts.sure_accuracy, counts.sure_mass) == (1, 1, 0.75)


def test_ties_are_shared_as_in_the_scores_of_metrics():
    batch = asked([[4, 5, 6]], [[7, 8]], sure=[[[0, 1, 0], [0, 0, 1]]])
    weights = torch.tensor([[[0.4, 0.4, 0.2], [0.25, 0.25, 0.5]]])
    assert looks(weights).tolist() == [[[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]]
    # Half of the first look meets its gold; the first position alone, or the last, would give 0 or 1.
    assert counted(weights, batch).alignment_accuracy == 0.75


def test_the_end_mark_looks_at_nothing():
    batch = asked([[4, 5]], [[4, 5, 2]], sure=[[[1, 0], [0, 1], [0, 0]]], possible=[[[1, 0], [0, 1], [0, 0]]])
    counts = counted([[[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]], batch)
    assert (counts.alignment_accuracy, counts.alignment_error_rate) == (1, 0)
    assert (counts.words, counts.with_gold) == (3, 2)


def test_given_words_are_passed_over():
    batch = asked([[4, 5]], [[6, 4, 7, 5]], sure=[[[0, 0], [1, 0], [0, 0], [0, 1]]])
    asked_for = torch.tensor([[False, True, False, True]])
    batch = Batch(batch.source, batch.source_lengths, batch.target, asked_for, batch.alignment_sure)
    counts = counted([[[0.5, 0.5], [1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]], batch)
    assert (counts.words, counts.pairs, counts.change_bits, counts.entropy_bits) == (2, 1, 1, 0)


def test_a_task_without_gold_has_entropy_and_change_alone():
    counts = counted([[[1.0, 0.0], [0.0, 1.0]]], asked([[4, 5]], [[4, 5]]))
    assert (counts.entropy_bits, counts.change_bits) == (0, 1)
    assert (counts.alignment_accuracy, counts.gold_mass, counts.alignment_error_rate) == (None, None, None)


def test_nothing_counted_is_no_number():
    assert (AlignmentCounts().entropy_bits, AlignmentCounts().change_bits) == (None, None)


def test_padding_and_weights_that_sum_to_less_than_one_change_nothing():
    batch = asked([[4, 5, 0]], [[4, 5, 0]], sure=[[[1, 0, 0], [0, 1, 0], [0, 0, 0]]])
    padded = counted([[[0.3, 0.1, 0.0], [0.25, 0.25, 0.0], [0.5, 0.5, 0.0]]], batch)
    alone = counted([[[0.75, 0.25], [0.5, 0.5]]], asked([[4, 5]], [[4, 5]], sure=[[[1, 0], [0, 1]]]))
    assert vars(padded) == pytest.approx(vars(alone))

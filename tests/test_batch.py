from dataclasses import replace

import torch

from attnbench.batch import NOT_GIVEN, Batch
from attnbench.vocabulary import PAD


def batch_by_hand() -> Batch:
    target = torch.tensor([[5, 6, 7, 8], [7, 8, PAD, PAD]])
    return Batch(
        source=torch.tensor([[4, 5], [6, PAD]]),
        source_lengths=torch.tensor([2, 1]),
        target=target,
        scored=torch.tensor([[False, True, False, True], [True, False, False, False]]),
    )


def test_its_size_is_its_number_of_examples() -> None:
    assert len(batch_by_hand()) == 2


def test_given_holds_what_is_not_scored() -> None:
    assert batch_by_hand().given[0].tolist() == [5, NOT_GIVEN, 7, NOT_GIVEN]


def test_padding_is_not_given_since_it_would_tell_where_the_answer_ends() -> None:
    assert batch_by_hand().given[1].tolist() == [NOT_GIVEN, 8, NOT_GIVEN, NOT_GIVEN]


def test_no_token_has_the_number_of_not_given() -> None:
    assert NOT_GIVEN < PAD


def test_the_target_mask_is_true_at_given_and_scored_tokens() -> None:
    assert batch_by_hand().target_mask.tolist() == [[True] * 4, [True, True, False, False]]


def test_moving_takes_every_tensor_along_and_keeps_the_rest() -> None:
    batch = replace(batch_by_hand(), references=("a b", "c"))
    moved = batch.to(torch.device("meta"))
    assert {
        getattr(moved, name).device.type for name in ("source", "source_lengths", "target", "scored")
    } == {"meta"}
    assert moved.alignment_sure is None
    assert moved.references == ("a b", "c")
    assert batch.to(torch.device("cpu")) is batch

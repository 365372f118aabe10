"""What every model of conf/model/ promises, in every wiring."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from attnbench.batch import NOT_GIVEN, Batch
from attnbench.models.config import ModelConfig
from attnbench.models.seq2seq import Generated, Seq2SeqModel, Seq2SeqOutput
from attnbench.training.evaluation import scored_nats
from attnbench.vocabulary import BOS, EOS, PAD
from tests.models import arms
from tests.models.arms import (
    SOURCE_SIZE,
    TARGET_SIZE,
    build,
    every_arm,
    row_alone,
    uneven_batch,
    with_padding,
)

model_of = cache(build)
every = pytest.mark.parametrize("arm", every_arm())


@torch.no_grad()
def answer(model: Seq2SeqModel, batch: Batch) -> Seq2SeqOutput:
    return model(batch)


def assert_same(found: Tensor | None, expected: Tensor | None) -> None:
    assert (found is None) == (expected is None)
    if found is not None:
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@every
class TestShapes:
    @pytest.mark.parametrize(("source_lengths", "target_lengths"), [((5, 1, 3), (4, 6, 1)), ((1,), (1,))])
    def test_one_row_of_logits_and_weights_per_target_position(
        self, arm: ModelConfig, source_lengths: tuple[int, ...], target_lengths: tuple[int, ...]
    ) -> None:
        output = answer(model_of(arm), uneven_batch(source_lengths, target_lengths))
        count, source_len, target_len = len(source_lengths), max(source_lengths), max(target_lengths)
        assert output.logits.shape == (count, target_len, TARGET_SIZE)
        assert output.attention is None or output.attention.shape == (count, target_len, source_len)

    def test_weights_are_shares_and_are_zero_at_padding(self, arm: ModelConfig) -> None:
        batch = uneven_batch()
        weights = answer(model_of(arm), batch).attention
        if weights is not None:
            sums = weights.sum(dim=2)
            # Luong's Gaussian takes away from weights that summed to one, and is not normalised again.
            expected = sums.clamp(max=1) if getattr(arm, "gaussian", False) else torch.ones_like(sums)
            torch.testing.assert_close(sums, expected)
            assert (weights >= 0).all()
            is_padding = torch.arange(5) >= batch.source_lengths.unsqueeze(1)
            assert (weights.transpose(1, 2)[is_padding] == 0).all()

    def test_the_answer_is_the_same_whether_weights_are_wanted_or_not(self, arm: ModelConfig) -> None:
        model, batch = model_of(arm), uneven_batch()
        with torch.no_grad():
            assert_same(model(batch, wants_weights=False).logits, answer(model, batch).logits)


@every
class TestPadding:
    @pytest.mark.parametrize(("source_columns", "target_columns"), [(3, 0), (0, 3), (2, 1)])
    def test_more_of_it_changes_nothing(
        self, arm: ModelConfig, source_columns: int, target_columns: int
    ) -> None:
        model, batch = model_of(arm), uneven_batch()
        source_len, target_len = batch.source.shape[1], batch.target.shape[1]
        padded = with_padding(batch, source_columns, target_columns)
        expected, found = answer(model, batch), answer(model, padded)
        assert_same(found.logits[:, :target_len], expected.logits)
        assert_same(scored_nats(found.logits, padded), scored_nats(expected.logits, batch))
        if expected.attention is not None and found.attention is not None:
            assert_same(found.attention[:, :target_len, :source_len], expected.attention)
            assert (found.attention[:, :, source_len:] == 0).all()

    def test_a_row_is_what_it_is_alone(self, arm: ModelConfig) -> None:
        model, batch = model_of(arm), uneven_batch()
        together, nats = answer(model, batch), 0.0
        for row in range(len(batch)):
            alone = row_alone(batch, row)
            output = answer(model, alone)
            target_len, source_len = alone.target.shape[1], alone.source.shape[1]
            assert_same(together.logits[row : row + 1, :target_len], output.logits)
            if output.attention is not None and together.attention is not None:
                assert_same(together.attention[row : row + 1, :target_len, :source_len], output.attention)
            nats += float(scored_nats(output.logits, alone))
        assert float(scored_nats(together.logits, batch)) == pytest.approx(nats, rel=1e-6)

    def test_it_carries_no_gradient(self, arm: ModelConfig) -> None:
        def gradients(batch: Batch) -> list[Tensor | None]:
            model = build(arm)
            scored_nats(model(batch).logits, batch).backward()
            return [parameter.grad for parameter in model.parameters()]

        batch = uneven_batch()
        for found, expected in zip(gradients(with_padding(batch, 2, 2)), gradients(batch), strict=True):
            if expected is not None and found is not None:
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@every
class TestNoPeeking:
    def test_a_later_target_token_changes_no_earlier_logit(self, arm: ModelConfig) -> None:
        model, batch = model_of(arm), uneven_batch(target_lengths=(6, 6, 6))
        expected = answer(model, batch)
        for position in range(6):
            changed = batch.target.clone()
            changed[:, position] = 4 + (changed[:, position] - 3) % (TARGET_SIZE - 4)
            found = answer(model, replace(batch, target=changed))
            assert torch.equal(found.logits[:, : position + 1], expected.logits[:, : position + 1])
            if expected.attention is not None and found.attention is not None:
                seen = slice(0, position + 1)
                assert torch.equal(found.attention[:, seen], expected.attention[:, seen])
            # The token is the next input, so what comes after it does change, in every row.
            differs = found.logits[:, position + 1 :] != expected.logits[:, position + 1 :]
            assert differs.flatten(1).any(dim=1).all() == (position < 5)

    def test_what_is_scored_makes_no_difference_to_the_answer(self, arm: ModelConfig) -> None:
        model, batch = model_of(arm), uneven_batch()
        scored_less = replace(batch, scored=torch.zeros_like(batch.scored))
        assert torch.equal(answer(model, scored_less).logits, answer(model, batch).logits)


@every
class TestSteps:
    def test_one_call_is_one_step_after_another(self, arm: ModelConfig) -> None:
        model, batch = model_of(arm), uneven_batch()
        expected = answer(model, batch)
        inputs = torch.cat([torch.full((3, 1), BOS), batch.target[:, :-1]], dim=1)
        state, logits, weights = model.start(batch.source, batch.source_lengths), [], []
        for now in inputs.split([1, 1, 2, 1, 1], dim=1):
            some_logits, some_weights, state = model.advance(now, state)
            logits.append(some_logits)
            weights.append(some_weights)
        assert_same(torch.cat(logits, dim=1), expected.logits)
        if expected.attention is not None:
            assert_same(torch.cat(weights, dim=1), expected.attention)


def generate(model: Seq2SeqModel, batch: Batch, steps: int | None = None, marks: bool = False) -> Generated:
    return model.generate(batch.source, batch.source_lengths, batch.given, steps, ends_with_mark=marks)


@every
class TestRunningFreely:
    def test_it_writes_what_it_answers_to_its_own_words(self, arm: ModelConfig) -> None:
        model, batch = model_of(arm), uneven_batch(target_lengths=(6, 6, 6))
        written = generate(model, batch)
        forced = answer(model, replace(batch, target=written.tokens))
        is_own = batch.given == NOT_GIVEN
        assert torch.equal(forced.logits.argmax(dim=2)[is_own], written.tokens[is_own])
        assert_same(written.attention, forced.attention)

    def test_given_tokens_stand_where_they_are_given(self, arm: ModelConfig) -> None:
        batch = uneven_batch(target_lengths=(6, 6, 6))
        is_given = ~batch.scored
        assert is_given.sum() > 3
        assert torch.equal(generate(model_of(arm), batch).tokens[is_given], batch.target[is_given])

    def test_scored_targets_are_not_seen(self, arm: ModelConfig) -> None:
        model, batch = model_of(arm), uneven_batch()
        other = replace(batch, target=batch.target.masked_fill(batch.scored, 5))
        assert torch.equal(generate(model, other).tokens, generate(model, batch).tokens)

    def test_the_length_of_the_target_is_not_seen(self, arm: ModelConfig) -> None:
        model, batch = model_of(arm), uneven_batch(target_lengths=(4, 6, 1))
        all_scored = replace(batch, scored=batch.target_mask)
        longer = uneven_batch(target_lengths=(6, 6, 6))
        all_longer = replace(longer, source=batch.source, scored=longer.target_mask)
        assert torch.equal(generate(model, all_scored).tokens, generate(model, all_longer).tokens)

    def test_a_row_is_what_it_is_alone(self, arm: ModelConfig) -> None:
        model, batch = model_of(arm), uneven_batch()
        together = generate(model, batch).tokens
        for row in range(len(batch)):
            alone = generate(model, row_alone(batch, row)).tokens[0]
            assert torch.equal(together[row, : len(alone)], alone)

    def test_it_writes_as_many_tokens_as_it_is_asked_for(self, arm: ModelConfig) -> None:
        model, batch = model_of(arm), uneven_batch(target_lengths=(3, 2, 1))
        for steps in (1, 3, 8):
            assert generate(model, batch, steps).tokens.shape == (3, steps)
        assert generate(model, batch).tokens.shape == (3, 3)

    def test_a_mark_ends_a_row_and_no_other(self, arm: ModelConfig) -> None:
        for seed in range(2):
            assert_marks_end_rows(build(arm, seed))


def assert_marks_end_rows(model: Seq2SeqModel) -> bool:
    """Return whether some rows ended by a mark and others did not: else there was little to assert."""
    batch = uneven_batch(tuple(range(1, 21)), (1,) * 20)
    freely = generate(model, batch, steps=12).tokens
    marked = generate(model, batch, steps=12, marks=True).tokens
    is_end = freely == EOS
    expected = freely.masked_fill(is_end.cumsum(dim=1) - is_end.int() > 0, PAD)
    assert torch.equal(marked, expected[:, : marked.shape[1]])
    assert (expected[:, marked.shape[1] :] == PAD).all()
    return bool(is_end.any(dim=1).any() and not is_end.any(dim=1).all())


@pytest.mark.parametrize("name", ["fixed", "luong_general"])
def test_a_mark_ends_a_row_while_others_go_on(name: str) -> None:
    assert any(assert_marks_end_rows(build(arms.arm(name), seed)) for seed in range(20))


@every
def test_generating_and_answering_leave_the_global_random_state_alone(arm: ModelConfig) -> None:
    model, batch = model_of(arm), uneven_batch()
    before = torch.get_rng_state()
    answer(model, batch)
    generate(model, batch)
    assert torch.equal(torch.get_rng_state(), before)


@every
def test_the_vocabulary_sizes_are_not_mixed_up(arm: ModelConfig) -> None:
    model = arm.build(SOURCE_SIZE, TARGET_SIZE, 0)
    highest = Batch(
        torch.tensor([[SOURCE_SIZE - 1]]),
        torch.tensor([1]),
        torch.tensor([[TARGET_SIZE - 1] * 2]),
        torch.ones(1, 2).bool(),
    )
    assert model(highest).logits.shape == (1, 2, TARGET_SIZE)

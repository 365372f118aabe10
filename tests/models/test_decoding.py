"""Running freely, where each step takes up the state that the last one left, against beginning anew at each step."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from attnbench.batch import NOT_GIVEN, Batch
from attnbench.models import seq2seq
from attnbench.models.config import ModelConfig
from attnbench.models.seq2seq import RecurrentState, Seq2SeqModel
from attnbench.vocabulary import EOS, PAD
from tests.models.arms import arm, build, every_arm, row_alone, uneven_batch

every = pytest.mark.parametrize("arm", every_arm())
ANY_TOKEN = 4
STEPS = 7


@torch.no_grad()
def write_anew(
    model: Seq2SeqModel, row: Batch, given: list[int], ends_with_mark: bool
) -> tuple[list[int], Tensor | None]:
    """Return what one example comes to, each token from a call over the source and all tokens before it."""
    written: list[int] = []
    attention = None
    for step in range(STEPS):
        # The last token of a target is never an input.
        target = torch.tensor([[*written, ANY_TOKEN]])
        output = model(Batch(row.source, row.source_lengths, target, target > 0))
        token = int(output.logits[0, step].argmax())
        if step < len(given) and given[step] != NOT_GIVEN:
            token = given[step]
        if ends_with_mark and EOS in written:
            token = PAD
        written.append(token)
        attention = output.attention
    return written, attention


def assert_generates_what_is_written_anew(model: Seq2SeqModel, batch: Batch, ends_with_mark: bool) -> None:
    found = model.generate(batch.source, batch.source_lengths, batch.given, STEPS, ends_with_mark)
    steps = found.tokens.shape[1]
    for row, given in enumerate(batch.given.tolist()):
        alone = row_alone(batch, row)
        tokens, attention = write_anew(model, alone, given, ends_with_mark)
        assert found.tokens[row].tolist() == tokens[:steps]
        assert tokens[steps:] == [PAD] * (STEPS - steps)
        assert (found.attention is None) == (attention is None)
        if found.attention is not None and attention is not None:
            source_len = alone.source.shape[1]
            ended = tokens.index(PAD) if PAD in tokens else steps
            expected = attention[0, :ended]
            torch.testing.assert_close(
                found.attention[row, :ended, :source_len], expected, rtol=1e-9, atol=1e-9
            )


@every
def test_what_is_remembered_between_steps_is_what_beginning_anew_would_find(arm: ModelConfig) -> None:
    batch = uneven_batch(target_lengths=(5, 5, 5))
    assert (batch.given != NOT_GIVEN).any()
    assert_generates_what_is_written_anew(build(arm), batch, ends_with_mark=False)


def with_a_mark(model: Seq2SeqModel, batch: Batch) -> Seq2SeqModel:
    """Return the model with EOS made likelier until it is written."""
    bias = model.get_parameter("decoder.output.bias")
    while not (model.generate(batch.source, batch.source_lengths, batch.given, STEPS).tokens == EOS).any():
        with torch.no_grad():
            bias[EOS] += 0.1
    return model


@every
def test_the_same_holds_up_to_a_mark(arm: ModelConfig) -> None:
    batch = uneven_batch(source_lengths=(5, 1, 3, 2), target_lengths=(1, 1, 1, 1))
    assert_generates_what_is_written_anew(with_a_mark(build(arm), batch), batch, ends_with_mark=True)


@every
@pytest.mark.parametrize("until_asked", [3, STEPS + 1])
def test_asking_seldom_whether_all_have_ended_changes_nothing(
    arm: ModelConfig, until_asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = uneven_batch(source_lengths=(5, 1, 3, 2), target_lengths=(1, 1, 1, 1))
    model = with_a_mark(build(arm), batch)
    for second in (NOT_GIVEN, EOS):  # some end where they will; then all do at the second word, or before
        given = torch.full((4, 2), NOT_GIVEN)
        given[:, 1] = second
        words = (batch.source, batch.source_lengths, given, STEPS, True)
        expected = model.generate(*words)
        with monkeypatch.context() as forced:
            forced.setattr(seq2seq, "steps_until_asked", lambda _device: until_asked)
            found = model.generate(*words)
        assert torch.equal(found.tokens, expected.tokens)
        assert second == NOT_GIVEN or found.tokens.shape[1] <= 2
        if expected.attention is not None:
            assert found.attention is not None
            assert torch.equal(found.attention, expected.attention)


def test_a_gpu_is_asked_every_sixteenth_step() -> None:
    kinds = ("cpu", "cuda", "mps")
    assert [seq2seq.steps_until_asked(torch.device(kind)) for kind in kinds] == [1, 16, 16]


@every
@torch.no_grad()
def test_a_state_can_be_taken_up_twice(arm: ModelConfig) -> None:
    model, batch = build(arm), uneven_batch()
    first, second, other = batch.target.split(2, dim=1)
    _, _, state = model.advance(first, model.start(batch.source, batch.source_lengths))
    expected, _, _ = model.advance(second, state)
    model.advance(other, state)
    assert torch.equal(model.advance(second, state)[0], expected)


class LargestMade(TorchDispatchMode):
    """Notes the size of the largest tensor that an operation makes; views are none."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        known = {id(each.untyped_storage()) for each in args if isinstance(each, Tensor)}
        if isinstance(made, Tensor) and id(made.untyped_storage()) not in known and not func.is_view:
            self.numbers = max(self.numbers, made.numel())
        return made


@pytest.mark.parametrize("name", ["multihead", "luong_general", "luong_dot"])
@torch.no_grad()
def test_a_step_of_decoding_copies_no_memory(name: str) -> None:
    """What is copied at each step costs more than the step, and scatters a worker's memory over gigabytes."""
    model, source = build(arm(name)), torch.full((3, 40), ANY_TOKEN)
    state = model.start(source, torch.full((3,), 40))
    assert isinstance(state, RecurrentState)
    with LargestMade() as largest:
        model.advance(source[:, :1], state)
    assert largest.numbers < state.memory.values.numel()

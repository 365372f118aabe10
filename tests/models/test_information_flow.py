"""What of the source reaches the decoder, arm by arm."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from attnbench.batch import Batch
from attnbench.models.config import RecurrentConfig
from attnbench.models.contexts.base import weigh
from attnbench.models.contexts.luong import LuongDot
from attnbench.models.encoder import EncoderOutput, Memory
from attnbench.models.seq2seq import RecurrentSeq2Seq
from tests.models.arms import SOURCE_SIZE, WIRINGS, arm, build, every_arm, in_words, uneven_batch

ARMS = [each for each in every_arm() if isinstance(each.values[0], RecurrentConfig)]


def arms_named(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("arm", [each for each in ARMS if each.values[0].name in names])


def recurrent(configured: RecurrentConfig) -> RecurrentSeq2Seq:
    model = build(configured)
    assert isinstance(model, RecurrentSeq2Seq)
    return model


def hand_over(model: RecurrentSeq2Seq, batch: Batch, **changed: Any) -> Tensor:
    """Return the logits when parts of the encoder's output are replaced before the decoder gets them."""
    handle = model.encoder.register_forward_hook(lambda _module, _inputs, output: replace(output, **changed))
    try:
        return model(batch).logits
    finally:
        handle.remove()


def encode(model: RecurrentSeq2Seq, batch: Batch) -> EncoderOutput:
    with torch.no_grad():
        return model.encoder(batch.source, batch.source_lengths)


def noise_like(tensor: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)


def noisy_last_states(encoded: EncoderOutput) -> dict[str, Any]:
    layers = tuple(tuple(noise_like(part) for part in layer) for layer in encoded.layers)
    return {"final": noise_like(encoded.final), "layers": layers}


@arms_named("fixed", "fixed_init")
class TestTheLastState:
    def test_the_states_do_not_reach_the_decoder(self, arm: RecurrentConfig) -> None:
        model, batch = recurrent(arm), uneven_batch()
        noise = noise_like(encode(model, batch).states)
        assert torch.equal(hand_over(model, batch, states=noise), model(batch).logits)

    def test_the_final_state_does(self, arm: RecurrentConfig) -> None:
        model, batch = recurrent(arm), uneven_batch()
        noise = noisy_last_states(encode(model, batch))
        differs = hand_over(model, batch, **noise) != model(batch).logits
        assert differs.flatten(1).any(dim=1).all()

    def test_gradient_flows_through_the_last_state_alone(self, arm: RecurrentConfig) -> None:
        model, batch = recurrent(arm), uneven_batch()
        encoded = encode(model, batch)
        states, final = encoded.states.clone().requires_grad_(), encoded.final.clone().requires_grad_()
        layers = tuple(tuple(part.clone().requires_grad_() for part in layer) for layer in encoded.layers)
        hand_over(model, batch, states=states, final=final, layers=layers).square().sum().backward()
        assert states.grad is None or not states.grad.any()
        # Of what the first state is made of, "backward" reads the half that stands behind.
        half = arm.hidden_size // 2 if arm.first_state == "backward" else 0
        starts = {final: half if arm.name == "fixed_init" else 0}
        if arm.carry == "state":
            # A channel squeezes the layers' states, and `fixed` reads what comes out of it.
            starts = {} if arm.name == "fixed_init" or arm.context_bits else {final: 0}
            for hidden, *cell in layers:
                starts |= {hidden: half} | dict.fromkeys(cell, 0)
        for part, start in starts.items():
            assert part.grad is not None
            assert (part.grad[:, start:] != 0).all()
            assert not part.grad[:, :start].any()
        others = {final, *(part for layer in layers for part in layer)} - starts.keys()
        assert all(part.grad is None or not part.grad.any() for part in others)

    def test_every_source_token_can_reach_the_final_state(self, arm: RecurrentConfig) -> None:
        model, batch = recurrent(arm), uneven_batch(source_lengths=(5, 5))
        expected = encode(model, batch).final
        for position in range(5):
            changed = batch.source.clone()
            changed[:, position] = 4 + (changed[:, position] - 3) % (SOURCE_SIZE - 4)
            found = encode(model, replace(batch, source=changed)).final
            assert (found != expected).any(dim=1).all()


@arms_named("blind")
def test_nothing_at_all_reaches_a_blind_decoder(arm: RecurrentConfig) -> None:
    model, batch = recurrent(arm), uneven_batch()
    expected = model(batch).logits
    encoded = encode(model, batch)
    noisy = hand_over(model, batch, states=noise_like(encoded.states), **noisy_last_states(encoded))
    assert torch.equal(noisy, expected)
    other = uneven_batch(source_lengths=(2, 7, 1), seed=5)
    elsewhere = replace(batch, source=other.source, source_lengths=other.source_lengths)
    assert torch.equal(model(elsewhere).logits, expected)
    expected.sum().backward()
    assert all(parameter.grad is None for parameter in model.encoder.parameters())


@arms_named(
    "uniform",
    "bahdanau",
    "luong_dot",
    "luong_general",
    "luong_concat",
    "luong_local_m",
    "multihead",
    "slots",
    "linear",
)
def test_every_real_state_reaches_an_attending_decoder(arm: RecurrentConfig) -> None:
    model, batch = recurrent(arm), uneven_batch(target_lengths=(5, 6, 1))
    encoded = encode(model, batch)
    states = encoded.states.clone().requires_grad_()
    hand_over(model, batch, states=states).square().sum().backward()
    assert states.grad is not None
    assert torch.equal(states.grad.any(dim=2), encoded.mask)


class AllOnTheLast(LuongDot):
    """Luong's wiring with its weights forced on the last real state."""

    def read(self, query: Tensor, memory: Memory, *_: object) -> tuple[Tensor, Tensor]:
        last = memory.mask.sum(dim=1) - 1
        is_last = torch.arange(memory.mask.shape[1]) == last.unsqueeze(1)
        scores = torch.zeros(is_last.shape, dtype=query.dtype).masked_fill(~is_last, float("-inf"))
        return weigh(scores.unsqueeze(1).expand(-1, query.shape[1], -1), memory)


NOT_FED = [wiring for wiring in WIRINGS if not wiring["input_feeding"]]


@pytest.mark.parametrize("wiring", NOT_FED, ids=in_words)
def test_attention_with_all_weight_on_the_last_state_is_fixed(wiring: dict[str, object]) -> None:
    fixed, attending = (
        recurrent(arm(name, **{**wiring, "read": "after"})) for name in ("fixed", "luong_dot")
    )
    attending.decoder.context = AllOnTheLast(fixed.decoder.context.size)
    batch = uneven_batch()
    output = attending(batch)
    assert output.attention is not None
    assert (output.attention.argmax(dim=2) == batch.source_lengths.unsqueeze(1) - 1).all()
    is_same = torch.allclose(output.logits, fixed(batch).logits, rtol=1e-12, atol=1e-12)
    # A bidirectional encoder's final state has the backward direction at the first token: another vector.
    assert is_same == (not wiring["bidirectional"])


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("blind", [0, 0, 0]),
        ("fixed_init", [16, 16, 16]),
        ("fixed", [16, 16, 16]),
        ("uniform", [16, 24, 24]),
        ("bahdanau", [16, 24, 80]),
        ("luong_dot", [16, 24, 80]),
        ("luong_general", [16, 24, 80]),
        ("luong_concat", [16, 24, 80]),
        ("luong_local_m", [16, 24, 80]),
        ("luong_local_p", [16, 24, 80]),
        ("multihead", [16, 24, 80]),
        ("slots", [48, 48, 48]),  # four and the first state, its cell too
        ("linear", [88, 88, 88]),  # 8 · 8 and a normaliser of 8, and the first state, its cell too
        ("transformer", [8, 16, 72]),
        ("transformer_fixed", [8, 8, 8]),
    ],
)
def test_the_context_size_counts_every_number_that_crosses(name: str, sizes: list[int]) -> None:
    assert [arm(name).context_size(tokens) for tokens in (1, 2, 9)] == sizes


@pytest.mark.parametrize(
    ("name", "wiring", "beside"),
    [
        ("fixed_init", {}, 8),  # the cell
        ("fixed", {"layers": 2}, 24),  # two cells, and the hidden state of the layer below
        ("fixed", {"cell": "gru"}, 0),
        ("fixed", {"cell": "gru", "layers": 2}, 8),
        ("luong_general", {}, 8),
        ("bahdanau", {"layers": 2}, 24),
        ("uniform", {}, 8),
        ("slots", {}, 8),
        ("linear", {}, 8),
        ("multihead", {}, 8),
        ("luong_location", {}, 8),
        ("blind", {"layers": 2}, 0),
    ],
)
def test_what_is_carried_beside_the_top_hidden_state_is_counted(
    name: str, wiring: dict[str, Any], beside: int
) -> None:
    without, carrying = (arm(name, **wiring, carry=carry) for carry in ("hidden", "state"))
    assert [carrying.context_size(tokens) - without.context_size(tokens) for tokens in (1, 9)] == [beside] * 2


@pytest.mark.parametrize(
    ("name", "wiring", "sizes"),
    [
        ("fixed_init", {}, [12, 12]),  # the half of the hidden state, and the cell
        ("fixed_init", {"carry": "hidden"}, [4, 4]),
        ("fixed_init", {"layers": 2}, [24, 24]),  # two halves and two cells
        ("fixed", {}, [16, 16]),  # whose context is the whole
        ("uniform", {}, [16, 20]),
        ("slots", {}, [44, 44]),
        ("linear", {}, [84, 84]),
        ("bahdanau", {}, [16, 80]),  # the half is part of the first word's state
        ("luong_location", {"positions": 3}, [16, 32]),
    ],
)
def test_of_the_backward_half_no_more_is_counted(name: str, wiring: dict[str, Any], sizes: list[int]) -> None:
    halved = arm(name, first_state="backward", **wiring)
    assert [halved.context_size(tokens) for tokens in (1, 9)] == sizes


def test_heads_share_what_linear_attention_keeps() -> None:
    # Two matrices of 4 · 4, each with a normaliser of 4, and the first state with its cell.
    assert arm("linear", heads=2).context_size(9) == 56


def test_states_beyond_the_positions_of_location_do_not_cross_but_for_the_first_state() -> None:
    three = arm("luong_location", positions=3)
    assert [three.context_size(tokens) for tokens in (1, 3, 4, 9)] == [16, 32, 40, 40]

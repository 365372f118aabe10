"""A channel of known size: how many bits cross, that nothing else does, and what is learned through the signs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from attnbench.config.compose import Configuration
from attnbench.config.run_request import request_run
from attnbench.errors import UserError
from attnbench.models.config import ModelConfig
from attnbench.models.contexts.bottleneck import FixedConfig
from attnbench.models.encoder import EncoderOutput
from attnbench.models.quantiser import Quantiser, Surrogate
from attnbench.models.seq2seq import Seq2SeqModel
from tests.models.arms import WIRINGS, arm, arm_names, build, in_words, uneven_batch

CONFIGURATION = Configuration()
CARRIED = [wiring | {"carry": carry} for wiring in WIRINGS for carry in ("state", "hidden")]
wirings = pytest.mark.parametrize("wiring", CARRIED, ids=in_words)
names = pytest.mark.parametrize("name", arm_names())
# Far too little to turn a sign, and far more than the last digit.
NUDGE = 1e-7


def quantisers(model: Seq2SeqModel) -> dict[str, Quantiser]:
    return {name: part for name, part in model.named_modules() if isinstance(part, Quantiser)}


@contextmanager
def codes_of(model: Seq2SeqModel) -> Iterator[dict[str, Tensor]]:
    """Record the bits that cross through each quantiser of the model, at real source tokens and at padding."""
    found: dict[str, Tensor] = {}

    def record(name: str) -> Any:
        return lambda module, inputs, _output: found.update({name: module.code(*inputs)})

    handles = [part.register_forward_hook(record(name)) for name, part in quantisers(model).items()]
    yield found
    for handle in handles:
        handle.remove()


@contextmanager
def nudged(model: Seq2SeqModel) -> Iterator[None]:
    """Change all that the encoder hands over by a little that is another at every place."""

    def nudge(_module: object, _inputs: object, output: Any) -> Any:
        if not isinstance(output, EncoderOutput):
            states, *rest = output
            return (moved(states), *rest)
        layers = tuple(tuple(moved(part) for part in layer) for layer in output.layers)
        return replace(output, states=moved(output.states), final=moved(output.final), layers=layers)

    generator = torch.Generator().manual_seed(3)

    def moved(part: Tensor) -> Tensor:
        return part + NUDGE * torch.randn(part.shape, generator=generator, dtype=part.dtype)

    encoder = model.get_submodule("encoder")
    handle = encoder.register_forward_hook(nudge)
    yield
    handle.remove()


@names
@wirings
def test_nothing_but_the_bits_reaches_the_decoder(name: str, wiring: dict[str, Any]) -> None:
    model, batch = build(arm(name, context_bits=5, **wiring)), uneven_batch()
    with torch.no_grad(), codes_of(model) as codes:
        expected, before = model(batch), dict(codes)
        with nudged(model):
            found = model(batch)
    assert all(torch.equal(codes[each], before[each]) for each in before)
    assert before or name == "blind"
    assert torch.equal(found.logits, expected.logits)
    assert found.attention is None or torch.equal(found.attention, expected.attention)


@names
def test_the_nudge_would_be_seen_where_real_numbers_cross(name: str) -> None:
    model, batch = build(arm(name)), uneven_batch()
    with torch.no_grad():
        expected = model(batch).logits
        with nudged(model):
            found = model(batch).logits
    assert (found != expected).flatten(1).any(dim=1).all() == (name != "blind")


@names
@wirings
def test_as_many_bits_are_made_as_are_counted(name: str, wiring: dict[str, Any]) -> None:
    configured = arm(name, context_bits=5, **wiring)
    model, batch = build(configured), uneven_batch((4, 4, 4))
    with torch.no_grad(), codes_of(model) as codes:
        model(batch)
    assert all(((code == 1) | (code == -1)).all() for code in codes.values())
    made = sum(code[0].numel() for code in codes.values())
    # Of what location makes, it reads no more than it has positions for: all of four here.
    assert made == configured.channel_bits(4)


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("blind", [0, 0, 0]),
        ("fixed_init", [5, 5, 5]),
        ("fixed", [5, 5, 5]),
        ("uniform", [10, 10, 10]),  # the mean and the last state
        ("bahdanau", [10, 15, 50]),  # every state, and the last one
        ("luong_dot", [10, 15, 50]),
        ("luong_general", [10, 15, 50]),
        ("luong_concat", [10, 15, 50]),
        ("luong_local_m", [10, 15, 50]),
        ("luong_local_p", [10, 15, 50]),
        ("luong_location", [10, 15, 20]),  # three positions, and the last state
        ("multihead", [10, 15, 50]),
        ("slots", [25, 25, 25]),
        ("linear", [10, 10, 10]),  # matrices and normalisers together, and the last state
        ("transformer", [5, 10, 45]),
        ("transformer_fixed", [5, 5, 5]),
    ],
)
def test_the_channel_bits_are_known(name: str, bits: list[int]) -> None:
    wiring = {} if name.startswith("transformer") else {"positions": 3}
    squeezed, real = arm(name, context_bits=5, **wiring), arm(name, **wiring)
    assert [squeezed.channel_bits(tokens) for tokens in (1, 2, 9)] == bits
    assert [real.channel_bits(tokens) for tokens in (1, 2, 9)] == [None] * 3
    assert [squeezed.context_size(tokens) for tokens in (1, 9)] == [
        real.context_size(tokens) for tokens in (1, 9)
    ]


@wirings
def test_all_sources_of_one_code_are_answered_alike(wiring: dict[str, Any]) -> None:
    """With four bits there are 16 codes, and `fixed` has no more than 16 answers to eighty sources."""
    model, batch = build(arm("fixed", context_bits=4, **wiring)), uneven_batch((6,) * 80, (3,) * 80)
    batch = replace(batch, target=batch.target[:1].expand(80, -1))
    with torch.no_grad(), codes_of(model) as codes:
        quantisers(model)["channel.last"].inward.bias.zero_()  # so that untrained states have several codes
        logits = model(batch).logits
    kinds, kind = codes["channel.last"].unique(dim=0, return_inverse=True)
    assert 1 < len(kinds) <= 16
    for number in range(len(kinds)):
        alike = logits[kind == number]
        # Rows of a batch may differ in their last digits, by where they stand in it.
        torch.testing.assert_close(alike, alike[:1].expand_as(alike), rtol=1e-12, atol=1e-12)
    first = logits[[int((kind == number).nonzero()[0]) for number in range(len(kinds))]]
    assert (torch.pdist(first.flatten(1)) > 1e-3).all()


@names
def test_gradients_reach_the_encoder(name: str) -> None:
    model, batch = build(arm(name, context_bits=5, carry="state")), uneven_batch()
    model(batch).logits.square().sum().backward()
    grads = [parameter.grad for parameter in model.get_submodule("encoder").parameters()]
    reached = [grad is not None and bool(grad.any()) for grad in grads]
    assert all(reached) if name != "blind" else not any(reached)


def test_evaluation_is_deterministic_and_noise_is_of_training_alone() -> None:
    noisy = Quantiser(6, 4, Surrogate(noise=3.0))
    vectors = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(noisy(vectors), noisy(vectors))
    noisy.eval()
    assert torch.equal(noisy(vectors), noisy(vectors))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("surrogate", [Surrogate(), Surrogate("identity"), Surrogate(slope=7.0)])
def test_signs_are_exactly_one(surrogate: Surrogate, dtype: torch.dtype) -> None:
    units = torch.randn(1000, generator=torch.Generator().manual_seed(0)).to(dtype)
    # Beside a unit of 1e20 a one is lost where the sign is what is added to the unit.
    units = torch.cat([units, torch.tensor([0.0, 1e20, -1e20], dtype=dtype)])
    signs = surrogate.signs(units, is_training=True)
    assert signs.dtype == dtype
    assert signs.tolist() == [1.0 if unit >= 0 else -1.0 for unit in units.tolist()]


@pytest.mark.parametrize(
    ("surrogate", "expected"),
    [
        (Surrogate(), [1.0, 0.41997434, 0.07065082]),  # 1 − tanh² at 0, 1 and 2
        (Surrogate(slope=2.0), [2.0, 0.14130164, 0.00268190]),
        (Surrogate("identity", slope=2.0), [1.0, 1.0, 1.0]),
    ],
)
def test_the_gradient_is_that_of_the_surrogate(surrogate: Surrogate, expected: list[float]) -> None:
    units = torch.tensor([0.0, 1.0, -2.0], requires_grad=True)
    surrogate.signs(units, is_training=True).sum().backward()
    assert units.grad is not None
    assert units.grad.tolist() == pytest.approx(expected, rel=1e-4)


REFUSED = [
    (["model.context_bits=0"], "model.context_bits: expected greater than or equal to 1, got 0."),
    (["model.context_bits=-3"], "model.context_bits: expected greater than or equal to 1, got -3."),
    (["model.context_bits=2049"], "has no more than 2048 bits. Use 1 to 2048, or null for real numbers."),
    (["model.context_bits=some"], "model.context_bits"),
]


@pytest.mark.parametrize("model", ["fixed", "luong_general", "transformer"])
@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_bits_that_cannot_be_are_refused(model: str, words: list[str], message: str) -> None:
    with pytest.raises(UserError) as refused:
        request_run(CONFIGURATION, [f"model={model}", *words])
    assert message in str(refused.value)


def test_as_many_bits_as_the_numbers_have_are_accepted() -> None:
    assert request_run(CONFIGURATION, ["model.context_bits=2048"]).spec.model.channel_bits(9) == 2048


class OfReals(FixedConfig):
    """A person's own class that says nothing of bits."""

    def crossing_vectors(self, source_tokens: int) -> None:  # type: ignore[override]
        return ModelConfig.crossing_vectors(self, source_tokens)


def test_a_model_that_cannot_squeeze_says_so() -> None:
    own = OfReals(**{**vars(arm("fixed")), "context_bits": 5})
    with pytest.raises(UserError, match=r"OfReals does not say how many vectors cross"):
        own.check()
    replace(own, context_bits=None).check()

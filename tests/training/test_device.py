import pytest
import torch

from attnbench.errors import UserError
from attnbench.training.device import autocast, check_precision, resolve_device, seeded_dropout

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_cuda_then_mps_then_the_cpu(
    cuda: bool, mps: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto").type == expected


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "tpu", "", "cpu:x", "AUTO"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=rf"device={name}: .*There is: cpu\. Use device=auto"):
        resolve_device(name)


def test_a_device_is_there_as_often_as_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UserError, match=r"device=cuda:2: .*There is: cuda, cpu\."):
        resolve_device("cuda:2")


def test_the_cpu_is_always_there() -> None:
    assert resolve_device("cpu") == CPU


def test_bfloat16_is_refused_but_on_cuda() -> None:
    check_precision("float32", CPU)
    check_precision("bfloat16", torch.device("cuda"))
    for kind in ("cpu", "mps"):
        with pytest.raises(UserError, match=rf"would use {kind}.*precision=float32"):
            check_precision("bfloat16", torch.device(kind))


def test_float32_is_computed_as_it_is() -> None:
    with autocast("float32", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def drop(seed: int) -> torch.Tensor:
    with seeded_dropout(seed, CPU):
        return torch.nn.functional.dropout(torch.ones(50), 0.5)


def test_dropout_is_a_function_of_its_seed() -> None:
    first = drop(0)
    torch.rand(3)
    assert torch.equal(drop(0), first)
    assert not torch.equal(drop(1), first)
    assert torch.equal(drop(2**63 - 1), drop(2**63 - 1))


def test_dropout_leaves_the_global_random_state_as_it_was() -> None:
    before = torch.get_rng_state()
    drop(0)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError, match="probability"), seeded_dropout(0, CPU):
        torch.nn.functional.dropout(torch.rand(1), 2.0)
    assert torch.equal(torch.get_rng_state(), before)

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from attnbench.batch import Batch
from attnbench.errors import RunFailedError, UserError
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.runs.execute import Execution, execute
from attnbench.tasks.base import LengthRange
from attnbench.training.device import (
    BatchSplit,
    Precision,
    autocast,
    check_precision,
    is_out_of_memory,
    resolve_device,
    seeded_dropout,
    set_precision,
)
from attnbench.training.trainer import Trainer
from tests.models.arms import arm
from tests.runs.tiny_runs import prepared, tiny_spec
from tests.tasks.synthetic import synthetic_task
from tests.training.fitting import make_trainer

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


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_factors_are_rounded_to_tf32_only_where_that_was_asked_for(precision: Precision) -> None:
    """cuDNN's recurrences round them if nothing is said: float32 would be so in name alone."""
    make_trainer(precision=precision)
    try:
        wanted = precision == "tf32"
        assert torch.backends.cudnn.allow_tf32 == wanted
        assert torch.backends.cuda.matmul.allow_tf32 == wanted
    finally:
        set_precision("float32")


def test_bfloat16_is_refused_but_on_cuda() -> None:
    check_precision("float32", CPU)
    check_precision("bfloat16", torch.device("cuda"))
    check_precision("tf32", torch.device("cuda"))
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


LENGTHS = LengthRange(3, 3)


def five_examples() -> Batch:
    return synthetic_task("reverse").training_batch(0, 0, 5, LENGTHS)


def sizes(parts: Iterator[Batch]) -> list[int]:
    return [len(part) for part in parts]


class TestParts:
    @pytest.mark.parametrize(("parts", "expected"), [(1, [5]), (2, [2, 3]), (4, [1, 1, 1, 2]), (8, [1] * 5)])
    def test_they_are_as_equal_as_can_be_and_never_empty(self, parts: int, expected: list[int]) -> None:
        assert sizes(five_examples().split(parts)) == expected

    def test_they_hold_every_example_once_and_in_order(self) -> None:
        batch = replace(five_examples(), references=tuple("abcde"))
        parts = list(batch.split(2))
        for name in ("source", "source_lengths", "target", "scored"):
            joined = torch.cat([getattr(part, name) for part in parts])
            assert torch.equal(joined, getattr(batch, name))
        assert [part.references for part in parts] == [("a", "b"), ("c", "d", "e")]


def full_above(most: int, sizes_seen: list[int]):
    def work(parts: Iterator[Batch]) -> int:
        done = 0
        for part in parts:
            sizes_seen.append(len(part))
            if len(part) > most:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            done += len(part)
        return done

    return work


class TestSplit:
    def test_it_begins_again_with_halves_until_they_fit(self) -> None:
        told: list[str] = []
        seen: list[int] = []
        split = BatchSplit("training", tell=told.append)
        assert split.work_on(five_examples(), full_above(2, seen)) == 5
        assert (split.parts, seen) == (4, [5, 2, 3, 1, 1, 1, 2])
        assert [text.split(" for ")[0] for text in told] == [
            "Out of memory: from here on training takes 2 parts of at most 3 examples, one after the other,",
            "Out of memory: from here on training takes 4 parts of at most 2 examples, one after the other,",
        ]

    def test_it_remembers_for_the_next_batch(self) -> None:
        split, seen = BatchSplit("training", parts=4), list[int]()
        split.work_on(five_examples(), full_above(2, seen))
        assert seen == [1, 1, 1, 2]

    def test_a_single_example_that_does_not_fit_fails_the_run(self) -> None:
        with pytest.raises(RunFailedError, match=r"even with one example at a time \(CUDA out of memory"):
            BatchSplit("training").work_on(five_examples(), full_above(0, []))

    def test_other_errors_are_not_taken_for_a_full_memory(self) -> None:
        def broken(parts: Iterator[Batch]) -> None:
            raise RuntimeError("shapes do not fit")

        with pytest.raises(RuntimeError, match="shapes do not fit"):
            BatchSplit("training").work_on(five_examples(), broken)

    @pytest.mark.parametrize(
        "words",
        [
            "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
            "MPS backend out of memory (MPS allocated: 9.06 GB)",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
            "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        ],
    )
    def test_the_words_of_the_libraries_are_known(self, words: str) -> None:
        assert is_out_of_memory(RuntimeError(words))


def limit(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Let the forward pass of more than `most` examples run out of memory, in training and in evaluation."""
    right = Seq2SeqModel.__call__

    def limited(model: Seq2SeqModel, batch: Batch, *arguments: object, **options: object) -> object:
        if len(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return right(model, batch, *arguments, **options)

    monkeypatch.setattr(Seq2SeqModel, "__call__", limited, raising=False)


def untrained(name: str = "luong_general") -> Trainer:
    task = synthetic_task("recall", question="after")
    return make_trainer(arm(name), task, LengthRange(2, 4), batch_size=6)


def fitted(name: str = "luong_general") -> Trainer:
    trainer = untrained(name)
    list(trainer.fit())
    return trainer


def gradients(name: str) -> dict[str, torch.Tensor]:
    """Return the gradient of the first batch in double precision, as the optimizer saw it."""
    trainer = untrained(name)
    trainer.model.double()
    trainer._train_step()
    found = {key: parameter.grad for key, parameter in trainer.model.named_parameters()}
    return {key: gradient for key, gradient in found.items() if gradient is not None}


ARMS = ["fixed", "luong_general", "bahdanau", "transformer"]


@pytest.mark.parametrize("name", ARMS)
def test_gradients_of_parts_add_up_to_that_of_the_batch(monkeypatch, name) -> None:
    whole = gradients(name)
    limit(monkeypatch, most=2)
    in_parts = gradients(name)
    assert in_parts.keys() == whole.keys()
    for key, gradient in whole.items():
        torch.testing.assert_close(in_parts[key], gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ARMS)
def test_training_in_parts_comes_to_what_training_on_whole_batches_comes_to(monkeypatch, name) -> None:
    whole = fitted(name)
    limit(monkeypatch, most=2)
    in_parts = fitted(name)
    assert (in_parts.training_split.parts, in_parts.evaluation_split.parts) == (4, 2)
    for found, expected in zip(in_parts.rows, whole.rows, strict=True):
        assert found.loss_nats == pytest.approx(expected.loss_nats, rel=1e-4)
        assert found.validation_nats == pytest.approx(expected.validation_nats, rel=1e-4)
        assert found.target_tokens == expected.target_tokens


def test_rows_say_from_when_on_batches_went_in_parts(monkeypatch) -> None:
    trainer = make_trainer()
    rows = trainer.fit()
    assert next(rows).batch_parts == 1
    limit(monkeypatch, most=2)
    assert [row.batch_parts for row in rows] == [2, 2]


def test_a_resumed_training_goes_on_in_parts(monkeypatch) -> None:
    limit(monkeypatch, most=2)
    stopped, resumed = fitted(), untrained()
    resumed.load_state_dict(stopped.state_dict())
    assert (resumed.training_split.parts, resumed.evaluation_split.parts) == (4, 2)


def test_a_checkpoint_of_before_batches_were_split_still_loads() -> None:
    trainer = make_trainer()
    state = trainer.state_dict()
    del state["parts"]
    trainer.load_state_dict(state)
    assert trainer.training_split.parts == 1


def test_a_run_says_so_in_words_and_in_its_status(tmp_path, monkeypatch) -> None:
    notes: list[str] = []
    folder = prepared(tmp_path, tiny_spec())
    limit(monkeypatch, most=2)
    assert execute(folder, Execution("cpu", on_note=notes.append)).state == "done"
    assert any("training takes 2 parts of at most 2 examples" in note for note in notes)
    assert all(note.startswith(f"{folder.run_id}: Out of memory") for note in notes)
    assert json.loads(folder.status_file.read_text())["batch_parts"] == 2


def test_a_run_that_never_fits_fails_with_the_reason(tmp_path, monkeypatch) -> None:
    folder = prepared(tmp_path, tiny_spec())
    limit(monkeypatch, most=0)
    outcome = execute(folder, Execution("cpu"))
    assert outcome.state == "failed"
    assert "out of memory even with one example at a time" in (outcome.error or "")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_that_is_too_small_for_the_batch_trains_it_in_parts() -> None:
    told: list[str] = []
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_reserved() + 2**29) / total))
    try:
        trainer = make_trainer(
            arm("bahdanau", hidden_size=256),
            lengths=LengthRange(64, 64),
            device=torch.device("cuda"),
            steps=2,
            batch_size=1024,
            evaluation_batch_size=1024,
        )
        trainer.training_split.tell = told.append
        assert list(trainer.fit())[-1].batch_parts > 1
        assert told
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from attnbench.runs.records import metrics_row, steps_to_90
from attnbench.tasks.base import LengthRange
from attnbench.training.evaluation import Scores
from tests.runs.tiny_runs import tiny_spec

SPEC = tiny_spec("task.vocabulary_size=4")
SCORES = Scores(
    examples=10,
    tokens=30,
    correct_free=15,
    correct_forced=24,
    correct_sequences=1,
    nats=20.794415416798357,  # 30 bits
    source_tokens=30,
)


@dataclass
class Evaluation:
    step: int
    validation_token_accuracy: float
    train_seconds: float = 2.0
    target_tokens: int = 100


def trainer(*accuracies):
    """Return what a row asks of a trainer, evaluated every 100 steps with these accuracies."""
    rows = [Evaluation(100 * i, accuracy) for i, accuracy in enumerate(accuracies, start=1)]
    return SimpleNamespace(
        rows=rows,
        step=rows[-1].step,
        stop_reason="plateau",
        device=SimpleNamespace(type="cpu"),
        model=SimpleNamespace(parameters=lambda: iter([])),
    )


def test_ratios_are_taken_of_the_counts():
    row = metrics_row(SPEC, trainer(0.5), LengthRange(3, 3), SCORES)
    assert row["token_accuracy"] == 0.5
    assert row["teacher_forced_accuracy"] == 0.8
    assert row["sequence_accuracy"] == 0.1
    assert row["bits_available"] == 6.0
    assert row["bits_recovered"] == pytest.approx(6.0 - 3.0)
    assert (row["examples"], row["target_tokens"]) == (10, 30)
    assert row["tokens_per_second"] == 50.0


def test_bits_recovered_may_be_negative():
    row = metrics_row(SPEC, trainer(0.5), LengthRange(3, 3), replace(SCORES, nats=100.0))
    assert row["bits_recovered"] < 0


def test_what_is_not_defined_is_none():
    row = metrics_row(SPEC, trainer(0.5), LengthRange(3, 3), SCORES)
    assert [name for name, value in row.items() if value is None] == [
        "steps_to_90",
        "bleu",
        "chrf",
        "channel_bits",
        "accuracy_ceiling",
        "alignment_accuracy",
    ]


@pytest.mark.parametrize(
    ("model", "bits", "ceiling"),
    [("fixed", 4, 0.892), ("luong_general", 16, 1.0), ("uniform", 8, 1.0), ("blind", 0, 0.25)],
)
def test_a_channel_of_known_size_has_its_bits_and_its_ceiling(model, bits, ceiling):
    """Three tokens of four symbols; attention has four bits for each of three states, and for the last one."""
    spec = tiny_spec("task.vocabulary_size=4", f"model={model}", "model.context_bits=4")
    row = metrics_row(spec, trainer(0.5), LengthRange(3, 3), SCORES)
    assert row["channel_bits"] == bits
    assert row["accuracy_ceiling"] == pytest.approx(ceiling, abs=0.001)


def test_a_channel_has_bits_where_no_ceiling_is_known():
    spec = tiny_spec("task=sort", "model.context_bits=4")
    row = metrics_row(spec, trainer(0.5), LengthRange(3, 3), SCORES)
    assert (row["channel_bits"], row["accuracy_ceiling"]) == (4, None)


def test_the_row_of_a_bucket_says_where_it_begins_and_ends():
    row = metrics_row(SPEC, trainer(0.5), LengthRange(2, 7), SCORES)
    assert (row["length_min"], row["length"]) == (2, 7)


@pytest.mark.parametrize(
    ("accuracies", "step"),
    [
        ((0.2, 0.924, 0.926, 0.9), 300),  # chance 1/4: the threshold is 0.25 + 0.9 * 0.75 = 0.925
        ((0.925,), 100),
        ((0.3, 0.9), None),
        ((0.99, 0.1), 100),
    ],
)
def test_steps_to_90_is_the_first_evaluation_nine_tenths_above_chance(accuracies, step):
    assert steps_to_90(SPEC, trainer(*accuracies)) == step

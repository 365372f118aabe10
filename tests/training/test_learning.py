"""Arms learn what their context allows, by the options that let them; every cell here was once failed by a default."""

from typing import Any

import pytest

from attnbench.models.config import ModelConfig
from attnbench.tasks.base import LengthRange
from tests.models.arms import arm
from tests.tasks.synthetic import synthetic_task
from tests.training.fitting import make_trainer

pytestmark = pytest.mark.slow(seconds=15)

LEARNT = 0.95


def accuracy(configured: ModelConfig, task: str, length: int, symbols: int, **training: Any) -> float:
    """Return the free-running accuracy after a short training; chance is 1 / symbols."""
    options = {"keys": 16} if task == "recall" else {}
    budget: dict[str, Any] = {
        "batch_size": 64,
        "evaluate_every": 100,
        "validation_examples": 128,
        "test_examples": 500,
        "evaluation_batch_size": 250,
        "solved_accuracy": 0.99,
    }
    lengths = LengthRange(length, length)
    made = synthetic_task(task, vocabulary_size=symbols, **options)
    trainer = make_trainer(configured, made, lengths, **budget | training)
    list(trainer.fit())
    return trainer.test(lengths).token_accuracy


def of_query(query: str) -> float:
    """Return the accuracy of additive attention on eight pairs, whose key is given just ahead of the answer."""
    configured = arm("bahdanau", query=query, cell="gru", hidden_size=32, embedding_size=32)
    return accuracy(configured, "recall", 8, 8, steps=900, learning_rate=0.01, warmup_steps=50)


def test_a_query_that_has_read_the_key_solves_recall() -> None:
    assert of_query("after_input") > LEARNT


def test_a_query_as_published_does_not() -> None:
    assert of_query("before") < 0.4


def test_rotary_positions_join_a_value_to_the_key_before_it() -> None:
    """Sinusoids stay at .18 within 600 steps: what it is worth to know which values occur, and not where."""
    sizes = {"hidden_size": 64, "feedforward_size": 256, "heads": 4, "layers": 2}
    configured = arm("transformer", positions="rotary", **sizes)
    budget = {"steps": 1200, "learning_rate": 0.005, "warmup_steps": 100, "final_decay": 0.0}
    assert accuracy(configured, "recall", 8, 16, **budget) > LEARNT


WITH_CELL = {"cell": "lstm", "layers": 1, "bidirectional": True, "carry": "state"}


def of_warmup(steps: int) -> float:
    """Return the accuracy of several heads on twelve pairs, at a rate at which they collapse if it comes at once."""
    configured = arm("multihead", **WITH_CELL, hidden_size=64, embedding_size=64, heads=4)
    return accuracy(configured, "recall", 12, 16, steps=800, learning_rate=0.005, warmup_steps=steps)


def test_a_long_warmup_lets_several_heads_learn() -> None:
    assert of_warmup(500) > LEARNT


def of_rate(rate: float) -> float:
    """Return the accuracy of additive attention on sixteen tokens that are turned round."""
    configured = arm("bahdanau", **WITH_CELL, hidden_size=32, embedding_size=32)
    return accuracy(configured, "reverse", 16, 4, steps=1200, learning_rate=rate, warmup_steps=100)


@pytest.mark.parametrize("rate", [0.003, 0.01])
def test_additive_attention_turns_a_source_round_at_a_low_rate_and_at_a_high_one(rate: float) -> None:
    assert of_rate(rate) > LEARNT

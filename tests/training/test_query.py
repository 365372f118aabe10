"""What the query of additive attention has read decides whether a key that is given just ahead can be looked up."""

import pytest

from attnbench.tasks.base import LengthRange
from tests.models.arms import arm
from tests.tasks.synthetic import synthetic_task
from tests.training.fitting import make_trainer

pytestmark = pytest.mark.slow(seconds=15)


def accuracy_on_recall(query: str) -> float:
    """Return the free-running accuracy on eight pairs after at most 900 steps; chance is 1 / 8."""
    configured = arm("bahdanau", query=query, cell="gru", hidden_size=32, embedding_size=32)
    budget = {
        "steps": 900,
        "batch_size": 64,
        "learning_rate": 0.01,
        "warmup_steps": 50,
        "evaluate_every": 100,
        "validation_examples": 128,
        "test_examples": 500,
        "evaluation_batch_size": 250,
    }
    pairs = LengthRange(8, 8)
    trainer = make_trainer(configured, synthetic_task("recall", vocabulary_size=8, keys=16), pairs, **budget)
    list(trainer.fit())
    return trainer.test(pairs).token_accuracy


def test_a_query_that_has_read_the_key_solves_recall() -> None:
    assert accuracy_on_recall("after_input") > 0.95


def test_a_query_as_published_does_not() -> None:
    assert accuracy_on_recall("before") < 0.4

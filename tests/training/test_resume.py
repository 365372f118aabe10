"""A training that was stopped and taken up again ends exactly where an uninterrupted one ends."""

import itertools
import random
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from attnbench.errors import InterruptedRunError
from attnbench.tasks.base import LengthRange
from attnbench.training.trainer import Trainer, TrainRow
from tests.models.arms import arm
from tests.training.fitting import make_trainer, stops_after

STEPS = 37  # not a multiple of evaluate_every
# One evaluation that does not improve decays the rate, so that the schedule has something to remember.
RESTLESS = {
    "steps": STEPS,
    "learning_rate": 0.05,
    "evaluate_every": 5,
    "patience": 1,
    "minimum_improvement": 0.02,
    "final_decay": 0.3,
}


def trainer_of(seed: int = 0, **arm_options: Any) -> Trainer:
    configured = arm("luong_general", **arm_options)
    return make_trainer(configured, lengths=LengthRange(2, 6), seed=seed, **RESTLESS)


@cache
def uninterrupted(**arm_options: Any) -> Trainer:
    trainer = trainer_of(**arm_options)
    list(trainer.fit())
    return trainer


def through_a_file(trainer: Trainer, path: Path, **arm_options: Any) -> Trainer:
    """Return a fresh trainer, of other first weights, that took up the saved state."""
    torch.save(trainer.state_dict(), path)
    fresh = trainer_of(**arm_options)
    fresh.model.load_state_dict(trainer_of(seed=99, **arm_options).model.state_dict())
    fresh.load_state_dict(torch.load(path, weights_only=True))
    return fresh


def train_with_stops(stops: list[int], path: Path, **arm_options: Any) -> Trainer:
    """Train, stopped after that many further steps each time."""
    trainer = trainer_of(**arm_options)
    for steps in stops:
        with pytest.raises(InterruptedRunError):
            list(trainer.fit(stops_after(steps)))
        trainer = through_a_file(trainer, path, **arm_options)
    list(trainer.fit())
    return trainer


def without_times(rows: list[TrainRow]) -> list[TrainRow]:
    return [replace(row, train_seconds=0.0, tokens_per_second=0.0) for row in rows]


def assert_ended_alike(found: Trainer, expected: Trainer) -> None:
    weights = expected.model.state_dict()
    assert all(torch.equal(each, weights[name]) for name, each in found.model.state_dict().items())
    assert without_times(found.rows) == without_times(expected.rows)
    assert (found.step, found.stop_reason) == (expected.step, expected.stop_reason)
    assert found.schedule.state_dict() == expected.schedule.state_dict()
    assert found.test(LengthRange(4, 4)) == expected.test(LengthRange(4, 4))


OPTIONS = [
    {"cell": "lstm", "dropout": 0.0},
    {"cell": "lstm", "dropout": 0.3, "layers": 2},
    {"cell": "gru", "dropout": 0.0, "bidirectional": False},
    {"cell": "gru", "dropout": 0.3},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_stopping_anywhere_changes_nothing(options: dict[str, Any], tmp_path: Path) -> None:
    expected = uninterrupted(**options)
    cuts = sorted(random.Random(str(options)).sample(range(expected.step), 4))
    stops = [cut - last for last, cut in itertools.pairwise([0, *cuts])]
    assert_ended_alike(train_with_stops(stops, tmp_path / "state", **options), expected)


@pytest.mark.parametrize("cut", [0, 5, 6, STEPS - 2, STEPS - 1])
def test_stopping_at_the_start_at_an_evaluation_and_before_the_end_changes_nothing(
    cut: int, tmp_path: Path
) -> None:
    expected = uninterrupted()
    assert expected.step == STEPS
    assert_ended_alike(train_with_stops([cut], tmp_path / "state"), expected)


def test_the_schedule_had_something_to_remember() -> None:
    assert uninterrupted().step == STEPS
    assert uninterrupted().schedule.progress.rate_factor < 1


def test_a_stop_leaves_at_once_and_keeps_what_was_done() -> None:
    trainer = trainer_of()
    with pytest.raises(InterruptedRunError, match="after step 7"):
        list(trainer.fit(stops_after(7)))
    assert (trainer.step, [row.step for row in trainer.rows]) == (7, [5])


def test_the_same_trainer_may_go_on_itself() -> None:
    stopped = trainer_of()
    with pytest.raises(InterruptedRunError):
        list(stopped.fit(stops_after(12)))
    list(stopped.fit())
    assert_ended_alike(stopped, uninterrupted())


def test_a_finished_training_taken_up_again_is_finished(tmp_path: Path) -> None:
    again = through_a_file(uninterrupted(), tmp_path / "state")
    assert list(again.fit()) == []
    assert_ended_alike(again, uninterrupted())


def test_training_saving_and_resuming_do_not_wait_for_the_compiler_of_torch() -> None:
    program = (
        "import sys\n"
        "from tests.training.fitting import make_trainer\n"
        "trainer = make_trainer()\n"
        "next(trainer.fit())\n"
        "make_trainer().load_state_dict(trainer.state_dict())\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_the_optimizer_is_saved_as_torch_saves_its_own() -> None:
    ours = uninterrupted().optimizer
    theirs = torch.optim.Adam(trainer_of().model.parameters())
    theirs.load_state_dict(ours.state_dict())
    again = trainer_of().optimizer
    again.load_state_dict(theirs.state_dict())
    for saved in (theirs.state_dict(), again.state_dict()):
        torch.testing.assert_close(saved, ours.state_dict(), rtol=0, atol=0)


def test_seconds_go_on_from_where_they_stood(tmp_path: Path) -> None:
    rows = train_with_stops([8, 9], tmp_path / "state").rows
    seconds = [row.train_seconds for row in rows]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def test_another_seed_ends_elsewhere() -> None:
    """So equal ends above are no accident."""
    other = trainer_of(seed=1)
    list(other.fit())
    assert other.rows[-1].loss_nats != uninterrupted().rows[-1].loss_nats

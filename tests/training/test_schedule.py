import json

import pytest

from attnbench.training.schedule import RateSchedule, StopReason
from tests.training.fitting import training


def schedule(**changed: object) -> RateSchedule:
    """100 steps at a rate of 1, warmed up over 4, the last 20 falling; patience 2, a tenth is an improvement."""
    plain = {
        "steps": 100,
        "learning_rate": 1.0,
        "warmup_steps": 4,
        "final_decay": 0.2,
        "patience": 2,
        "minimum_improvement": 0.1,
        "decay_factor": 0.5,
        "solved_accuracy": 0.9,
    }
    return RateSchedule(training(**{**plain, **changed}))


def observe(watched: RateSchedule, *nats: float, first_step: int = 1) -> list[StopReason | None]:
    return [watched.observe(first_step + i, each, 0.5) for i, each in enumerate(nats)]


class TestRate:
    def test_it_rises_over_the_warm_up_and_stays(self) -> None:
        assert [schedule().rate(step) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]

    def test_it_falls_in_a_straight_line_over_the_last_part(self) -> None:
        assert [schedule().rate(step) for step in (79, 80, 81, 90, 99)] == [1.0, 1.0, 0.95, 0.5, 0.05]

    def test_without_warm_up_it_starts_at_the_top(self) -> None:
        assert schedule(warmup_steps=0).rate(0) == 1.0

    def test_without_final_decay_it_ends_at_the_top(self) -> None:
        assert schedule(final_decay=0.0).rate(99) == 1.0

    def test_a_final_decay_over_everything_starts_at_once(self) -> None:
        whole = schedule(final_decay=1.0, warmup_steps=0)
        assert [whole.rate(step) for step in (0, 50, 99)] == [1.0, 0.5, 0.01]

    def test_a_budget_shorter_than_the_warm_up_is_legal(self) -> None:
        short = schedule(steps=2, warmup_steps=4, final_decay=0.5)
        assert [short.rate(step) for step in range(2)] == [0.25, 0.5]

    @pytest.mark.parametrize("final_decay", [0.0, 0.25, 1.0])
    def test_one_step_has_a_rate(self, final_decay: float) -> None:
        assert schedule(steps=1, warmup_steps=0, final_decay=final_decay).rate(0) == 1.0

    def test_it_is_never_zero_or_negative_within_the_budget(self) -> None:
        assert min(schedule().rate(step) for step in range(100)) > 0


class TestPlateau:
    def test_standing_still_decays_the_rate_and_then_stops(self) -> None:
        watched = schedule()
        assert observe(watched, 1.0, 1.0) == [None, None]
        assert watched.rate(10) == 1.0
        assert observe(watched, 1.0) == [None]
        assert watched.rate(10) == 0.5
        assert observe(watched, 1.0, 1.0) == [None, "plateau"]

    def test_an_improvement_starts_the_patience_anew(self) -> None:
        watched = schedule()
        observe(watched, 1.0, 1.0, 0.8, 0.8)
        assert watched.rate(10) == 1.0
        observe(watched, 0.8)
        assert watched.rate(10) == 0.5

    def test_after_a_decay_that_helped_it_decays_again(self) -> None:
        watched = schedule()
        assert observe(watched, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5) == [None] * 6
        assert watched.rate(10) == 0.25
        assert observe(watched, 0.5, 0.5) == [None, "plateau"]

    def test_less_than_the_minimum_is_no_improvement_and_creeping_adds_up(self) -> None:
        watched = schedule()
        observe(watched, 1.0, 0.95, 0.91)
        assert watched.rate(10) == 0.5
        watched = schedule()
        observe(watched, 1.0, 0.95, 0.89, 0.85)
        assert watched.rate(10) == 1.0

    def test_growing_worse_is_standing_still(self) -> None:
        assert observe(schedule(), 1.0, 2.0, 3.0, 4.0, 5.0)[-1] == "plateau"

    def test_the_final_decay_starts_from_the_decayed_rate(self) -> None:
        watched = schedule()
        observe(watched, 1.0, 1.0, 1.0)
        assert watched.rate(90) == 0.25

    def test_once_the_rate_falls_the_budget_has_decided(self) -> None:
        watched = schedule()
        assert observe(watched, *[1.0] * 20, first_step=80) == [None] * 20
        assert watched.rate(90) == 0.5

    def test_the_first_evaluation_of_the_fall_decays_nothing_any_more(self) -> None:
        watched = schedule()
        observe(watched, 1.0, 1.0, 1.0, first_step=78)
        assert watched.progress.rate_factor == 1.0
        watched = schedule()
        observe(watched, 1.0, 1.0, 1.0, first_step=77)
        assert watched.progress.rate_factor == 0.5

    def test_just_before_it_still_stops(self) -> None:
        assert observe(schedule(), *[1.0] * 5, first_step=75)[-1] == "plateau"


class TestEnd:
    def test_the_budget_ends_it(self) -> None:
        assert schedule().observe(100, 1.0, 0.5) == "budget"
        assert schedule().observe(99, 1.0, 0.5) is None

    @pytest.mark.parametrize("step", [1, 50, 99, 100])
    def test_enough_accuracy_solves_it_at_any_time(self, step: int) -> None:
        assert schedule().observe(step, 1.0, 0.9) == "solved"
        assert schedule().observe(step, 1.0, 0.899) != "solved"


def test_a_saved_schedule_goes_on_where_it_stood() -> None:
    for cut in range(8):
        nats = [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]
        whole, first, second = schedule(), schedule(), schedule()
        observe(first, *nats[:cut])
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert observe(second, *nats[cut:]) == observe(whole, *nats)[cut:]
        assert second.rate(90) == whole.rate(90)

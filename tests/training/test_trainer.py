import itertools
import time

import pytest
import torch

from attnbench.batch import Batch
from attnbench.errors import RunFailedError
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.tasks.base import LengthRange, Split
from attnbench.training.evaluation import Scores, evaluate
from attnbench.training.schedule import RateSchedule
from attnbench.training.trainer import Trainer
from tests.models.arms import arm, arm_names
from tests.tasks.synthetic import synthetic_task
from tests.training.fitting import CPU, make_trainer


def weights_of(model: Seq2SeqModel) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


class TestAgainstAPlainLoop:
    """The same training as anyone would write it down."""

    recall = synthetic_task("recall", question="after")
    lengths = LengthRange(2, 4)

    def plain_losses(self, trainer: Trainer) -> list[tuple[float, int]]:
        """Train the trainer's model without the trainer; return loss and scored tokens of each step."""
        model, config, losses = trainer.model, trainer.config, []
        optimizer = torch.optim.Adam(model.parameters(), lr=1.0, foreach=False)
        for step in range(config.steps):
            batch = self.recall.training_batch(0, step, config.batch_size, self.lengths)
            logits = model(batch).logits
            loss = torch.nn.functional.cross_entropy(logits[batch.scored], batch.target[batch.scored])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip)
            optimizer.param_groups[0]["lr"] = RateSchedule(config).rate(step)
            optimizer.step()
            losses.append((loss.item(), int(batch.scored.sum())))
        return losses

    def test_weights_and_losses_are_those_of_a_plain_loop(self) -> None:
        plain, ours = (
            make_trainer(task=self.recall, lengths=self.lengths, learning_rate=0.01, gradient_clip=0.05)
            for _ in range(2)
        )
        losses = self.plain_losses(plain)
        rows = list(ours.fit())
        for name, expected in plain.model.state_dict().items():
            torch.testing.assert_close(ours.model.state_dict()[name], expected, rtol=1e-4, atol=1e-5)
        for row, (first, last) in zip(rows, [(0, 10), (10, 20), (20, 25)], strict=True):
            tokens = sum(count for _, count in losses[first:last])
            nats = sum(loss * count for loss, count in losses[first:last])
            assert row.loss_nats == pytest.approx(nats / tokens, rel=1e-4)


class TestRows:
    def test_there_is_one_at_every_evaluation_and_at_the_end(self) -> None:
        trainer = make_trainer()
        assert [row.step for row in trainer.fit()] == [10, 20, 25] == [row.step for row in trainer.rows]

    def test_the_rate_is_that_of_the_last_step(self) -> None:
        trainer = make_trainer()
        for row in trainer.fit():
            assert row.learning_rate == RateSchedule(trainer.config).rate(row.step - 1)

    def test_target_tokens_count_given_ones_too(self) -> None:
        # 4 examples of 3 pairs: 24 tokens a step, half of them scored.
        rows = list(make_trainer(task=synthetic_task("recall", question="after")).fit())
        assert [row.target_tokens for row in rows] == [240, 480, 600]

    def test_seconds_add_up_and_speed_is_tokens_by_seconds(self) -> None:
        started = time.perf_counter()
        rows = list(make_trainer().fit())
        assert 0 < rows[0].train_seconds < rows[1].train_seconds < rows[2].train_seconds
        assert rows[-1].train_seconds < time.perf_counter() - started
        for last, row in itertools.pairwise(rows):
            tokens = row.target_tokens - last.target_tokens
            assert row.tokens_per_second == pytest.approx(tokens / (row.train_seconds - last.train_seconds))

    def test_validation_scores_are_those_of_the_validation_split(self) -> None:
        trainer = make_trainer()
        row = list(trainer.fit())[-1]
        scores = trainer.validate()
        assert (scores.examples, scores.tokens) == (8, 24)
        assert row.validation_nats == scores.cross_entropy_nats
        assert row.validation_token_accuracy == scores.token_accuracy
        assert row.validation_teacher_forced_accuracy == scores.teacher_forced_accuracy

    def test_a_range_is_validated_over_all_its_lengths(self) -> None:
        scores = make_trainer(lengths=LengthRange(2, 8)).validate()
        assert (scores.examples, scores.source_tokens) == (9, 3 * (2 + 4 + 8))


class TestSplits:
    def scores(self, trainer: Trainer, split: Split, examples: int) -> Scores:
        batches = trainer.task.evaluation_batches(split, 0, LengthRange(3, 3), examples, 8)
        return evaluate(trainer.model, trainer.task, batches, CPU)

    def test_validation_and_test_are_their_own_splits(self) -> None:
        trainer = make_trainer(test_examples=20)
        assert trainer.validate() == self.scores(trainer, "validation", 8)
        assert trainer.test(LengthRange(3, 3)) == self.scores(trainer, "test", 20)
        assert self.scores(trainer, "validation", 8).nats != self.scores(trainer, "test", 8).nats

    def test_the_test_is_at_the_asked_length(self) -> None:
        scores = make_trainer(test_examples=20).test(LengthRange(7, 7))
        assert (scores.examples, scores.tokens) == (20, 140)


class TestEnds:
    def test_the_budget_ends_it(self) -> None:
        trainer = make_trainer()
        list(trainer.fit())
        assert (trainer.stop_reason, trainer.step) == ("budget", 25)

    def test_it_ends_once_solved(self) -> None:
        trainer = make_trainer(solved_accuracy=0.0)
        assert [row.step for row in trainer.fit()] == [10]
        assert trainer.stop_reason == "solved"

    def test_it_ends_on_a_plateau(self) -> None:
        trainer = make_trainer(steps=500, patience=1, minimum_improvement=0.5)
        rows = list(trainer.fit())
        assert [row.step for row in rows] == [10, 20, 30]
        assert trainer.stop_reason == "plateau"

    def test_after_the_end_nothing_more_is_trained(self) -> None:
        trainer = make_trainer()
        list(trainer.fit())
        weights = weights_of(trainer.model)
        assert list(trainer.fit()) == []
        assert all(torch.equal(weights[name], each) for name, each in trainer.model.state_dict().items())

    @pytest.mark.parametrize(
        ("changed", "steps"),
        [
            ({"steps": 1}, [1]),
            ({"steps": 3, "warmup_steps": 100}, [3]),
            ({"steps": 3, "evaluate_every": 100}, [3]),
            ({"steps": 3, "evaluate_every": 1}, [1, 2, 3]),
            ({"steps": 20}, [10, 20]),
            ({"batch_size": 1, "validation_examples": 1, "steps": 1}, [1]),
        ],
    )
    def test_small_budgets_are_legal(self, changed: dict[str, object], steps: list[int]) -> None:
        trainer = make_trainer(lengths=LengthRange(1, 1), **changed)
        assert [row.step for row in trainer.fit()] == steps
        assert trainer.stop_reason == "budget"


class TestFailure:
    def test_a_loss_that_is_not_finite_ends_the_run(self) -> None:
        trainer = make_trainer()
        with torch.no_grad():
            trainer.model.decoder.output.bias[4] = float("nan")
        with pytest.raises(
            RunFailedError, match=r"by step 10; a lower training\.learning_rate \(now 0\.005\)"
        ):
            list(trainer.fit())
        assert trainer.rows == []

    def test_weights_that_burst_in_the_last_step_end_the_run_too(self) -> None:
        trainer = make_trainer(steps=1, warmup_steps=0, learning_rate=1e38)
        with pytest.raises(RunFailedError, match="by step 1"):
            list(trainer.fit())
        assert trainer.rows == []


class TestSameness:
    def batches(self, name: str, seed: int) -> list[Batch]:
        trainer, seen = make_trainer(arm(name), seed=seed, lengths=LengthRange(2, 5), steps=4), []
        trainer.model.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
        list(trainer.fit())
        return seen

    def test_every_arm_of_a_seed_sees_the_same_batches(self) -> None:
        expected = self.batches("blind", seed=0)
        for name in arm_names():
            for left, right in zip(self.batches(name, seed=0), expected, strict=True):
                assert torch.equal(left.source, right.source)
                assert torch.equal(left.target, right.target)

    def test_another_seed_sees_others(self) -> None:
        pairs = zip(self.batches("blind", seed=0), self.batches("blind", seed=1), strict=True)
        assert not any(torch.equal(left.source, right.source) for left, right in pairs)

    def test_the_same_seed_trains_the_same_weights(self) -> None:
        runs = [make_trainer(arm("fixed", dropout=0.3)) for _ in range(2)]
        for trainer in runs:
            list(trainer.fit())
            torch.rand(1)
        left, right = (weights_of(trainer.model) for trainer in runs)
        assert all(torch.equal(left[name], right[name]) for name in left)

    def test_training_with_dropout_leaves_the_global_random_state_alone(self) -> None:
        trainer = make_trainer(arm("fixed", dropout=0.3))
        before = torch.get_rng_state()
        list(trainer.fit())
        assert torch.equal(torch.get_rng_state(), before)

    def test_every_step_drops_something_else(self) -> None:
        trainer, dropped = make_trainer(arm("fixed", dropout=0.5)), []
        trainer.model.encoder.dropout.register_forward_hook(
            lambda _m, _i, output: dropped.append(output == 0)
        )
        next(trainer.fit())
        assert not torch.equal(dropped[0], dropped[1])

    def test_evaluation_drops_nothing(self) -> None:
        trainer = make_trainer(arm("fixed", dropout=0.5))
        assert trainer.validate().nats == trainer.validate().nats
        assert trainer.model.training

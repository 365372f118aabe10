"""Fits one model to one task."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from inspect import unwrap
from typing import Any

import torch
from torch import nn

from attnbench.batch import Batch
from attnbench.errors import InterruptedRunError, RunFailedError
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.randomness import derive_seed
from attnbench.tasks.base import LengthRange, Task
from attnbench.training.device import BatchSplit, autocast, seeded_dropout, set_precision
from attnbench.training.evaluation import Scores, evaluate, scored_nats
from attnbench.training.recorded import CudaGraphs, RecordedSteps, Recorder
from attnbench.training.schedule import RateSchedule, StopReason, TrainingConfig


@dataclass(frozen=True)
class TrainRow:
    """One evaluation during training: a row of train.csv.

    Attributes:
        loss_nats: mean training loss per scored token since the row before.
        target_tokens: target tokens trained on since the start.
        batch_parts: parts that a batch goes in since memory gave out; their gradients are added up.
        train_seconds: time spent training since the start, without evaluation.
        tokens_per_second: target tokens trained on per second since the row before.
    """

    step: int
    loss_nats: float
    learning_rate: float
    tokens_per_second: float
    target_tokens: int
    train_seconds: float
    validation_nats: float
    validation_token_accuracy: float
    validation_teacher_forced_accuracy: float
    batch_parts: int = 1


class Adam(torch.optim.Adam):
    """Adam as torch has it, without what its methods are wrapped in for `torch.compile`, which is not used here.

    The first call of a wrapped method imports the compiler: more than a second in every process that trains.
    With `is_replayed` the rate is a tensor on the device, since a step that is replayed repeats its numbers. What is
    saved is the same either way.
    """

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))

    def __init__(
        self, parameters: Iterable[nn.Parameter], rate: float, device: torch.device, is_replayed: bool = False
    ) -> None:
        # The fused kernel reads the tensor of a rate in single precision on CUDA, and as a double on the CPU.
        number = torch.float32 if device.type == "cuda" else torch.float64
        lr = torch.tensor(rate, dtype=number, device=device) if is_replayed else rate
        super().__init__(parameters, lr=lr, capturable=is_replayed, fused=device.type in ("cpu", "cuda"))

    def set_rate(self, rate: float) -> None:
        """Take the next step with this learning rate."""
        for group in self.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = unwrap(torch.optim.Adam.state_dict)(self)
        for group in state["param_groups"]:
            group |= {"lr": float(group["lr"]), "capturable": False}
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = [{key: group[key] for key in ("lr", "capturable")} for group in self.param_groups]
        unwrap(torch.optim.Adam.load_state_dict)(self, state_dict)
        for group, kept in zip(self.param_groups, own, strict=True):
            rate = group["lr"]
            group |= kept
            self.set_rate(rate)


@dataclass
class Window:
    """What adds up between two evaluations."""

    loss_nats: float = 0.0
    scored_tokens: int = 0
    target_tokens: int = 0
    seconds: float = 0.0


class Trainer:
    """Trains until solved, flat or out of budget, and can be stopped and taken up again at any step.

    A batch is a function of (seed, step), and dropout too, so a resumed training sees what an uninterrupted one
    sees. Everything else that it needs is in `state_dict`.
    """

    def __init__(
        self,
        task: Task,
        model: Seq2SeqModel,
        config: TrainingConfig,
        lengths: LengthRange,
        seed: int,
        device: torch.device,
        recorder: Recorder | None = None,
    ) -> None:
        """Make ready for the first step; `recorder` stands in for that of CUDA graphs."""
        self.task, self.config, self.lengths, self.seed, self.device = task, config, lengths, seed, device
        self.model = model.to(device)
        set_precision(config.precision)
        self.optimizer = Adam(model.parameters(), config.learning_rate, device, config.cuda_graphs)
        self.schedule = RateSchedule(config)
        self.step = 0
        self.window = Window()
        self.rows: list[TrainRow] = []
        self.stop_reason: StopReason | None = None
        self.training_split, self.evaluation_split = BatchSplit("training"), BatchSplit("evaluation")
        self._parameters = list(model.parameters())
        self._has_dropout = any(isinstance(each, nn.Dropout) and each.p > 0 for each in model.modules())
        self.recorded = self._recorded_by(recorder or CudaGraphs(device)) if config.cuda_graphs else None

    def fit(
        self,
        should_stop: Callable[[], bool] = lambda: False,
        at_branching_step: Callable[[], object] = lambda: None,
    ) -> Iterator[TrainRow]:
        """Train to the end, yielding a row at every evaluation.

        Args:
            should_stop: asked before every step.
            at_branching_step: called once the last step is taken that larger budgets have too, before an evaluation
                at that step: what follows from it may depend on the budget. `state_dict` is then that of them all.

        Raises:
            RunFailedError: when the loss is no longer finite.
            InterruptedRunError: when `should_stop` says so; `state_dict` is then good to go on from.
        """
        self.model.train()
        while self.stop_reason is None:
            started = time.perf_counter()
            losses: list[torch.Tensor] = []
            while not self._is_evaluation_due():
                if should_stop():
                    self._close_window(losses, started)
                    raise InterruptedRunError(f"stopped after step {self.step}")
                losses.append(self._train_step())
                self.step += 1
                if self.step == self.config.branching_step:
                    self._close_window(losses, started)
                    started, losses = time.perf_counter(), []
                    at_branching_step()
            self._close_window(losses, started)
            yield self._evaluate()

    def _is_evaluation_due(self) -> bool:
        evaluated = self.rows[-1].step if self.rows else 0
        is_turn = self.step % self.config.evaluate_every == 0 or self.step >= self.config.steps
        return is_turn and self.step > evaluated

    def _train_step(self) -> torch.Tensor:
        """Take one step and return its summed loss, still on the device so that nothing waits for it."""
        batch = self.task.training_batch(self.seed, self.step, self.config.batch_size, self.lengths)
        scored_tokens = int(batch.scored.sum())
        self.window.scored_tokens += scored_tokens
        self.window.target_tokens += int(batch.target_mask.sum())
        self.optimizer.set_rate(self.schedule.rate(self.step))
        if self.recorded is None:
            return self._step_on(batch, scored_tokens)
        return self.recorded.take(batch, scored_tokens, self._why_not_replayed())

    def _recorded_by(self, recorder: Recorder) -> RecordedSteps:
        return RecordedSteps(
            self._step_on,
            self._whole_step_on,
            recorder,
            self.device,
            lambda text: self.training_split.tell(text),  # it is given its listener later
        )

    def _why_not_replayed(self) -> str | None:
        if self._has_dropout:
            return "dropout draws anew at each step"
        return "a batch goes in parts" if self.training_split.parts > 1 else None

    def _step_on(self, batch: Batch, scored_tokens: int | torch.Tensor) -> torch.Tensor:
        """Take a step on a batch, in parts where memory gives out, and return its summed loss."""
        nats = self.training_split.work_on(batch, lambda parts: self._add_up_gradients(parts, scored_tokens))
        self._descend()
        return nats

    def _whole_step_on(self, batch: Batch, scored_tokens: int | torch.Tensor) -> torch.Tensor:
        """Take the same step on a batch in one part, with nothing to catch: what can be recorded."""
        nats = self._add_up_gradients(batch.split(1), scored_tokens)
        self._descend()
        return nats

    def _descend(self) -> None:
        torch.nn.utils.clip_grad_norm_(self._parameters, self.config.gradient_clip)
        self.optimizer.step()

    def _add_up_gradients(self, parts: Iterator[Batch], scored_tokens: int | torch.Tensor) -> torch.Tensor:
        """Leave the gradient of the mean loss of a batch in the parameters, and return its summed loss."""
        self.optimizer.zero_grad(set_to_none=True)
        losses = []
        with self._dropout_of_this_step():
            for part in parts:
                nats = self._forward(part.to(self.device))
                (nats / scored_tokens).backward()
                losses.append(nats.detach())
        return sum(losses[1:], start=losses[0])

    def _dropout_of_this_step(self) -> AbstractContextManager[object]:
        if not self._has_dropout:
            return nullcontext()
        return seeded_dropout(derive_seed("dropout", self.seed, self.step), self.device)

    def _forward(self, batch: Batch) -> torch.Tensor:
        with autocast(self.config.precision, self.device):
            return scored_nats(self.model(batch, wants_weights=False).logits, batch)

    def _close_window(self, losses: list[torch.Tensor], started: float) -> None:
        if losses:
            self.window.loss_nats += float(torch.stack(losses).double().sum())
        self.window.seconds += time.perf_counter() - started
        self._check_loss(self.window.loss_nats)

    def _check_loss(self, nats: float) -> None:
        if not math.isfinite(nats):
            raise RunFailedError(
                f"the loss is not finite, by step {self.step}; a lower training.learning_rate "
                f"(now {self.config.learning_rate:g}) may help"
            )

    def _evaluate(self) -> TrainRow:
        scores = self.validate()
        self._check_loss(scores.nats)  # the last step of all may have spoilt the weights
        window, last = self.window, self.rows[-1] if self.rows else None
        row = TrainRow(
            step=self.step,
            loss_nats=window.loss_nats / window.scored_tokens,
            learning_rate=self.schedule.rate(self.step - 1),
            tokens_per_second=window.target_tokens / window.seconds,
            target_tokens=window.target_tokens + (last.target_tokens if last else 0),
            train_seconds=window.seconds + (last.train_seconds if last else 0.0),
            validation_nats=scores.cross_entropy_nats,
            validation_token_accuracy=scores.token_accuracy,
            validation_teacher_forced_accuracy=scores.teacher_forced_accuracy,
            batch_parts=self.training_split.parts,
        )
        self.rows.append(row)
        self.window = Window()
        self.stop_reason = self.schedule.observe(
            self.step, row.validation_nats, row.validation_token_accuracy
        )
        return row

    def validate(self) -> Scores:
        """Score the model on the validation split, over the range of lengths that it is trained on."""
        ranges = self.task.validation_ranges(self.lengths)
        examples = -(-self.config.validation_examples // len(ranges))
        batches = (batch for each in ranges for batch in self._held_out("validation", each, examples))
        return self._score(batches)

    def test(self, lengths: LengthRange) -> Scores:
        """Score the model on the test split at one length or bucket; its counts are 0 where there is nothing."""
        return self._score(self._held_out("test", lengths, self.config.test_examples))

    def _held_out(self, split: Any, lengths: LengthRange, examples: int) -> Iterator[Batch]:
        size = self.config.evaluation_batch_size
        return self.task.evaluation_batches(split, self.seed, lengths, examples, size)

    def _score(self, batches: Iterator[Batch]) -> Scores:
        self.model.eval()
        with autocast(self.config.precision, self.device):
            scores = sum(map(self._score_batch, batches), start=Scores())
        self.model.train()
        return scores

    def _score_batch(self, batch: Batch) -> Scores:
        return self.evaluation_split.work_on(
            batch, lambda parts: evaluate(self.model, self.task, parts, self.device)
        )

    def state_dict(self) -> dict[str, Any]:
        """Return all that a training needs to go on exactly where it stands: tensors and plain values only."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
            "window": asdict(self.window),
            "rows": [asdict(row) for row in self.rows],
            "stop_reason": self.stop_reason,
            "parts": [self.training_split.parts, self.evaluation_split.parts],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.recorded is not None:
            self.recorded.forget()  # the optimizer's tensors are others now
        self.schedule.load_state_dict(state["schedule"])
        self.step = state["step"]
        self.window = Window(**state["window"])
        self.rows = [TrainRow(**row) for row in state["rows"]]
        self.stop_reason = state["stop_reason"]
        # Checkpoints of before batches could be split have no parts.
        self.training_split.parts, self.evaluation_split.parts = state.get("parts", (1, 1))

"""How a model is trained: the configuration, the learning rate and when to stop; the same for every arm."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from attnbench.ranges import Count, Fraction, NonNegativeCount, Rate


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The training group of the configuration; the defaults and units stand in conf/training/."""

    steps: Count
    batch_size: Count
    learning_rate: Rate
    warmup_steps: NonNegativeCount
    final_decay: Fraction
    evaluate_every: Count
    patience: Count
    minimum_improvement: Fraction
    decay_factor: Fraction
    gradient_clip: Rate
    solved_accuracy: Fraction
    precision: Literal["float32", "tf32", "bfloat16"]
    validation_examples: Count
    test_examples: Count
    evaluation_batch_size: Count
    cuda_graphs: bool = False

    @property
    def final_steps(self) -> int:
        """Steps at the end over which the rate falls to zero."""
        return round(self.steps * self.final_decay)

    @property
    def branching_step(self) -> int:
        """Steps after which the budget begins to matter: until then a training is that of any larger budget too."""
        return self.steps - self.final_steps

    @property
    def is_within_warmup(self) -> bool:
        """Whether training ends before the learning rate has risen to its nominal value."""
        return self.steps <= self.warmup_steps


StopReason = Literal["solved", "plateau", "budget"]


@dataclass
class Progress:
    """What the schedule has seen of the validation scores."""

    best_nats: float = float("inf")
    evaluations_since_best: int = 0
    rate_factor: float = 1.0
    improved_since_decay: bool = True


class RateSchedule:
    """Warm-up, then a constant rate that is decayed when validation stops improving.

    When a decay no longer helps, training stops (`plateau`). The last part of the budget brings the rate down to
    zero in a straight line, wherever it stands (`budget`). A cosine tied to the budget would make every run look
    converged, so it would prove nothing.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.progress = Progress()

    def rate(self, step: int) -> float:
        """Return the learning rate of a step; steps count from 0."""
        config = self.config
        warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
        left = config.steps - step
        final = min(1.0, left / config.final_steps) if config.final_steps else 1.0
        return config.learning_rate * warmup * final * self.progress.rate_factor

    def observe(self, step: int, validation_nats: float, validation_accuracy: float) -> StopReason | None:
        """Take in an evaluation after `step` steps; return why to stop, or None to go on."""
        if validation_accuracy >= self.config.solved_accuracy:
            return "solved"
        if step >= self.config.steps:
            return "budget"
        if step >= self.config.branching_step:
            return None  # the rate is on its way down already: the budget has decided
        return "plateau" if self._is_exhausted(validation_nats) else None

    def _is_exhausted(self, validation_nats: float) -> bool:
        """Decay the rate where validation stands still; return True once a decay has not helped."""
        seen = self.progress
        if validation_nats < seen.best_nats * (1 - self.config.minimum_improvement):
            seen.best_nats = validation_nats
            seen.evaluations_since_best = 0
            seen.improved_since_decay = True
            return False
        seen.evaluations_since_best += 1
        if seen.evaluations_since_best < self.config.patience:
            return False
        if not seen.improved_since_decay:
            return True
        seen.rate_factor *= self.config.decay_factor
        seen.evaluations_since_best = 0
        seen.improved_since_decay = False
        return False

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed schedule needs."""
        return asdict(self.progress)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.progress = Progress(**state)

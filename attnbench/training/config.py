"""How a model is trained; the same for every arm."""

from dataclasses import dataclass
from typing import Literal

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
    precision: Literal["float32", "bfloat16"]
    validation_examples: Count
    test_examples: Count
    evaluation_batch_size: Count

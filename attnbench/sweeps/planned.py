"""What a sweep wants of one run."""

from dataclasses import dataclass

from attnbench.runs.spec import RunSpec


@dataclass(frozen=True)
class PlannedRun:
    """A run that a sweep wants, and the lengths at which it is to be evaluated."""

    spec: RunSpec
    lengths: tuple[int, ...]

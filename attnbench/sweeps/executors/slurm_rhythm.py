"""How often Slurm is asked: every question costs the one daemon that serves a whole cluster."""

import time
from dataclasses import dataclass, field


@dataclass
class Rhythm:
    """Pauses between questions: they double while nothing changes, and are short again once something does."""

    shortest_seconds: float
    longest_seconds: float
    pause_seconds: float = field(init=False)
    next_at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.pause_seconds = self.shortest_seconds

    def is_due(self) -> bool:
        return time.monotonic() >= self.next_at

    def take(self, *, has_changed: bool) -> None:
        """Reckon from the answer when to ask next."""
        longer = min(2 * self.pause_seconds, self.longest_seconds)
        self.pause_seconds = self.shortest_seconds if has_changed else longer
        self.next_at = time.monotonic() + self.pause_seconds

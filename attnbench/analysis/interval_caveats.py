"""When a Student t interval over seeds may hold its target less often than its name says."""

import math

# Fewer seeds do not show whether they spread normally, or whether one in ten fails.
FEW_SEEDS = 5
# Accuracies this near to perfect have a skewed spread over seeds.
_NEAR_PERFECT = 0.02


def may_cover_less(seeds: int, mean_accuracy: float = math.nan, has_spread: bool = True) -> bool:
    """Whether simulation found, or so few seeds cannot exclude, a coverage below 95 %.

    So it is below five seeds, and for a mean accuracy within 0.02 of perfect whose seeds differ. The simulated
    numbers are those of `scripts/coverage`.
    """
    return seeds < FEW_SEEDS or (has_spread and mean_accuracy >= 1 - _NEAR_PERFECT)

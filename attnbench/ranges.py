"""Number types that carry their range, so that a schema can refuse what lies outside."""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

Count = Annotated[int, Ge(1)]
NonNegativeCount = Annotated[int, Ge(0)]
LARGEST_SEED = 2**63 - 1  # what a column of whole numbers can hold
Seed = Annotated[int, Ge(0), Le(LARGEST_SEED)]
Rate = Annotated[float, Gt(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
DropProbability = Annotated[float, Ge(0), Lt(1)]

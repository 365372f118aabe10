"""How many parameters an arm has, and which hidden sizes bring several arms to about as many."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from attnbench.errors import UserError
from attnbench.models.config import ModelConfig

TOLERANCE = 0.05
"""By how much the largest arm may exceed the smallest one, as a share."""
LARGEST_FACTOR = 8
"""How many times its own hidden size an arm is tried at."""
NEIGHBOURS = 4
"""How many hidden sizes on either side of the wanted count are looked at."""


@dataclass(frozen=True)
class VocabularySizes:
    """Tokens of source and target, which embeddings and output layer hang on."""

    source: int
    target: int


def count_parameters(arm: ModelConfig, sizes: VocabularySizes) -> int:
    """Count the trainable numbers of an arm, without making room for them."""
    with torch.device("meta"), _LeftUnfilled():
        model = arm.assemble(sizes.source, sizes.target)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


class _LeftUnfilled(TorchFunctionMode):
    """Leaves parameters as they are made: to draw numbers that are nowhere torch imports its compiler, for a second."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return given["tensor"] if "tensor" in given else args[0]
        return func(*args, **given)


def match_parameters(
    arms: Mapping[str, ModelConfig], baseline: str, sizes: VocabularySizes
) -> dict[str, int]:
    """Return the hidden size of every arm so that their parameters lie within 5 % of each other.

    The baseline keeps its hidden size. Of all windows of 5 % around the baseline's count, the one is taken in which
    the arms come nearest to it.

    Raises:
        UserError: naming an arm that cannot be brought near enough, and how near it comes.
    """
    wanted = count_parameters(arms[baseline], sizes)
    counts = {name: _counts_around(arm, wanted, sizes) for name, arm in arms.items()}
    counts[baseline] = {arms[baseline].hidden_size: wanted}
    floors = {count for found in counts.values() for count in found.values() if _is_near(count, wanted)}
    windows = [_within(floor, counts, wanted) for floor in floors if floor <= wanted]
    matched = [window for window in windows if window is not None]
    if not matched:
        raise _unreachable(counts, baseline, wanted)
    return min(
        matched, key=lambda chosen: sum(abs(counts[arm][size] - wanted) for arm, size in chosen.items())
    )


def _counts_around(arm: ModelConfig, wanted: int, sizes: VocabularySizes) -> dict[int, int]:
    """Return parameters by hidden size, for the allowed sizes next to the wanted count, below it and above."""

    def count(size: int) -> int:
        return count_parameters(replace(arm, hidden_size=size), sizes)

    allowed = list(
        filter(lambda size: _is_allowed(arm, size), range(1, LARGEST_FACTOR * arm.hidden_size + 1))
    )
    place = bisect_left(allowed, wanted, key=count)
    return {size: count(size) for size in allowed[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]}


def _is_allowed(arm: ModelConfig, size: int) -> bool:
    try:
        replace(arm, hidden_size=size).check()
    except UserError:
        return False
    return True


def _is_near(count: int, wanted: int) -> bool:
    return max(count, wanted) <= min(count, wanted) * (1 + TOLERANCE)


def _within(floor: int, counts: Mapping[str, Mapping[int, int]], wanted: int) -> dict[str, int] | None:
    """Return for each arm the size nearest to the wanted count, from `floor` to 5 % above it; None if one has none."""
    chosen = {}
    for name, found in counts.items():
        inside = [size for size, count in found.items() if floor <= count <= floor * (1 + TOLERANCE)]
        if not inside:
            return None
        chosen[name] = min(inside, key=lambda size: abs(found[size] - wanted))
    return chosen


def _unreachable(counts: Mapping[str, Mapping[int, int]], baseline: str, wanted: int) -> UserError:
    nearest = {
        name: min(found.items(), key=lambda each: abs(each[1] - wanted)) for name, found in counts.items()
    }
    worst = max(nearest, key=lambda name: abs(nearest[name][1] - wanted))
    size, count = nearest[worst]
    return UserError(
        f"match=parameters: {baseline} has {wanted:,} parameters at hidden size {next(iter(counts[baseline]))}, and "
        f"the arms cannot all be brought within {TOLERANCE:.0%} of each other: {worst} comes nearest with {count:,} "
        f"({count / wanted - 1:+.1%}) at hidden size {size}. Use a larger model.hidden_size, whose steps are finer, "
        f"leave {worst} out, or use match=hidden."
    )

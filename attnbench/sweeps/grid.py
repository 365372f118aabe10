"""The words in which a person says which lengths, seeds, budgets and share to sweep, and how shares are dealt."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from attnbench.arm import Protocol
from attnbench.errors import UserError
from attnbench.ranges import LARGEST_SEED
from attnbench.tasks.base import LengthRange, Task

LENGTHS_HELP = "Write lengths as 4,8,16 or as a span: 4:64:4 (steps of 4), 4:64:x2 (doubling)."
MOST = 10_000
"""Lengths of a span, or seeds of a count: more are a slip of the pen, and would fill the memory before any is run."""


def parse_lengths(text: str) -> list[int]:
    """Read lengths such as `4,8,16`, `4:64:4` and `4:64:x2`; sorted, each once.

    Raises:
        UserError: where a part is not a length, or a span runs backwards.
    """
    lengths: set[int] = set()
    for part in text.split(","):
        lengths.update(_parse_span(part.strip(), text))
    return sorted(lengths)


def _parse_span(part: str, text: str) -> list[int]:
    found = re.fullmatch(r"(\d+)(?::(\d+)(?::(x?)(\d+))?)?", part)
    if found is None:
        what = f"'{part}' is not a length" if part else "a length is missing"
        raise UserError(f"--lengths {text}: {what}. {LENGTHS_HELP}")
    first = int(found[1])
    last = int(found[2] or first)
    stride = int(found[4] or 1)
    if first < 1:
        raise UserError(f"--lengths {text}: a length is at least 1, got {first}. {LENGTHS_HELP}")
    if last < first:
        raise UserError(f"--lengths {text}: '{part}' runs backwards. {LENGTHS_HELP}")
    if stride < 1 or (found[3] and stride < 2):
        raise UserError(f"--lengths {text}: '{part}' would never end. {LENGTHS_HELP}")
    if not found[3]:
        if last - first >= MOST * stride:
            raise UserError(f"--lengths {text}: '{part}' is more than {MOST:,} lengths. {LENGTHS_HELP}")
        return list(range(first, last + 1, stride))
    lengths = [first]
    while lengths[-1] * stride <= last:
        lengths.append(lengths[-1] * stride)
    return lengths


def parse_seeds(text: str) -> list[int]:
    """Read `5` as the seeds 0 to 4, and `7,11` or `7,` as these seeds.

    Raises:
        UserError: where it is neither.
    """
    parts = [part.strip() for part in text.split(",")]
    is_list = len(parts) > 1
    if is_list and parts[-1] == "":
        parts.pop()
    if not parts or not all(re.fullmatch(r"\d+", part) for part in parts):
        raise UserError(f"--seeds {text}: expected a count such as 5 or a list of seeds such as 7,11.")
    if is_list:
        return sorted({_seed(part, text) for part in parts})
    if int(parts[0]) > MOST:
        raise UserError(
            f"--seeds {text}: that is a count, and more than {MOST:,} seeds. A comma makes it a list: "
            f"`--seeds {parts[0]},` is the seed {parts[0]} alone."
        )
    if int(parts[0]) < 1:
        raise UserError(f"--seeds {text}: expected a count of at least 1; for seed 0 alone write --seeds 1.")
    return list(range(int(parts[0])))


def _seed(part: str, text: str) -> int:
    if int(part) > LARGEST_SEED:
        raise UserError(f"--seeds {text}: a seed is at most {LARGEST_SEED}.")
    return int(part)


def parse_budgets(text: str) -> list[int]:
    """Read `500,1000,2000` as budgets in steps.

    Raises:
        UserError: where it is not a list of numbers that ascend.
    """
    parts = [part.strip() for part in text.split(",")]
    budgets = [int(part) for part in parts if re.fullmatch(r"[0-9]+", part)]
    if len(budgets) < len(parts) or budgets != sorted(set(budgets)) or budgets[0] < 1:
        raise UserError(
            f"--budgets {text}: expected numbers of training steps that ascend, such as 500,1000,2000."
        )
    return budgets


def parse_train_range(text: str) -> tuple[int, int]:
    """Read `4:32` as the range of lengths to train on.

    Raises:
        UserError: where it is not one.
    """
    found = re.fullmatch(r"(\d+):(\d+)", text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError(f"--train-range {text}: expected SHORTEST:LONGEST, such as 4:32.")
    return int(found[1]), int(found[2])


Planned = TypeVar("Planned")


@dataclass(frozen=True)
class Share:
    """One of several parts of a plan, which together are all of it.

    Attributes:
        number: which, from 1 to count.
        count: how many there are.
    """

    number: int
    count: int

    def of(self, planned: Sequence[Planned]) -> list[Planned]:
        """Return one of every `count` runs, dealt out to and fro as cards are.

        A plan begins with the longest runs and goes through its arms in turn: so every share gets long and short
        ones, and of every arm. The third of four shares of the runs 0 to 9 is 2, 5.
        """
        rounds = range(0, len(planned), self.count)
        places = (
            first + (self.number - 1 if turn % 2 == 0 else self.count - self.number)
            for turn, first in enumerate(rounds)
        )
        return [planned[place] for place in places if place < len(planned)]

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_share(text: str) -> Share:
    """Read `2/8` as the second of eight shares.

    Raises:
        UserError: where it is not one.
    """
    found = re.fullmatch(r"([0-9]+)/([0-9]+)", text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError(f"--share {text}: expected I/N with I from 1 to N, such as 2/8, the second of eight.")
    return Share(int(found[1]), int(found[2]))


def train_ranges(
    task: Task, protocol: Protocol, lengths: list[int], train_range: str | None
) -> list[tuple[LengthRange, list[int]]]:
    """Return what to train on, and where to evaluate each.

    Raises:
        UserError: where the task, the protocol, the lengths and the range do not fit one another.
    """
    for length in lengths:
        task.check_length(length)
    task.check_information(lengths)
    if protocol == "per_length":
        if train_range is not None:
            raise UserError(
                "--train-range is for the protocols mixed and extrapolation; this one is per_length."
            )
        if task.reads_files:
            raise UserError(
                f"{task.name} reads files, whose examples have the lengths they have: one model per length cannot be "
                "trained on them. Use --protocol mixed: one model, evaluated by length."
            )
        return [(LengthRange(length, length), [length]) for length in lengths]
    if train_range is None and protocol == "extrapolation" and not task.reads_files:
        raise UserError("--protocol extrapolation needs --train-range SHORTEST:LONGEST, such as 4:16.")
    requested = parse_train_range(train_range) if train_range else None
    if requested is None and not task.reads_files:
        requested = (lengths[0], lengths[-1])
    trained = task.training_range(requested, None)
    if protocol == "mixed" and not (trained.minimum <= lengths[0] and lengths[-1] <= trained.maximum):
        raise UserError(
            f"--protocol mixed tests inside the range that it trains on, {trained.minimum}:{trained.maximum}; "
            f"the lengths go from {lengths[0]} to {lengths[-1]}. Widen the range, or use --protocol extrapolation."
        )
    task.check_length(trained.minimum)
    task.check_length(trained.maximum)
    task.check_information([trained.maximum])
    return [(trained, lengths)]

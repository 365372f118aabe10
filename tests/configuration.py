"""The yaml of conf/ for tests, read once: Hydra takes a tenth of a second for each of hundreds of compositions.

Choices of several groups are put together from those of one group each. That Hydra comes to the same is a test: no yaml
of one group says anything about another (tests/config/test_compose.py).
"""

import functools
from pathlib import Path
from typing import Any

from attnbench.config import compose
from attnbench.config.compose import Configuration

compose_by_hydra = compose._compose


@functools.cache
def composed_alone(choice: str | None) -> dict[str, Any]:
    """Return what Hydra makes of one choice such as `model='fixed'`, or of none; not to be changed."""
    return compose_by_hydra([] if choice is None else [choice], None)


def _compose_once(choices: list[str], extra_folder: Path | None) -> dict[str, Any]:
    if extra_folder is not None:  # a person's own yaml is read anew
        return compose_by_hydra(choices, extra_folder)
    groups = [choice.partition("=")[0] for choice in choices]
    parts = {group: composed_alone(choice)[group] for group, choice in zip(groups, choices, strict=True)}
    return composed_alone(None) | parts


# From the first import on: modules compose while tests are collected, and every command makes a Configuration.
compose._compose = _compose_once

CONFIGURATION = Configuration()

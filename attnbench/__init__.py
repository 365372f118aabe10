"""attnbench measures at what input length a fixed context vector breaks down, and how attention compares.

`load`, `sweep` and `train` are the commands as calls; see docs/python.md.
"""

import importlib
from typing import TYPE_CHECKING, Any

from attnbench.errors import RefusedError, RunFailedError, UserError
from attnbench.moved_names import find_moved_modules

if TYPE_CHECKING:
    from attnbench.api import load, sweep, train

__version__ = "0.1.0"  # the only place: pyproject.toml reads it here
__all__ = ["RefusedError", "RunFailedError", "UserError", "__version__", "load", "sweep", "train"]

find_moved_modules()


def __getattr__(name: str) -> Any:
    """Load the calls when they are asked for: torch and pandas take seconds."""
    if name in ("load", "sweep", "train"):
        return getattr(importlib.import_module("attnbench.api"), name)
    raise AttributeError(f"module 'attnbench' has no attribute '{name}'")

"""attnbench measures at what input length a fixed context vector breaks down, and how attention compares."""

from attnbench.moved_names import find_moved_modules

__version__ = "0.1.0"

find_moved_modules()

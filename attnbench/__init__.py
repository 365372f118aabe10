"""attnbench measures at what input length a fixed context vector breaks down, and how attention compares."""

__version__ = "0.1.0"

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout."""
SHARED = ROOT.parent / "shared"
"""Data beside the checkout, which the project does not depend on; tests that use it skip without it."""

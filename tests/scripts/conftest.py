import sys
from pathlib import Path

# The scripts lie outside the package and import one another as a script's neighbours do.
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

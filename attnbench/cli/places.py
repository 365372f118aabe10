"""Finding what a person named: a folder, or a name under the results."""

from pathlib import Path

from attnbench.errors import UserError, unknown
from attnbench.runs.store import RunStore


def named_store(results: Path, name: str) -> RunStore:
    """Return the store that `--name` names, there or not.

    Raises:
        UserError: where the name leads to the results folder itself or out of it.
    """
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise UserError(
            f"--name '{name}': expected the name of a folder below {results}. --results moves them."
        )
    return RunStore(results / name)


def find_store(words: str, results: Path) -> RunStore:
    """Return the sweep folder that the words name.

    Raises:
        UserError: where there is none, naming those there are.
    """
    for path in (results / words, Path(words)):
        if RunStore(path).is_ours:
            return RunStore(path)
    for path in (results / words, Path(words)):
        if path.is_dir():
            raise UserError(f"{path} holds no results: neither sweep.yaml nor runs/ is in it.")
    known = [path.name for path in results.iterdir() if RunStore(path).is_ours] if results.is_dir() else []
    if not known:
        raise UserError(
            f"There is no sweep '{words}': {results} holds no results. `attnbench sweep` makes some."
        )
    raise unknown("sweep", words, known)

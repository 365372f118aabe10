"""Finding what a person named: a folder, or a name under the results."""

import os
from collections.abc import Iterator
from pathlib import Path

from attnbench.errors import UserError, obstacle, unknown
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


def stores_below(results: Path) -> Iterator[RunStore]:
    """Yield the sweep folders below the results by name, those that a `--name` with slashes has put deeper too."""
    for path in _folders_in(results):
        store = RunStore(path)
        if store.is_ours:
            yield store
        elif not path.is_symlink():  # which may lead in a circle
            yield from stores_below(path)


def check_reachable(*paths: Path) -> None:
    """Refuse paths that cannot be there.

    Raises:
        UserError: naming the link that leads nowhere, or the file in the place of a folder.
    """
    for found in filter(None, map(obstacle, paths)):
        raise UserError(f"{found}. Take it away or mend it, or name another place.")


def _folders_in(path: Path) -> list[Path]:
    """Return the folders that a person may enter, by name, but for hidden ones."""
    if not path.is_dir() or not os.access(path, os.R_OK | os.X_OK):
        return []
    return sorted(
        each
        for each in path.iterdir()
        if each.is_dir() and not each.name.startswith(".") and os.access(each, os.R_OK | os.X_OK)
    )


def find_store(words: str, results: Path) -> RunStore:
    """Return the sweep folder that the words name.

    Raises:
        UserError: where there is none, naming those there are.
    """
    for path in (results / words, Path(words)):
        if RunStore(path).is_ours:
            return RunStore(path)
    check_reachable(results / words, Path(words))
    for path in (results / words, Path(words)):
        if path.is_dir():
            raise UserError(f"{path} holds no results: neither sweep.yaml nor runs/ is in it.")
    known = [store.path.relative_to(results).as_posix() for store in stores_below(results)]
    if not known:
        raise UserError(
            f"There is no sweep '{words}': {results} holds no results. `attnbench sweep` makes some."
        )
    raise unknown("sweep", words, known)

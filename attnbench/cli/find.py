"""Finding what a person named: a folder, or a name under the results."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from attnbench.cli.options import command_line
from attnbench.errors import UserError, nearest, obstacle, unknown
from attnbench.runs.folder import RunFolder
from attnbench.runs.store import RunStore

_NAMED = 5  # runs in a message


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
            raise UserError(f"{path.resolve()} holds no results: neither sweep.yaml nor runs/ is in it.")
    known = [store.path.relative_to(results).as_posix() for store in stores_below(results)]
    making = _command_that_makes(words, results)
    if making is not None:
        held = f"holds {', '.join(known)}" if known else "holds no results"
        raise UserError(
            f"There is no sweep '{words}' yet: {results.resolve()} {held}. Make it first: `{making}`."
        )
    if not known:
        raise UserError(
            f"There is no sweep '{words}': {results.resolve()} holds no results. `attnbench sweep` makes some; "
            "--results names another folder."
        )
    raise unknown("sweep", words, known)


def _command_that_makes(name: str, results: Path) -> str | None:
    """Return the command that makes a sweep of this name, where it is that of a preset and its tasks."""
    from attnbench.config.compose import Configuration

    configuration = Configuration()
    preset, _, tasks = name.partition("-")
    if preset not in configuration.choices("sweep"):
        return None
    if not set(tasks.split("-")) <= set(configuration.choices("task")):
        return None
    own_task = [] if tasks == configuration.preset(preset).task else [f"task={tasks.replace('-', ',')}"]
    return command_line("sweep", "--preset", preset, *own_task, results=results)


def find_run(words: str, results: Path) -> Path:
    """Return the folder of the run that the words name: a path, or a run_id in any sweep of the results.

    Raises:
        UserError: where there is none, naming those most like it.
    """
    folders = [folder for store in stores_below(results) for folder in store.folders()]
    found = [folder for folder in folders if folder.run_id == words]
    if found:
        # The same run may be in several sweeps, and be finished in one of them alone.
        return min(found, key=lambda folder: folder.state != "done").path
    path = Path(words)
    if path.is_dir() and not RunStore(path).is_ours:
        return path
    if path.is_dir() or RunStore(results / words).is_ours:
        sweep = RunStore(path if path.is_dir() else results / words)
        names = [folder.run_id for folder in sweep.folders()]
        raise UserError(f"{sweep.path} is a sweep, expected one of its runs: {_some(names)}.")
    check_reachable(results, path)
    if not folders:
        raise UserError(
            f"There is no run '{words}': {results.resolve()} holds no runs. `attnbench train` makes one; "
            "--results names another folder."
        )
    # Newest first, for it is the run just trained that most people mean; ahead of all what was begun to be typed.
    newest = [folder.run_id for folder in sorted(folders, key=_last_changed, reverse=True)]
    names = sorted(dict.fromkeys(newest), key=lambda name: not name.startswith(words))
    alike = f" Did you mean {names[0]}?" if names[0].startswith(words) else nearest(words, names)
    raise UserError(f"There is no run '{words}': {results} holds, newest first, {_some(names)}.{alike}")


def _last_changed(folder: RunFolder) -> float:
    """Return when a run ended, or else was begun, in seconds; its folder is newer where it has been looked at."""
    for file in (folder.status_file, folder.spec_file):
        with suppress(OSError):
            return file.stat().st_mtime
    return 0.0


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")

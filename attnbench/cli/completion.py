"""What the shell completes after TAB: names of tasks, arms, presets, sweeps and runs; torch and pandas stay unloaded.

typer installs the completion (`attnbench --install-completion`) and calls these functions with the words typed so far.
A completion never fails loudly: what cannot be read completes to nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

MOST_RUNS = 200
"""Run names that are offered; a shell asks before it shows more, and nobody reads them."""
_PROTOCOLS = ("per_length", "mixed", "extrapolation")
_LISTS = ("tasks", "models", "arms", "presets")
_KEYS = {"task": "task", "model": "model"}


def complete_task(ctx: Any, incomplete: str) -> list[str]:
    """Return the tasks that begin so."""
    return _beginning(_choices(ctx, "task"), incomplete)


def complete_models(ctx: Any, incomplete: str) -> list[str]:
    """Return the lists of arms that go on from the commas typed so far."""
    before, comma, last = incomplete.rpartition(",")
    taken = set(before.split(","))
    names = [name for name in _choices(ctx, "model") if name not in taken]
    return [f"{before}{comma}{name}" for name in _beginning(names, last)]


def complete_model(ctx: Any, incomplete: str) -> list[str]:
    """Return the arms that begin so."""
    return _beginning(_choices(ctx, "model"), incomplete)


def complete_preset(ctx: Any, incomplete: str) -> list[str]:
    """Return the presets that begin so."""
    return _beginning(_choices(ctx, "sweep"), incomplete)


def complete_executor(ctx: Any, incomplete: str) -> list[str]:
    """Return the executors that begin so."""
    return _beginning(_choices(ctx, "executor"), incomplete)


def complete_protocol(incomplete: str) -> list[str]:
    """Return the protocols that begin so."""
    return _beginning(_PROTOCOLS, incomplete)


def complete_list(incomplete: str) -> list[str]:
    """Return what `attnbench list` lists."""
    return _beginning(_LISTS, incomplete)


def complete_override(ctx: Any, incomplete: str) -> list[str]:
    """Return the keys that begin so, and behind `task=` and `model=` the names.

    bash takes `=` for the end of a word, so that the name after it comes as a word of its own: then the words before
    tell the key.
    """
    key, equals, value = incomplete.partition("=")
    before = list(ctx.params.get("overrides") or ())
    if not equals and before[-1:] == ["="]:
        return _beginning(_choices(ctx, _KEYS.get(before[-2] if len(before) > 1 else "", "")), incomplete)
    if not key and equals:
        return _choices(ctx, _KEYS.get(before[-1] if before else "", ""))
    if equals:
        names = _beginning(_choices(ctx, _KEYS.get(key, "")), value)
        return [f"{key}={name}" for name in names]
    return _quietly(lambda: _beginning([f"{name}=" for name in _keys(ctx)], incomplete))


def complete_sweep(ctx: Any, incomplete: str) -> list[str]:
    """Return the sweeps below the results whose names begin so."""
    return _quietly(lambda: _beginning(_sweeps(_results(ctx)), incomplete))


def complete_run(ctx: Any, incomplete: str) -> list[str]:
    """Return the runs below the results whose run_ids begin so."""
    return _quietly(lambda: list(islice(_runs(_results(ctx), incomplete), MOST_RUNS)))


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _quietly(find: Callable[[], list[str]]) -> list[str]:
    """Return what was found; nothing where it fails: a traceback in a line that is being typed helps nobody."""
    with suppress(Exception):
        return find()
    return []


def _choices(ctx: Any, group: str) -> list[str]:
    return _quietly(lambda: _configuration(ctx).choices(group) if group else [])


def _keys(ctx: Any) -> Sequence[str]:
    return [*_KEYS, *_configuration(ctx).all_keys()]


def _configuration(ctx: Any) -> Any:
    from attnbench.config.compose import Configuration

    folder = ctx.params.get("config_dir")
    return Configuration(Path(folder) if folder else None)


def _results(ctx: Any) -> Path:
    from attnbench.cli.options import DEFAULT_RESULTS

    return Path(ctx.params.get("results") or DEFAULT_RESULTS)


def _sweeps(results: Path) -> list[str]:
    from attnbench.cli.find import stores_below

    return [store.path.relative_to(results).as_posix() for store in stores_below(results)]


def _runs(results: Path, incomplete: str) -> Iterator[str]:
    from attnbench.cli.find import stores_below

    for store in stores_below(results):
        for folder in store.folders():
            if folder.run_id.startswith(incomplete):
                yield folder.run_id

"""Checked dataclasses from plain values: the door through which every configuration comes in."""

import importlib
import json
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any

from attnbench.errors import UserError, nearest, unknown
from attnbench.moved_names import present_name

TARGET_KEY = "_target_"
OWN_PACKAGE = "attnbench"


_trusted: Path | None = None  # of this process; its workers and jobs are told


def trust_folder(folder: Path | None) -> None:
    """Let classes be loaded from this folder in this process, and from no other one but attnbench; None: from none.

    It is the one that a person named with --config-dir. It comes last on the way of imports: a file of theirs called
    copy.py must not stand in for the module that others import.
    """
    global _trusted
    _trusted = None if folder is None else folder.resolve()
    if _trusted is not None and str(_trusted) not in sys.path:
        sys.path.append(str(_trusted))


def trusted_folder() -> Path | None:
    """Return the folder that is trusted in this process, or None."""
    return _trusted


@contextmanager
def trusting(folder: Path | None) -> Iterator[None]:
    """Trust a folder, or none, within the block; after it what was trusted before, and imported from where before."""
    before, ways = _trusted, list(sys.path)
    trust_folder(folder)
    try:
        yield
    finally:
        trust_folder(before)
        sys.path[:] = ways


def load_class(target: str, base: type) -> type:
    """Return the class that a `_target_` names.

    It comes from attnbench itself or from the folder that `trust_folder` was told, and from nowhere else: a folder of
    results must not be able to run code.

    Raises:
        UserError: where the name is foreign, missing, or not a `base`.
    """
    module_name, _, class_name = present_name(target).rpartition(".")
    package = module_name.partition(".")[0]
    if package != OWN_PACKAGE and not _is_in_folder(package, _trusted):
        where = f"nor in {_trusted}" if _trusted else "and no --config-dir was given"
        raise UserError(f"Refused to load '{target}': it is not part of attnbench {where}.")
    try:
        module = importlib.import_module(module_name)
        found = getattr(module, class_name, None)
    except Exception as error:  # a person's module may fail with anything as it is imported
        raise UserError(f"Cannot load '{target}': {type(error).__name__}: {error}.") from error
    file = Path(getattr(module, "__file__", None) or "")
    if package != OWN_PACKAGE and _trusted is not None and not file.is_relative_to(_trusted):
        raise UserError(
            f"'{package}' is the name of another module too ({module}): rename yours in {_trusted}."
        )
    if found is None:
        raise UserError(f"Cannot load '{target}': there is no {class_name} in {module_name}.")
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UserError(f"'{target}' is not a kind of {base.__name__}.")
    return found


def _is_in_folder(package: str, folder: Path | None) -> bool:
    if folder is None or not package:
        return False
    return (folder / f"{package}.py").is_file() or (folder / package).is_dir()


def place_in_folder(error: BaseException, folder: Path) -> str | None:
    """Return file and line of a person's folder at which an error arose; None where none of its code was at work.

    The folder may hold a checkout of attnbench, or an environment: what is installed there is not the person's.
    """
    ours = Path(__file__).parent
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if (
            file.is_relative_to(folder)
            and not file.is_relative_to(ours)
            and "site-packages" not in file.parts
        ):
            return f"{file}, line {frame.lineno}"
    return None


@cache
def _adapter(cls: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def build(cls: type, values: Mapping[str, Any], where: str) -> Any:
    """Return an instance of a dataclass whose fields were checked for name, type and range.

    Args:
        cls: the dataclass; every field without a default is required.
        values: what to fill it with, as composed from yaml and the command line.
        where: the path of these values in the configuration, such as "model", for messages; "" at its top.

    Raises:
        UserError: naming the key, what was expected and what came.
    """
    from pydantic import ValidationError

    prefix = f"{where}." if where else ""
    known = {field.name: field for field in fields(cls)}
    for key in values:
        if key not in known:
            raise unknown("key", f"{prefix}{key}", [f"{prefix}{name}" for name in known])
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise UserError(f"{prefix}{name} is missing: it can be changed, but not taken away.")
    try:
        # As JSON, because there strictness (no "3" for 3, no 1 for true) still lets a mapping be a dataclass.
        return _adapter(cls).validate_json(json.dumps(dict(values), allow_nan=False), strict=True)
    except ValueError as error:
        if not isinstance(error, ValidationError):
            raise UserError(f"{where}: every number must be finite ({error}).") from error
        raise UserError(_describe(error, where)) from error


def build_named(values: Mapping[str, Any], base: type, where: str) -> Any:
    """Build the task, model or executor whose class the values name by `_target_`."""
    if TARGET_KEY not in values:
        raise UserError(f"{where}.{TARGET_KEY} is missing: it names the class of the {where}.")
    cls = load_class(str(values[TARGET_KEY]), base)
    return build(cls, {key: value for key, value in values.items() if key != TARGET_KEY}, where)


# pydantic's words, and those that a person who writes yaml uses.
_WORDING = {
    "Input should be": "expected",
    "a valid boolean": "true or false",
    "a valid integer": "an integer",
    "a valid array": "a list",
    "a valid ": "a ",
}


def _describe(error: Any, where: str) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in (where, *problem["loc"]) if part != "")
        expected = problem["msg"]
        for theirs, ours in _WORDING.items():
            expected = expected.replace(theirs, ours)
        line = f"{key}: {expected}, got {json.dumps(problem['input'], ensure_ascii=False)}."
        if problem["type"] == "literal_error":
            line += nearest(str(problem["input"]), re.findall("'([^']*)'", problem["ctx"]["expected"]))
        lines.append(line)
    return "\n".join(dict.fromkeys(lines))

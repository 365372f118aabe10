"""Checked dataclasses from plain values: the door through which every configuration comes in."""

import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any

from attnbench.errors import UserError, unknown

TARGET_KEY = "_target_"
OWN_PACKAGE = "attnbench"


def load_class(target: str, base: type, trusted_folder: Path | None = None) -> type:
    """Return the class that a `_target_` names.

    It comes from attnbench itself or from the folder that a person named with --config-dir, and from nowhere
    else: a folder of results must not be able to run code.

    Raises:
        UserError: where the name is foreign, missing, or not a `base`.
    """
    module_name, _, class_name = target.rpartition(".")
    package = module_name.partition(".")[0]
    if package != OWN_PACKAGE and not _is_in_folder(package, trusted_folder):
        where = f"nor in {trusted_folder}" if trusted_folder else "and no --config-dir was given"
        raise UserError(f"Refused to load '{target}': it is not part of attnbench {where}.")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"Cannot load '{target}': {error}.") from error
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UserError(f"'{target}' is not a {base.__name__}.")
    return found


def _is_in_folder(package: str, folder: Path | None) -> bool:
    if folder is None or not package:
        return False
    return (folder / f"{package}.py").is_file() or (folder / package).is_dir()


def trust_folder(folder: Path) -> None:
    """Let classes be imported from a folder that the person named."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


@cache
def _adapter(cls: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def build(cls: type, values: Mapping[str, Any], where: str) -> Any:
    """Return an instance of a dataclass whose fields were checked for name, type and range.

    Args:
        cls: the dataclass; every field without a default is required.
        values: what to fill it with, as composed from yaml and the command line.
        where: the path of these values in the configuration, such as "model", for messages.

    Raises:
        UserError: naming the key, what was expected and what came.
    """
    from pydantic import ValidationError

    known = {field.name: field for field in fields(cls)}
    for key in values:
        if key not in known:
            raise unknown("key", f"{where}.{key}", [f"{where}.{name}" for name in known])
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise UserError(f"{where}.{name} is missing: it can be changed, but not taken away.")
    try:
        # As JSON, because there strictness (no "3" for 3, no 1 for true) still lets a mapping be a dataclass.
        return _adapter(cls).validate_json(json.dumps(dict(values), allow_nan=False), strict=True)
    except ValueError as error:
        if not isinstance(error, ValidationError):
            raise UserError(f"{where}: every number must be finite ({error}).") from error
        raise UserError(_describe(error, where)) from error


def _describe(error: Any, where: str) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join([where, *(str(part) for part in problem["loc"] if isinstance(part, int | str))])
        expected = problem["msg"].replace("Input should be", "expected").replace("a valid ", "")
        lines.append(f"{key}: {expected}, got {problem['input']!r}.")
    return "\n".join(dict.fromkeys(lines))

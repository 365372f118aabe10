"""The yaml groups of conf/ and the overrides of the command line.

Hydra composes the groups; values are then set and checked here, so that a misspelt key is refused with the known
ones at hand. How the words of the command line are read stands in overrides.py.
"""

import copy
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from attnbench.arm import Protocol
from attnbench.config.overrides import (
    Assignment,
    full_key,
    instead_of_bare_word,
    instead_of_model,
    parse_overrides,
    single,
)
from attnbench.errors import UserError, obstacle, unknown
from attnbench.executors.base import Executor
from attnbench.runs.io import from_yaml
from attnbench.schema import TARGET_KEY, build, build_named, load_class, trust_folder

GROUPS = ("task", "model", "training", "sweep", "executor")
# What people call a choice of the group, where that is another word.
WORDS = {"sweep": "preset"}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A sweep as conf/sweep/ describes it; the words are those of the command line.

    Attributes:
        parts: overrides that belong to one part of the sweep each, beside those of all; the sweep is their union.
    """

    task: str
    models: list[str]
    lengths: str
    seeds: str
    protocol: Protocol
    train_range: str | None
    overrides: list[str]
    parts: list[list[str]] = field(default_factory=list)
    tune_rates: str | None = None
    longer: int | None = None
    budgets: str | None = None


@dataclass(frozen=True)
class Configuration:
    """Where yaml comes from: conf/, and a person's own folder if they named one; that one is trusted from then on."""

    config_dir: Path | None = None
    cache: dict[Any, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.config_dir is not None:
            if not self.config_dir.is_dir():
                raise UserError(f"--config-dir {self.config_dir}: there is no such folder.")
            _refuse_our_names(self.config_dir)
            trust_folder(self.config_dir)

    @property
    def _own_folder(self) -> Path | None:
        return self.config_dir.resolve() if self.config_dir else None

    def choices(self, group: str) -> list[str]:
        """Return the names that can be chosen in a group: its yaml files, but those that start with `_`."""
        folders = [folder / group for folder in (conf_folder(), self._own_folder) if folder is not None]
        found = {path.stem for folder in folders for path in folder.glob("*.yaml")}
        return sorted(name for name in found if not name.startswith("_"))

    def described(self, group: str) -> dict[str, str]:
        """Return what each choice of a group is: the comment that its yaml begins with."""
        folders = [folder / group for folder in (self._own_folder, conf_folder()) if folder is not None]
        described = {}
        for name in self.choices(group):
            path = next(folder / f"{name}.yaml" for folder in folders if (folder / f"{name}.yaml").exists())
            first_line = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
            described[name] = first_line.lstrip("# ") if first_line.startswith("#") else ""
        return described

    def check_choice(self, group: str, name: str) -> str:
        """Return the name if the group has it.

        Raises:
            UserError: naming those it has.
        """
        if name not in self.choices(group):
            meant = instead_of_model(name, self.described(group)) if group == "model" else ""
            error = unknown(WORDS.get(group, group), name, self.choices(group), alike=() if meant else None)
            raise UserError(f"{error}{meant}")
        return name

    def all_keys(self) -> list[str]:
        """Return the keys of every choice of every group, whether it is the chosen one or not."""
        keys = [each for each in leaf_keys(_keys_of(conf_folder() / "config.yaml")) if each not in GROUPS]
        for group in GROUPS:
            for folder in (conf_folder(), self._own_folder):
                for path in sorted((folder / group).glob("*.yaml")) if folder and group != "sweep" else ():
                    keys += [
                        f"{group}.{each}" for each in _keys_of(path) if each not in (TARGET_KEY, "defaults")
                    ]
        return list(dict.fromkeys(each for each in keys if each != "defaults"))

    def read(self, words: Sequence[str]) -> list[Assignment]:
        """Read the overrides.

        Raises:
            UserError: for what is none; a task's or model's name that stands alone is told how to be typed.
        """
        for place, word in enumerate(words):
            if "=" not in word and not word.startswith(("~", "+")):
                meant = instead_of_bare_word(words, place, self.choices, self.all_keys())
                raise UserError(f"'{word}' is not an override. Write key=value, or key=a,b.{meant}")
        return parse_overrides(words)

    def compose(self, chosen: dict[str, str]) -> dict[str, Any]:
        """Return the configuration with these choices, as plain values and without any override."""
        key = tuple(sorted(chosen.items()))
        if key not in self.cache:
            for group, name in chosen.items():
                self.check_choice(group, name)
            quoted = {group: name.replace("'", "\\'") for group, name in chosen.items()}
            self.cache[key] = _compose(
                [f"{group}='{name}'" for group, name in quoted.items()], self._own_folder
            )
        return copy.deepcopy(self.cache[key])

    def preset(self, name: str) -> Preset:
        """Return a sweep preset."""
        return build(Preset, self.compose({"sweep": self.check_choice("sweep", name)})["sweep"], "sweep")

    def executor(self, name: str, assignments: Iterable[Assignment] = ()) -> Executor:
        """Return the executor of that name with its keys set."""
        values = self.compose({"executor": self.check_choice("executor", name)})
        for assignment in assignments:
            self.assign(values, assignment)
        return build_named(values["executor"], Executor, "executor")

    def assign(self, values: dict[str, Any], assignment: Assignment) -> None:
        """Set the one value of an assignment: as it was typed where the key takes text.

        Raises:
            UserError: where there is no such key, or several values.
        """
        key, value, [text] = assignment.key, single(assignment), assignment.texts
        before = copy.deepcopy(values) if assignment.is_interpolated or text not in (None, value) else values
        set_key(values, key, value, text)
        if assignment.is_interpolated:
            set_key(values, key, _resolved(values, key))
        elif text is not None and text != value and self._takes_text(before, key, value):
            set_key(values, key, text)

    def _takes_text(self, values: dict[str, Any], key: str, value: Any) -> bool:
        """Say whether a key is one for strings, and is not emptied by `null`."""
        *groups, name = key.split(".")
        for each in groups:
            values = values[each]
        if values[name] is not None:
            return isinstance(values[name], str)
        if value is None or TARGET_KEY not in values:
            return False
        hints = typing.get_type_hints(load_class(str(values[TARGET_KEY]), object))
        kinds = {hints.get(name), *typing.get_args(hints.get(name))}
        return str in kinds and not kinds & {int, float, bool}


def conf_folder() -> Path:
    """Return the folder of the yaml files that come with attnbench."""
    import attnbench.conf

    return Path(next(iter(attnbench.conf.__path__)))


def _keys_of(path: Path) -> dict[str, Any]:
    """Return what a yaml holds, without what it inherits; nothing where it cannot be read, which composing it tells."""
    try:
        values = from_yaml(path.read_bytes())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return values if isinstance(values, dict) else {}


def _refuse_our_names(config_dir: Path) -> None:
    """Refuse a yaml of a person's that is called like one of ours: Hydra would take ours and say nothing.

    And one that is not to be had, of which Hydra would speak in many lines, or not at all.
    """
    for group in GROUPS:
        for path in (config_dir / group, *sorted((config_dir / group).glob("*.yaml"))):
            if found := obstacle(path):
                raise UserError(f"{found}. Take it away or mend it.")
            if path.suffix == ".yaml" and path.is_dir():
                raise UserError(f"{path} is a folder, expected a file. Take it away.")
        for path in sorted((config_dir / group).glob("*.yaml")):
            if (conf_folder() / group / path.name).exists():
                raise UserError(f"{path}: attnbench has a {group}/{path.name} of its own. Rename yours.")


def _compose(overrides: list[str], extra_folder: Path | None) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if extra_folder is not None:
        quoted = str(extra_folder).replace("\\", "\\\\").replace("'", "\\'")
        overrides = [*overrides, f"hydra.searchpath=['file://{quoted}']"]
    try:
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            composed = compose("config", overrides=overrides)
        values = OmegaConf.to_container(composed, resolve=True)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"The configuration cannot be composed: {error}") from error
    assert isinstance(values, dict)
    for group in GROUPS:
        if not isinstance(values[group], dict):
            raise UserError(
                f"The yaml chosen for {group} holds no keys: expected lines such as `key: value`."
            )
    return {str(key): value for key, value in values.items()}


def _resolved(values: dict[str, Any], key: str) -> Any:
    """Return the value of a key that refers to others."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        found = OmegaConf.select(OmegaConf.create(values), key, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(f"{key}: {str(error).splitlines()[0]}.") from error
    return OmegaConf.to_container(found) if OmegaConf.is_config(found) else found


def leaf_keys(values: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys of all values that a person can set."""
    keys = []
    for key, value in values.items():
        if key != TARGET_KEY:
            keys += leaf_keys(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return keys


def set_key(values: dict[str, Any], key: str, value: Any, typed: str | None = None) -> None:
    """Set one leaf; the message for an unknown one repeats the value as it was typed.

    Raises:
        UserError: where there is no such leaf, naming the known ones and the nearest.
    """
    known = [each for each in leaf_keys(values) if not each.startswith("sweep.")]
    if key not in known:
        whole = full_key(key, known)
        if whole is not None:
            raise UserError(f"Unknown key '{key}'. Did you mean {whole}={value if typed is None else typed}?")
        tops = {each.partition(".")[0] for each in known} | set(GROUPS)
        beside = [each for each in known if each.partition(".")[0] == key.partition(".")[0]]
        raise unknown("key", key, beside or tops, alike=beside or [*known, *tops])
    *groups, name = key.split(".")
    for each in groups:
        values = values[each]
    values[name] = value

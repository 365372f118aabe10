"""The yaml groups of conf/ and the overrides of the command line.

Hydra composes the groups and reads the overrides; values are then set and checked here, so that a misspelt key,
an added one and a taken one are all refused with the known ones at hand.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from attnbench.errors import UserError, obstacle, unknown
from attnbench.runs.spec import Protocol, build_named
from attnbench.schema import TARGET_KEY, build, trust_folder
from attnbench.sweeps.executors.base import Executor

GROUPS = ("task", "model", "training", "sweep", "executor")
# What people call a choice of the group, where that is another word.
WORDS = {"sweep": "preset"}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A sweep as conf/sweep/ describes it; the words are those of the command line."""

    task: str
    models: list[str]
    lengths: str
    seeds: str
    protocol: Protocol
    train_range: str | None
    overrides: list[str]
    tune_rates: str | None = None
    longer: int | None = None


@dataclass(frozen=True)
class Assignment:
    """One override of the command line: a key and the values that it takes in turn."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Configuration:
    """Where yaml comes from: conf/, and a person's own folder if they named one."""

    config_dir: Path | None = None
    cache: dict[Any, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.config_dir is not None:
            if not self.config_dir.is_dir():
                raise UserError(f"--config-dir {self.config_dir}: there is no such folder.")
            _refuse_our_names(self.config_dir)
            trust_folder(self.config_dir.resolve())

    @property
    def trusted_folder(self) -> Path | None:
        """Where classes may come from besides attnbench."""
        return self.config_dir.resolve() if self.config_dir else None

    def choices(self, group: str) -> list[str]:
        """Return the names that can be chosen in a group: its yaml files, but those that start with `_`."""
        folders = [folder / group for folder in (conf_folder(), self.trusted_folder) if folder is not None]
        found = {path.stem for folder in folders for path in folder.glob("*.yaml")}
        return sorted(name for name in found if not name.startswith("_"))

    def described(self, group: str) -> dict[str, str]:
        """Return what each choice of a group is: the comment that its yaml begins with."""
        folders = [folder / group for folder in (self.trusted_folder, conf_folder()) if folder is not None]
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
            raise unknown(WORDS.get(group, group), str(name), self.choices(group))
        return name

    def compose(self, chosen: dict[str, str]) -> dict[str, Any]:
        """Return the configuration with these choices, as plain values and without any override."""
        key = tuple(sorted(chosen.items()))
        if key not in self.cache:
            for group, name in chosen.items():
                self.check_choice(group, name)
            self.cache[key] = _compose(
                [f"{group}={name}" for group, name in chosen.items()], self.trusted_folder
            )
        return copy.deepcopy(self.cache[key])

    def preset(self, name: str) -> Preset:
        """Return a sweep preset."""
        return build(Preset, self.compose({"sweep": self.check_choice("sweep", name)})["sweep"], "sweep")

    def executor(self, name: str, assignments: Iterable[Assignment] = ()) -> Executor:
        """Return the executor of that name with its keys set."""
        values = self.compose({"executor": self.check_choice("executor", name)})
        for assignment in assignments:
            set_key(values, assignment.key, single(assignment))
        return build_named(values["executor"], Executor, "executor", self.trusted_folder)


def conf_folder() -> Path:
    """Return the folder of the yaml files that come with attnbench."""
    import attnbench.conf

    return Path(next(iter(attnbench.conf.__path__)))


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


def parse_overrides(words: Sequence[str]) -> list[Assignment]:
    """Read `key=value` and `key=a,b`; of several for one key the last counts.

    Raises:
        UserError: for anything else, `+key=value` and `~key` included.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    assignments: dict[str, Assignment] = {}
    for word in words:
        try:
            parsed = OverridesParser.create().parse_override(word)
            values = parsed.sweep_iterator() if parsed.is_sweep_override() else (parsed.value(),)
            values = tuple(map(_plain, values))
        except HydraException as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"'{word}' is not an override ({reason}). Write key=value, or key=a,b; a value with special "
                "characters needs quotes that reach the program: \"key='a=b'\"."
            ) from error
        if parsed.is_add() or parsed.is_force_add() or parsed.is_delete():
            raise UserError(f"'{word}': keys can be changed, not added or taken away. Write key=value.")
        if parsed.package is not None:
            raise UserError(f"'{word}': a key cannot be moved to another place. Write key=value.")
        assignments[parsed.key_or_group] = Assignment(parsed.key_or_group, values)
    return list(assignments.values())


def _plain(value: Any) -> Any:
    """Strip Hydra's quoting from a value: its quoted strings know their text."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.text if hasattr(value, "text") and not isinstance(value, str) else value


def leaf_keys(values: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys of all values that a person can set."""
    keys = []
    for key, value in values.items():
        if key != TARGET_KEY:
            keys += leaf_keys(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return keys


def set_key(values: dict[str, Any], key: str, value: Any) -> None:
    """Set one leaf.

    Raises:
        UserError: where there is no such leaf, naming the known ones and the nearest.
    """
    known = [each for each in leaf_keys(values) if not each.startswith("sweep.")]
    if key not in known:
        tops = {each.partition(".")[0] for each in known} | set(GROUPS)
        beside = [each for each in known if each.partition(".")[0] == key.partition(".")[0]]
        raise unknown("key", key, beside or tops, alike=beside or [*known, *tops])
    *groups, name = key.split(".")
    for each in groups:
        values = values[each]
    values[name] = value


def single(assignment: Assignment) -> Any:
    """Return the one value of an assignment.

    Raises:
        UserError: where it has several.
    """
    if len(assignment.values) != 1:
        raise UserError(
            f"{assignment.key} takes one value here; several are for `attnbench sweep` and the keys of a run."
        )
    return assignment.values[0]

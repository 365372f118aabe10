"""The words of the command line that set keys, taken as they are typed, and how a misspelt one is meant."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attnbench.errors import UserError

_KEY = re.compile(r"[\w./-]+")
_CHANGED_OTHERWISE = re.compile(r"(\+{1,2}|~)[\w.@:-]+")
# Hydra's own functions; any other word before a parenthesis is text.
_FUNCTION = re.compile(
    r"\s*(bool|choice|extend_list|float|glob|int|interval|json_str|range|shuffle|sort|str|tag)\(.*\)\s*", re.S
)
_QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
_WHOLLY_QUOTED = re.compile(rf"\s*(?:{_QUOTED})\s*(?=,|$)", re.S)
_BRACKET_OR_QUOTED = re.compile(rf"{_QUOTED}|[\[\]{{}}]", re.S)
_UP_TO_A_COMMA = re.compile(r"(?:\$\{[^}]*\}|\\.|[^,])*", re.S)
QUOTING = "a value with a comma or a bracket of its own needs quotes that reach the program: \"key='a,b'\""


@dataclass(frozen=True)
class Assignment:
    """One override: a key and the values that it takes in turn.

    Attributes:
        values: as Hydra reads them.
        texts: each value as it was typed; None where quotes, brackets or a function say how it is to be read.
    """

    key: str
    values: tuple[Any, ...]
    texts: tuple[str | None, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not self.texts:
            object.__setattr__(self, "texts", (None,) * len(self.values))

    def apart(self) -> "list[Assignment]":
        """Return an assignment for each of the values."""
        pairs = zip(self.values, self.texts, strict=True)
        return [Assignment(self.key, (value,), (text,)) for value, text in pairs]

    @property
    def names(self) -> list[str]:
        """The values of a group: names of yaml files, whatever else they look like."""
        pairs = zip(self.values, self.texts, strict=True)
        return [
            str(value) if isinstance(value, str) or text is None else text.strip() for value, text in pairs
        ]

    @property
    def is_interpolated(self) -> bool:
        """Whether a value refers to other keys, by `${…}`."""
        pairs = zip(self.values, self.texts, strict=True)
        return any(text is None and isinstance(value, str) and "${" in value for value, text in pairs)


def parse_overrides(words: Sequence[str]) -> list[Assignment]:
    """Read `key=value` and `key=a,b`; of several for one key the last counts, and what refers to others comes last.

    Raises:
        UserError: for anything else, `+key=value` and `~key` included.
    """
    parsed = [_parse(word) for word in words]
    assignments = list({each.key: each for each in parsed}.values())
    return sorted(assignments, key=lambda each: each.is_interpolated)


def at_home(path: str | Path) -> Path:
    """Return the path with the home that a `~` at its start stands for; a file may be called `~name` too."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # there is nobody of that name
        return Path(path)


def single(assignment: Assignment) -> Any:
    """Return the one value of an assignment.

    Raises:
        UserError: where it has several.
    """
    if len(assignment.values) != 1:
        raise UserError(
            f"{assignment.key} takes one value here; several are for `attnbench sweep` and the keys of a run. "
            f"{QUOTING[0].upper()}{QUOTING[1:]}."
        )
    return assignment.values[0]


def _parse(word: str) -> Assignment:
    from hydra.errors import HydraException

    key, equals, text = word.partition("=")
    if _CHANGED_OTHERWISE.fullmatch(key):
        raise UserError(f"'{word}': keys can be changed, not added or taken away. Write key=value.")
    if equals and ("@" in key or ":" in key):
        raise UserError(f"'{word}': a key cannot be moved to another place. Write key=value.")
    if not equals or not _KEY.fullmatch(key):
        raise UserError(f"'{word}' is not an override. Write key=value, or key=a,b.")
    try:
        values, texts = zip(*_values(text), strict=True)
    except (HydraException, _UnreadableError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"'{word}' is not an override ({reason}). Write key=value, or key=a,b; {QUOTING}."
        ) from error
    return Assignment(key, values, texts)


class _UnreadableError(Exception):
    """A value that is begun as Hydra has it, and does not go on so."""


def _values(text: str) -> list[tuple[Any, str | None]]:
    """Return each value with the text that it was typed as, or None where that is not to stand for itself."""
    if _FUNCTION.fullmatch(text):
        return [(value, None) for value in _by_hydra(text)]
    parts = list(_parts(text))
    if len(parts) == 1:
        return [_value(text)]
    if not all(part.strip() for part in parts):
        raise _UnreadableError("a comma stands between two values, and one of them is missing")
    return [_value(part.strip()) for part in parts]


def _parts(text: str) -> Iterator[str]:
    """Split at the commas that separate values: not those in quotes, in brackets, in `${…}` or after a backslash."""
    start = 0
    while True:
        quoted = _WHOLLY_QUOTED.match(text, start)
        end = quoted.end() if quoted else _end_of_part(text, start)
        yield text[start:end]
        if end == len(text):
            return
        start = end + 1


def _end_of_part(text: str, start: int) -> int:
    first = start + len(text[start:]) - len(text[start:].lstrip())
    if text[first : first + 1] in ("[", "{"):
        depth = 0
        for found in _BRACKET_OR_QUOTED.finditer(text, first):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
            if depth == 0:
                start = found.end()
                break
        else:
            raise _UnreadableError(f"'{text[first]}' is not closed")
    rest = _UP_TO_A_COMMA.match(text, start)
    assert rest is not None
    return rest.end()


def _value(part: str) -> tuple[Any, str | None]:
    from hydra.errors import HydraException

    bare = part.strip()
    is_structure = bare[:1] + bare[-1:] in ("[]", "{}")
    as_typed = part.replace("\\,", ",")
    try:
        [value] = _by_hydra(part)
    except HydraException:
        if is_structure:
            raise
        return as_typed, as_typed
    if is_structure or _FUNCTION.fullmatch(part) or _WHOLLY_QUOTED.fullmatch(part) or "${" in part:
        return value, None
    return value, as_typed


def _by_hydra(text: str) -> list[Any]:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_override(f"key={text}")
    return [
        _plain(each) for each in (parsed.sweep_iterator() if parsed.is_sweep_override() else [parsed.value()])
    ]


def _plain(value: Any) -> Any:
    """Strip Hydra's quoting from a value: its quoted strings know their text."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.text if hasattr(value, "text") and not isinstance(value, str) else value


# How a choice of a group is typed, where it stands by itself.
_CHOICES = {
    "task": "task={}",
    "model": "model={}",
    "sweep": "attnbench sweep --preset {}",
    "executor": "attnbench sweep --executor {}",
}
_CELLS = ("lstm", "gru")
_ONE_VECTOR = (
    *(
        "none",
        "no_attention",
        "noattention",
        "without_attention",
        "no",
        "vanilla",
        "vector",
        "context",
        "bottleneck",
    ),
    *("seq2seq", "baseline", "plain", "encoder_decoder"),
)
_ATTENTION = ("attention", "attn", "with_attention", "soft_attention")
# Words of other programs for keys of ours.
_ALIASES = {
    "lr": "training.learning_rate",
    "hidden": "model.hidden_size",
    "dim": "model.hidden_size",
    **dict.fromkeys(("walltime", "wall_time", "time", "time_limit", "timelimit"), "executor.time_minutes"),
    **dict.fromkeys(("mem", "ram"), "executor.memory_gb"),
    **dict.fromkeys(("cpus_per_task", "cores"), "executor.cpus"),
    **dict.fromkeys(("gpus_per_node", "gres"), "executor.gpus"),
}


def instead_of_bare_word(
    words: Sequence[str], place: int, choices: Callable[[str], list[str]], keys: Iterable[str]
) -> str:
    """Return " Did you mean …?" for a word without `=`, or nothing where nobody can tell.

    Args:
        words: all overrides.
        place: of the one that has no `=`.
        choices: gives the names of a group.
        keys: all known keys.
    """
    word, before, after = words[place], words[place - 1] if place else "", words[place + 1 : place + 2]
    if before.endswith("="):
        return f" Did you mean {before}{word}? No blank stands beside the =."
    key = full_key(word.lstrip("-"), keys)
    if key is not None:
        return f" Did you mean {key}={after[0].lstrip('=') if after else '…'}?"
    names = {name: typed for group, typed in _CHOICES.items() for name in choices(group)}
    parts = word.split(",")
    typed = [names[each] for each in parts if each in names]
    if len(typed) == len(parts) and len(set(typed)) == 1:
        return f" Did you mean {typed[0].format(word)}?"
    alike = difflib.get_close_matches(word, sorted(names), n=1, cutoff=0.7)
    return f" Did you mean {names[alike[0]].format(alike[0])}?" if alike else ""


def full_key(name: str, known: Iterable[str]) -> str | None:
    """Return the known key that is this one, or ends with it, written with - or _; None where no one key does."""
    known = list(dict.fromkeys(known))
    spelt = name.replace("-", "_")
    if spelt in known:
        return spelt
    alias = _ALIASES.get(spelt.removeprefix("executor."))
    if alias in known:
        return alias
    found = [each for each in known if each.rpartition(".")[2] == spelt.rpartition(".")[2]]
    return found[0] if len(found) == 1 else None


def instead_of_model(name: str, described: Mapping[str, str]) -> str:
    """Return " Did you mean …?" for words that name a kind of model and no arm of ours, or nothing.

    Args:
        name: what was typed.
        described: every arm with its line.
    """
    kind = name.lower().replace("-", "_")
    if kind in _CELLS:
        return f" Did you mean model.cell={kind}, with fixed or any other recurrent arm?"
    if kind in _ONE_VECTOR:
        return " Did you mean fixed, one vector without attention?"
    if kind in _ATTENTION:
        found = [
            each for each, line in described.items() if "attention" in line.lower() and not _squeezes(line)
        ]
    else:
        found = [each for each in described if each.startswith(f"{kind}_")]
    if len(found) < 2:
        return ""
    what = "The arms with attention" if kind in _ATTENTION else f"There are several {kind} arms"
    return f" {what}: {', '.join(found)}."


def _squeezes(line: str) -> bool:
    """Say whether an arm's line tells of a context that the length of the source does not widen."""
    return " once" in line or "one vector" in line

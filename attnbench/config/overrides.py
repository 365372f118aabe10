"""The words `key=value` of the command line and of presets.

Values are read as Hydra reads them: numbers, `a,b`, lists, quotes, ranges. What Hydra cannot read, and whatever a key
that takes text is given, stays as it was typed: paths hold blanks, `~`, `#`, quotes and letters of every language.
"""

import re
from collections.abc import Iterator, Sequence
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

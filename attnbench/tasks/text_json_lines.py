"""JSON Lines: one object a line, with texts and marks in named fields."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attnbench.errors import UserError, unknown
from attnbench.tasks.text_files import read_lines, shortened

EXPECTED = 'expected a JSON object such as {"source": "…", "target": "…"}'


@dataclass(frozen=True)
class JsonLine:
    """One object of a file.

    Attributes:
        values: by the names of the fields.
        place: file and line, for messages.
    """

    values: dict[str, Any]
    place: str

    def text(self, name: str) -> str | list[str]:
        """Return the text of one field: a string, or a list of strings.

        `name.0` is the first item of a list, `name.other` the field `other` within the field `name`. A field whose
        own name has dots goes before.

        Raises:
            UserError: where there is no such text.
        """
        value = self._value(name)
        texts: list[Any] = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            known = ", ".join(f"{name}.{key}" for key in value) if isinstance(value, dict) else ""
            raise UserError(
                f"{self.place}: expected a string or a list of strings in the field '{name}', got {_quoted(value)}"
                + (f" (known within it: {known})" if known else "")
            )
        self._check_characters(texts, name)
        return value

    def marks(self, name: str, marked: str) -> list[bool]:
        """Return which sentences are marked by one field: a list of 0 and 1, one for each string of `marked`.

        Raises:
            UserError: where `marked` is no list, or the field is none of its length.
        """
        sentences, marks = self._value(marked), self._value(name)
        if not isinstance(sentences, list):
            raise UserError(
                f"{self.place}: expected a list of sentences in the field '{marked}', since the field '{name}' marks "
                f"some of them; got {_quoted(sentences)}"
            )
        if not isinstance(marks, list) or not all(type(mark) is int and mark in (0, 1) for mark in marks):
            raise UserError(
                f"{self.place}: expected a list of 0 and 1 in the field '{name}', got {_quoted(marks)}"
            )
        if len(marks) != len(sentences):
            raise UserError(
                f"{self.place}: expected {len(sentences)} marks in the field '{name}', one for each sentence of "
                f"'{marked}', got {len(marks)}."
            )
        return [mark == 1 for mark in marks]

    def _value(self, name: str) -> Any:
        value: Any = self.values
        path, parts = "", name.split(".")
        while parts:
            key, parts = _first_key(value, parts)
            if isinstance(value, dict) and key in value:
                value = value[key]
            elif path and key.isdecimal() and not isinstance(value, dict):
                value = self._item(value, path, int(key))
            else:
                raise UserError(f"{self.place}: {unknown('field', name, _known_fields(self.values))}")
            path = f"{path}.{key}" if path else key
        return value

    def _item(self, value: Any, name: str, position: int) -> Any:
        if not isinstance(value, list) or position >= len(value):
            length = f"a list of {len(value)}" if isinstance(value, list) else _quoted(value)
            raise UserError(
                f"{self.place}: expected at least {position + 1} strings in '{name}', got {length}."
            )
        return value[position]

    def _check_characters(self, texts: list[str], name: str) -> None:
        try:
            "".join(texts).encode()
        except UnicodeEncodeError:
            raise UserError(
                f"{self.place}: the field '{name}' holds half of a character (a lone \\ud8xx escape). "
                "Correct that line."
            ) from None


def read_json_lines(path: Path) -> Iterator[JsonLine | None]:
    """Yield the object of every line, None for an empty one.

    Raises:
        UserError: where the file cannot be read, or a line is no JSON object.
    """
    for number, line in enumerate(read_lines(path), start=1):
        place = f"{path}, line {number}"
        yield JsonLine(_json_object(line, place), place) if line.strip() else None


def _json_object(line: str, place: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: {EXPECTED}, got broken JSON ({error}): {shortened(line)}") from None
    if not isinstance(values, dict):
        raise UserError(f"{place}: {EXPECTED}, got {shortened(line)}")
    return values


def _first_key(value: Any, parts: list[str]) -> tuple[str, list[str]]:
    """Return the key at which the parts of a name begin, the longest that the value has, and the parts left."""
    for count in range(len(parts), 0, -1):
        key = ".".join(parts[:count])
        if isinstance(value, dict) and key in value:
            return key, parts[count:]
    return parts[0], parts[1:]


def _known_fields(values: dict[str, Any], path: str = "") -> list[str]:
    """Return the names of all fields, those within others behind a dot; not of those that hold fields alone."""
    names = []
    for key, value in values.items():
        names += (
            _known_fields(value, f"{path}{key}.") if isinstance(value, dict) and value else [f"{path}{key}"]
        )
    return names


def _quoted(value: Any) -> str:
    return shortened(json.dumps(value))

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
        """Return the text of one field: a string, a list of strings, or with `name.0` one string of a list.

        Raises:
            UserError: where there is no such text.
        """
        value = self._value(name)
        texts: list[Any] = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            raise UserError(
                f"{self.place}: expected a string or a list of strings in the field '{name}', got {_quoted(value)}"
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
        whole, _, position = name.rpartition(".")
        if name not in self.values and whole in self.values and position.isdecimal():
            return self._item(whole, int(position))
        if name not in self.values:
            raise UserError(f"{self.place}: {unknown('field', name, self.values)}")
        return self.values[name]

    def _item(self, name: str, position: int) -> Any:
        value = self.values[name]
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


def _quoted(value: Any) -> str:
    return shortened(json.dumps(value))

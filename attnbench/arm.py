"""Which arm a run belongs to: what its rows are pooled by in every table, and how that is written and read."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

Protocol = Literal["per_length", "mixed", "extrapolation"]

# A text that holds one of these cannot stand bare between semicolons on one line; null is written for no value.
_NEEDS_QUOTES = re.compile(r'[;"\x00-\x1f]|^\s|\s$|^null$')


@dataclass(frozen=True)
class Variant:
    """The differences of an arm from the defaults of conf/, such as `model.cell=gru;training.steps=6000`.

    Tables hold its text: `key=value`, sorted by key, between semicolons; empty where nothing differs. A value
    with a semicolon, a quote or a line break in it is written as a JSON string.

        >>> Variant.of({"training.steps": 600, "task.source_field": "s;t"})
        Variant('task.source_field="s;t";training.steps=600')

    Attributes:
        changes: keys and their values as they are written, sorted by key.
    """

    changes: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Variant":
        """Return the variant of these dotted keys and their values, as yaml holds them."""
        return cls(tuple(sorted((key, _written(value)) for key, value in values.items())))

    @classmethod
    def parse(cls, text: str) -> "Variant":
        """Return the variant that a cell of a table holds, so that `parse(str(variant)) == variant`.

        Before values were quoted, those with semicolons were written bare: a part that has no `=` belongs to
        the value before it.
        """
        return _parse(text)

    def get(self, key: str) -> str | None:
        """Return a key's value as it is written; None where the key is at its default."""
        return dict(self.changes).get(key)

    def replaced(self, values: Mapping[str, Any]) -> "Variant":
        """Return the variant with these keys set."""
        return Variant(tuple(sorted(dict(self.changes + Variant.of(values).changes).items())))

    def only(self, keep: Iterable[str]) -> "Variant":
        """Return the variant with these keys alone."""
        kept = set(keep)
        return Variant(tuple(change for change in self.changes if change[0] in kept))

    def without(self, drop: Iterable[str]) -> "Variant":
        """Return the variant without these keys."""
        return self.only({key for key, _ in self.changes} - set(drop))

    @property
    def parts(self) -> list[str]:
        """Each change as it is written: `key=value`."""
        return [f"{key}={value}" for key, value in self.changes]

    def __str__(self) -> str:
        return ";".join(self.parts)

    def __repr__(self) -> str:
        return f"Variant({str(self)!r})"

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __lt__(self, other: "Variant") -> bool:
        return str(self) < str(other)


NO_CHANGES = Variant()


def shared_changes(variants: Iterable[Variant]) -> Variant:
    """Return what all of these have in common; nothing where there are none."""
    found = list(variants)
    common = set.intersection(*(set(each.changes) for each in found)) if found else set()
    return Variant(tuple(sorted(common)))


class Arm(NamedTuple):
    """What tells one arm from another, in the order of the columns of every table."""

    task: str
    model: str
    variant: Variant
    protocol: str
    hidden_size: int
    # None for `per_length`, where every length has a train range of its own, and where it is not known.
    train_min_length: int | None
    train_max_length: int | None


def _written(value: Any) -> str:
    """Write a value as yaml does, numbers as short as they read back equal."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if _NEEDS_QUOTES.search(value) else value
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=1024)
def _parse(text: str) -> Variant:
    whole: dict[str, str] = {}
    bare: dict[str, str] = {}
    key = ""
    while text:
        name, equals, rest = text.partition("=")
        if ";" in name or not equals:  # a semicolon within the value before, written without quotes
            more, _, text = text.partition(";")
            bare[key] = f"{whole.pop(key, '') or bare.get(key, '')};{more}"
            continue
        key, found = name, _whole_json(rest)
        value = rest.partition(";")[0] if found is None else found
        (bare if found is None else whole)[key] = value
        text = rest[len(value) + 1 :]
    return Variant(tuple(sorted({**whole, **{key: _written(value) for key, value in bare.items()}}.items())))


def _whole_json(text: str) -> str | None:
    """Return the JSON value that a part begins with and ends with; None where it is bare text."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    return text[:end] if text[end : end + 1] in ("", ";") else None

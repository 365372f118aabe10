"""Parallel text from files: two line-aligned files, one TSV, or one JSON Lines file with named fields."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from attnbench.errors import UserError, unknown

TWO_SIDED_SUFFIXES = (".tsv", ".jsonl")


@dataclass(frozen=True)
class PairFiles:
    """Where the pairs of one split stand.

    Attributes:
        source: a text file with one source a line, or a .tsv or .jsonl that holds both sides.
        target: the text file with one target a line; None where `source` holds both sides.
        source_field: name of the source's field in JSON Lines; `name.0` is the first string of a list.
        target_field: the same for the target.
    """

    source: Path
    target: Path | None
    source_field: str
    target_field: str


@dataclass(frozen=True)
class Pair:
    """One source and its target as people write them, single blanks between words, neither empty."""

    source: str
    target: str

    @property
    def source_words(self) -> int:
        """Words of the source: its length."""
        return len(self.source.split(" "))

    @property
    def target_words(self) -> int:
        """Words of the target."""
        return len(self.target.split(" "))


@dataclass(frozen=True)
class PairsRead:
    """The pairs of one split in the order of its files.

    Attributes:
        pairs: those with text on both sides.
        empty: how many were left out because a side is empty.
        joined: how many had a side that is a list of several strings, joined with blanks.
    """

    pairs: tuple[Pair, ...]
    empty: int
    joined: int


def holds_both_sides(path: str | Path) -> bool:
    """Return whether a file of this name holds sources and targets."""
    return Path(path).suffix.lower() in TWO_SIDED_SUFFIXES


def read_pairs(files: PairFiles) -> PairsRead:
    """Read all pairs of one split.

    Raises:
        UserError: where the files are not what `files` says; with file, line, and what to do.
    """
    pairs: list[Pair] = []
    empty = joined = 0
    for source, target in _sides(files):
        joined += _is_several(source) or _is_several(target)
        pair = Pair(_one_line(source), _one_line(target))
        if pair.source and pair.target:
            pairs.append(pair)
        else:
            empty += 1
    return PairsRead(tuple(pairs), empty, joined)


def read_lines(path: Path) -> list[str]:
    """Read the lines of a UTF-8 text, without their ends; a byte order mark and Windows line ends are accepted.

    Only line feeds end a line: other separators of Unicode may stand inside a sentence, and counting them
    would move the lines of one file against those of the other.

    Raises:
        UserError: when the file is missing, a folder, unreadable, empty, or not UTF-8.
    """
    content = _read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, content, error) from None
    if not text.strip():
        raise UserError(f"{path} is empty: expected text, one example a line.")
    lines = text.removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in lines]


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's content in hex; the same wherever the file lies.

    Raises:
        UserError: when the file cannot be read.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return _content_hash(path.absolute(), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _content_hash(path: Path, size: int, modified_ns: int) -> str:
    del size, modified_ns  # they stand in the key, so that a changed file is hashed again
    return hashlib.sha256(_read_bytes(path)).hexdigest()


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> UserError:
    if isinstance(error, FileNotFoundError):
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        return UserError(f"{path} does not exist{where}. Check the spelling of the path.")
    if isinstance(error, IsADirectoryError):
        return UserError(f"{path} is a folder: expected a text file. Name the file in it.")
    return UserError(f"{path} cannot be read: {error.strerror}.")


def _not_utf8(path: Path, content: bytes, error: UnicodeDecodeError) -> UserError:
    # The error counts from behind the byte order mark, if there is one.
    at = error.start + len(content) - len(error.object)
    line = content.count(b"\n", 0, at) + 1
    column = at - content.rfind(b"\n", 0, at)
    return UserError(
        f"{path}, line {line}, byte {column}: expected UTF-8, got the byte 0x{content[at]:02x}. "
        "Save the file as UTF-8 (for instance with iconv -f LATIN1 -t UTF-8)."
    )


Side = str | list[str]


def _sides(files: PairFiles) -> Iterator[tuple[Side, Side]]:
    if files.target is not None:
        return _line_aligned(files.source, files.target)
    if files.source.suffix.lower() == ".tsv":
        return _tab_separated(files.source)
    return _json_lines(files)


def _line_aligned(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    sources, targets = read_lines(source), read_lines(target)
    if len(sources) != len(targets):
        raise UserError(
            f"{source} has {len(sources)} lines and {target} has {len(targets)}: expected as many, "
            "line n of one being the translation of line n of the other."
        )
    return zip(sources, targets, strict=True)


def _tab_separated(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(read_lines(path), start=1):
        columns = line.split("\t") if line.strip() else ["", ""]
        if len(columns) != 2:
            raise UserError(
                f"{path}, line {number}: expected two columns (source, a tab, target), "
                f"got {len(columns)}: {_shortened(line)}"
            )
        yield columns[0], columns[1]


def _json_lines(files: PairFiles) -> Iterator[tuple[Side, Side]]:
    for number, line in enumerate(read_lines(files.source), start=1):
        if not line.strip():
            yield "", ""
            continue
        place = f"{files.source}, line {number}"
        record = _json_object(line, place)
        yield _field(record, files.source_field, place), _field(record, files.target_field, place)


def _json_object(line: str, place: str) -> dict[str, Any]:
    expected = 'expected a JSON object such as {"source": "…", "target": "…"}'
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: {expected}, got broken JSON ({error}): {_shortened(line)}") from None
    if not isinstance(record, dict):
        raise UserError(f"{place}: {expected}, got {_shortened(line)}")
    return record


def _field(record: dict[str, Any], name: str, place: str) -> Side:
    """Return the text of one field: a string, a list of strings, or with `name.0` one string of a list."""
    value: Any = record.get(name)
    whole, _, position = name.rpartition(".")
    if name not in record and whole in record and position.isdecimal():
        value = _item(record[whole], whole, int(position), place)
    elif name not in record:
        raise UserError(f"{place}: {unknown('field', name, record)}")
    texts: list[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise UserError(
            f"{place}: expected a string or a list of strings in the field '{name}', "
            f"got {_shortened(json.dumps(value))}"
        )
    _check_characters(texts, name, place)
    return value


def _item(value: Any, name: str, position: int, place: str) -> Any:
    if not isinstance(value, list) or position >= len(value):
        length = f"a list of {len(value)}" if isinstance(value, list) else _shortened(json.dumps(value))
        raise UserError(f"{place}: expected at least {position + 1} strings in '{name}', got {length}.")
    return value[position]


def _check_characters(texts: list[str], name: str, place: str) -> None:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{place}: the field '{name}' holds half of a character (a lone \\ud8xx escape). Correct that line."
        ) from None


def _is_several(side: Side) -> bool:
    return isinstance(side, list) and len(side) > 1


def _one_line(side: Side) -> str:
    text = side if isinstance(side, str) else " ".join(side)
    return " ".join(text.split())


def _shortened(text: str, width: int = 60) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"

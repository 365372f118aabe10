"""Pairs from two line-aligned files, one TSV, one file with named fields (JSON Lines, CSV, Parquet), or a set."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from attnbench.errors import UserError, unknown
from attnbench.formatting import shortened
from attnbench.tasks.text.alignments import LinkedLine, Links, outside_remarks, read_alignment
from attnbench.tasks.text.files import content_hash, read_lines
from attnbench.tasks.text.pairs import Block, Pair, PairsRead, word_count
from attnbench.tasks.text.tables import Row, read_csv, read_parquet, read_set, set_hash
from attnbench.vocabulary import one_line, words_of

JSON_LINES = ".jsonl"
TAB_SEPARATED = ".tsv"
CSV = ".csv"
PARQUET = ".parquet"
PACKED = ".gz"
# How people name the columns of parallel text: their roles, languages and their codes (ISO 639-1).
COLUMN_NAMES = frozenset(
    words_of(
        "source target src tgt trg input output question answer text summary document article sentence translation "
        "source_text target_text source_sentence target_sentence original reference query response prompt "
        "completion afrikaans albanian arabic armenian basque bengali bulgarian catalan chinese croatian czech "
        "danish dutch english esperanto estonian finnish french galician georgian german greek hebrew hindi "
        "hungarian icelandic indonesian irish italian japanese korean latin latvian lithuanian macedonian malay "
        "norwegian persian polish portuguese romanian russian serbian slovak slovenian spanish swahili swedish "
        "tamil telugu thai turkish ukrainian urdu vietnamese welsh af sq ar hy eu bn bg ca zh hr cs da nl en eo et "
        "fi fr gl ka de el he hi hu is id ga it ja ko la lv lt mk ms no fa pl pt ro ru sr sk sl es sw sv ta te th "
        "tr uk ur vi cy"
    )
)


@dataclass(frozen=True)
class PairFiles:
    """Where the pairs of one split stand.

    Attributes:
        source: a text file with one source a line, or a .tsv or .jsonl that holds both sides.
        target: the text file with one target a line; None where `source` holds both sides.
        source_field: name of the source's field in JSON Lines; `name.0` is the first item of a list, `name.other` a
            field within a field.
        target_field: the same for the target.
        alignment: links between the words of each pair, line for line; None for none.
        gold_field: name of the field in JSON Lines that marks the source's sentences which hold the target.
        header: whether the first line of a .tsv names its columns; None: where it plainly does.
    """

    source: Path
    target: Path | None
    source_field: str
    target_field: str
    alignment: Path | None = None
    gold_field: str | None = None
    header: bool | None = None

    @property
    def paths(self) -> list[Path]:
        return [path for path in (self.source, self.target, self.alignment) if path]

    def read(self) -> PairsRead:
        """Read all pairs; where a file is not what it should be, a UserError says file, line and what was expected."""
        records = list(self._records())
        remarks = [_header_remark(self.source, records.pop(0))] if self._has_header(records) else []
        linked = list(map(_linked_pair, records, self._linked_lines(len(records))))
        pairs = [pair for pair, _ in linked]
        if self.alignment:
            remarks += outside_remarks(self.alignment, [links for _, links in linked])
        whole = tuple(pair for pair in pairs if pair.source and pair.target)
        return PairsRead(
            pairs=whole,
            empty=len(pairs) - len(whole),
            joined=sum(map(self._is_joined, records)),
            is_aligned=bool(self.alignment or self.gold_field),
            remarks=tuple(remarks),
        )

    def _has_header(self, records: Sequence["_Record"]) -> bool:
        if self.target is not None or not is_tab_separated(self.source) or not records:
            return False
        if self.header is not None:
            return self.header
        names = [str(side).strip().lower() for side in (records[0].source, records[0].target)]
        return names[0] != names[1] and COLUMN_NAMES.issuperset(names)

    def hashes(self) -> list[str]:
        target = content_hash(self.target) if self.target else "none"
        links = [f"alignment {content_hash(self.alignment)}"] if self.alignment else []
        return [content_hash(self.source), target, *links]

    def _records(self) -> Iterator["_Record"]:
        if self.target is not None:
            return _line_aligned(self.source, self.target)
        if is_json_lines(self.source):
            return (self._record(line) if line else EMPTY for line in read_json_lines(self.source))
        if _kind(self.source) in _TABLES:
            return self._rows(_TABLES[_kind(self.source)](self.source))
        return _tab_separated(self.source)

    def _rows(self, rows: Iterable[Row]) -> Iterator["_Record"]:
        return (self._record(JsonLine(values, place)) for values, place in rows)

    def _record(self, line: "JsonLine") -> "_Record":
        gold = line.marks(self.gold_field, self.source_field) if self.gold_field else []
        return _Record(line.text(self.source_field), line.text(self.target_field), gold)

    def _is_joined(self, record: "_Record") -> bool:
        # Sentences that are marked are no alternatives: that they are joined needs no mention.
        return _is_several(record.target) or (self.gold_field is None and _is_several(record.source))

    def _linked_lines(self, pairs: int) -> list[LinkedLine]:
        if self.alignment is None:
            return [LinkedLine("", "")] * pairs
        return read_alignment(self.alignment, pairs, self.source)


@dataclass(frozen=True)
class SetPairs(PairFiles):
    """One split of a Hugging Face set; `source` is its name or folder.

    Attributes:
        config: the set's configuration; None where it has but one.
        split: which.
    """

    config: str | None = None
    split: str = "train"

    @property
    def paths(self) -> list[Path]:
        return []

    def hashes(self) -> list[str]:
        names = [name for name in (self.source_field, self.target_field, self.gold_field) if name]
        return [set_hash(str(self.source), self.config, self.split, tuple(names)), "set"]

    def _records(self) -> Iterator["_Record"]:
        return self._rows(read_set(str(self.source), self.config, self.split))


_TABLES = {CSV: read_csv, PARQUET: read_parquet}


def holds_both_sides(path: str | Path) -> bool:
    """Return whether a file of this name holds sources and targets."""
    return has_fields(path) or is_tab_separated(path)


def has_fields(path: str | Path) -> bool:
    """Return whether a file of this name holds rows with named fields."""
    return is_json_lines(path) or _kind(path) in _TABLES


def is_json_lines(path: str | Path) -> bool:
    """Return whether a file of this name holds JSON Lines."""
    return _kind(path) == JSON_LINES


def is_tab_separated(path: str | Path) -> bool:
    """Return whether a file of this name holds a source, a tab and a target on each line."""
    return _kind(path) == TAB_SEPARATED


def _kind(path: str | Path) -> str:
    name = Path(path).name.lower()
    return Path(name.removesuffix(PACKED)).suffix


class _Record(NamedTuple):
    """Both sides as a file has them, and which strings of the source are marked as gold."""

    source: str | list[str]
    target: str | list[str]
    gold: Iterable[bool] = ()


EMPTY = _Record("", "")


def _line_aligned(source: Path, target: Path) -> Iterator[_Record]:
    sources, targets = read_lines(source), read_lines(target)
    if len(sources) != len(targets):
        raise UserError(
            f"{source} has {len(sources)} lines and {target} has {len(targets)}: expected as many, "
            "line n of one being the translation of line n of the other."
        )
    return map(_Record, sources, targets)


def _tab_separated(path: Path) -> Iterator[_Record]:
    for number, line in enumerate(read_lines(path), start=1):
        columns = line.split("\t") if line.strip() else ["", ""]
        if len(columns) != 2:
            raise UserError(
                f"{path}, line {number}: expected two columns (source, a tab, target), "
                f"got {len(columns)}: {shortened(line)}"
            )
        yield _Record(columns[0], columns[1])


def _header_remark(path: Path, header: _Record) -> str:
    return (
        f"The first line of {path} names the columns ({header.source}, {header.target}) and is no pair; "
        "with task.header=false it is one."
    )


def _linked_pair(record: _Record, line: LinkedLine) -> tuple[Pair, Links]:
    source, target = _joined(record.source), _joined(record.target)
    links = line.links(word_count(source), word_count(target))
    gold = tuple(_gold_blocks(record, word_count(target)))
    pair = Pair(source, target, word_count(source), sure=links.sure + gold, possible=links.possible + gold)
    return pair, links


def _gold_blocks(record: _Record, target_words: int) -> Iterator[Block]:
    """Yield a block for each sentence that is marked: every target word stands in it."""
    ends = accumulate((word_count(one_line(sentence)) for sentence in record.source), initial=0)
    for is_gold, (start, stop) in zip(record.gold, pairwise(ends), strict=False):
        if is_gold and stop > start:
            yield Block(0, target_words, start, stop)


def _is_several(side: str | list[str]) -> bool:
    return isinstance(side, list) and len(side) > 1


def _joined(side: str | list[str]) -> str:
    text = side if isinstance(side, str) else " ".join(side)
    return one_line(text) if text.strip() else ""  # blanks of any kind alone are no text


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

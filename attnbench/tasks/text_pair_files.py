"""Pairs from files: two line-aligned files, one TSV, or one JSON Lines file with named fields."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

from attnbench.errors import UserError
from attnbench.tasks.text_alignments import LinkedLine, read_alignment
from attnbench.tasks.text_files import content_hash, read_lines, shortened
from attnbench.tasks.text_json_lines import JsonLine, read_json_lines
from attnbench.tasks.text_pair import Block, Pair, PairsRead, one_line, word_count

JSON_LINES = ".jsonl"
TWO_SIDED_SUFFIXES = (".tsv", JSON_LINES)


@dataclass(frozen=True)
class PairFiles:
    """Where the pairs of one split stand.

    Attributes:
        source: a text file with one source a line, or a .tsv or .jsonl that holds both sides.
        target: the text file with one target a line; None where `source` holds both sides.
        source_field: name of the source's field in JSON Lines; `name.0` is the first string of a list.
        target_field: the same for the target.
        alignment: links between the words of each pair, line for line; None for none.
        gold_field: name of the field in JSON Lines that marks the source's sentences which hold the target.
    """

    source: Path
    target: Path | None
    source_field: str
    target_field: str
    alignment: Path | None = None
    gold_field: str | None = None

    def read(self) -> PairsRead:
        """Read all pairs; where a file is not what it should be, a UserError says file, line and what was expected."""
        records = list(self._records())
        pairs = list(map(_pair, records, self._linked_lines(len(records))))
        whole = tuple(pair for pair in pairs if pair.source and pair.target)
        return PairsRead(
            pairs=whole,
            empty=len(pairs) - len(whole),
            joined=sum(map(self._is_joined, records)),
            is_aligned=bool(self.alignment or self.gold_field),
        )

    def hashes(self) -> list[str]:
        target = content_hash(self.target) if self.target else "none"
        links = [f"alignment {content_hash(self.alignment)}"] if self.alignment else []
        return [content_hash(self.source), target, *links]

    def _records(self) -> Iterator["_Record"]:
        if self.target is not None:
            return _line_aligned(self.source, self.target)
        if is_json_lines(self.source):
            return (self._record(line) if line else EMPTY for line in read_json_lines(self.source))
        return _tab_separated(self.source)

    def _record(self, line: JsonLine) -> "_Record":
        gold = line.marks(self.gold_field, self.source_field) if self.gold_field else []
        return _Record(line.text(self.source_field), line.text(self.target_field), gold)

    def _is_joined(self, record: "_Record") -> bool:
        # Sentences that are marked are no alternatives: that they are joined needs no mention.
        return _is_several(record.target) or (self.gold_field is None and _is_several(record.source))

    def _linked_lines(self, pairs: int) -> list[LinkedLine]:
        if self.alignment is None:
            return [LinkedLine("", "")] * pairs
        return read_alignment(self.alignment, pairs, self.source)


def holds_both_sides(path: str | Path) -> bool:
    """Return whether a file of this name holds sources and targets."""
    return Path(path).suffix.lower() in TWO_SIDED_SUFFIXES


def is_json_lines(path: str | Path) -> bool:
    """Return whether a file of this name holds JSON Lines."""
    return Path(path).suffix.lower() == JSON_LINES


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


def _pair(record: _Record, line: LinkedLine) -> Pair:
    source, target = _joined(record.source), _joined(record.target)
    sure, possible = line.blocks(word_count(source), word_count(target))
    gold = tuple(_gold_blocks(record, word_count(target)))
    return Pair(source, target, word_count(source), sure=sure + gold, possible=possible + gold)


def _gold_blocks(record: _Record, target_words: int) -> Iterator[Block]:
    """Yield a block for each sentence that is marked: every target word stands in it."""
    ends = accumulate((word_count(one_line(sentence)) for sentence in record.source), initial=0)
    for is_gold, (start, stop) in zip(record.gold, pairwise(ends), strict=False):
        if is_gold and stop > start:
            yield Block(0, target_words, start, stop)


def _is_several(side: str | list[str]) -> bool:
    return isinstance(side, list) and len(side) > 1


def _joined(side: str | list[str]) -> str:
    return one_line(side if isinstance(side, str) else " ".join(side))

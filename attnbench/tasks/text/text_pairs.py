"""Pairs of texts from a person's files: translations, summaries, whatever answers a source with a target."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from attnbench.errors import UserError
from attnbench.ranges import Count
from attnbench.tasks.base import Split
from attnbench.tasks.text.encoding import Encoding
from attnbench.tasks.text.formats import (
    PairFiles,
    SetPairs,
    has_fields,
    holds_both_sides,
    is_tab_separated,
)
from attnbench.tasks.text.splits import SplitFiles
from attnbench.tasks.text.subwords import SMALLEST_SUBWORD_VOCABULARY
from attnbench.tasks.text.tables import load_set
from attnbench.tasks.text.task import IS_PATH, ExampleNames, TextTask
from attnbench.vocabulary import BOS, PAD, SPECIAL_TOKENS


@dataclass(frozen=True, kw_only=True)
class TextPairs(TextTask):
    """Write the target that belongs to the source. The length counts the source's words, blanks between them.

    Words are what stands between the blanks of ASCII (`attnbench.vocabulary.words_of`), for lengths, alignments and
    marks alike.

        source   ▁in ▁the ▁beginning ▁god ▁created ▁the ▁heaven s
        target   ▁en ▁la ▁komenco ▁dio ▁kre is ▁la ▁cxielo n <eos>

    Where the files say which words of the source belong to which of the target, attention is scored too: by links
    between words, or by the sentences of a document that hold all of its summary. What links two words links all
    their pieces; the end mark has no link.

    Attributes:
        source: file of the training sources, or a .tsv, .jsonl, .csv or .parquet with both sides.
        target: file of the training targets, line for line; None where `source` holds both sides.
        validation_target: see `target`.
        test_target: see `target`.
        source_field: field that holds the source, of a file with named fields or of a set; `name.0` is the first
            string of a list, `name.other` a field within a field.
        target_field: the same for the target.
        units: whether tokens are pieces of words or the most frequent words.
        source_vocabulary_size: tokens at most, special ones included.
        target_vocabulary_size: the same for the target.
        eos: whether the target closes with an end mark.
        alignment: file of links between the words of the training pairs, line for line; None for none.
        validation_alignment: the same for `validation_source`.
        test_alignment: the same for `test_source`.
        gold_field: field of a .jsonl with a 0 or 1 for each string of the source's list: 1 where it holds the
            target; None for none.
        length_unit: what the length of a source counts: words, the pieces of words that are its tokens, or characters,
            blanks between words included.
        header: whether the first line of a .tsv names its columns; None: where it plainly does.
        dataset: a Hugging Face set in place of files, by its name on the Hub or its folder; None for files. Its splits
            `validation` and `test` are used where it has them.
        dataset_config: the configuration of the set; None where it has but one.
    """

    target: str | None = field(metadata=IS_PATH)
    validation_target: str | None = field(metadata=IS_PATH)
    test_target: str | None = field(metadata=IS_PATH)
    source_field: str
    target_field: str
    units: Literal["subword", "word"]
    source_vocabulary_size: Count
    target_vocabulary_size: Count
    eos: bool
    alignment: str | None = field(default=None, metadata=IS_PATH)
    validation_alignment: str | None = field(default=None, metadata=IS_PATH)
    test_alignment: str | None = field(default=None, metadata=IS_PATH)
    gold_field: str | None = None
    length_unit: Literal["words", "subwords", "characters"] = "words"
    header: bool | None = None
    dataset: str | None = None
    dataset_config: str | None = None

    @property
    def names(self) -> ExampleNames:
        return ExampleNames(
            one="pair", measure=f"source {self.length_unit}", target_measure=f"target {self.length_unit}"
        )

    @property
    def ends_with_mark(self) -> bool:
        return self.eos

    @property
    def answers(self) -> Sequence[int]:
        numbers = range(len(self.target_vocabulary.tokens))
        return [number for number in numbers if number not in (PAD, BOS)]

    @property
    def _split_files(self) -> SplitFiles:
        sizes = self.source_vocabulary_size, self.target_vocabulary_size
        return SplitFiles(
            train=self._set_of("train") or self._files_of(""),
            validation=self._set_of("validation") or self._optional_files_of("validation_"),
            test=self._set_of("test") or self._optional_files_of("test_"),
            validation_share=self.validation_share,
            test_share=self.test_share,
            maximum_length=self.maximum_length,
            # As much as a model may write.
            maximum_target_length=2 * self.maximum_length + 10,
            unit=None if self.length_unit == "words" else self.length_unit,
            vocabulary_sizes=sizes if self.length_unit == "subwords" else None,
        )

    def _set_of(self, split: Split) -> SetPairs | None:
        """Return one split of the set; None without a set, or where it has no such split."""
        if self.dataset is None or split not in load_set(self.dataset, self.dataset_config):
            return None
        names = self.source_field, self.target_field, None, self.gold_field
        return SetPairs(Path(self.dataset), None, *names, config=self.dataset_config, split=split)

    def _check_set(self) -> None:
        keys = [each.name for each in fields(self) if each.metadata.get("path")]
        files = {key: getattr(self, key) for key in keys if getattr(self, key)}
        if self.dataset is not None and files:
            key, path = next(iter(files.items()))
            raise UserError(
                f"task.dataset={self.dataset} and task.{key}={path} both say where the pairs come from: leave one out."
            )
        if self.dataset is None and self.dataset_config is not None:
            raise UserError(f"task.dataset_config={self.dataset_config} belongs to task.dataset: give both.")

    def _optional_files_of(self, role: str) -> PairFiles | None:
        keys = (f"{role}source", f"{role}target", f"{role}alignment")
        return self._files_of(role) if any(getattr(self, key) for key in keys) else None

    def _files_of(self, role: str) -> PairFiles:
        source, target = self._path(f"{role}source"), self._path(f"{role}target")
        alignment = self._path(f"{role}alignment")
        if source is None:
            raise UserError(
                f"{self.name} needs task.{role}source=FILE with task.{role}target=FILE, line for line; or "
                f"task.{role}source alone, a .tsv (source, tab, target), .jsonl, .csv or .parquet with both sides."
            )
        self._check_sides(role, source, target)
        self._check_gold(role, source, alignment)
        return PairFiles(
            source, target, self.source_field, self.target_field, alignment, self.gold_field, self.header
        )

    def _path(self, key: str) -> Path | None:
        value: str | None = getattr(self, key)
        return Path(value).expanduser() if value else None

    def _check_sides(self, role: str, source: Path, target: Path | None) -> None:
        if holds_both_sides(source) and target:
            raise UserError(
                f"task.{role}source={source} holds both sides by its name: leave task.{role}target={target} out."
            )
        if not holds_both_sides(source) and not target:
            raise UserError(
                f"task.{role}source={source} holds sources only: expected task.{role}target=FILE beside it, "
                "or a .tsv, .jsonl, .csv or .parquet with both sides."
            )

    def _check_gold(self, role: str, source: Path, alignment: Path | None) -> None:
        if self.gold_field is None:
            return
        if not has_fields(source):
            raise UserError(
                f"task.gold_field={self.gold_field} names a field of a .jsonl or .parquet, and "
                f"task.{role}source={source} is none."
            )
        if alignment:
            raise UserError(
                f"task.gold_field={self.gold_field} and task.{role}alignment={alignment} both say where the target "
                "stands in the source: leave one of them out."
            )

    @property
    def _encoding(self) -> Encoding:
        return Encoding(self.units, self.source_vocabulary_size, self.target_vocabulary_size, self.eos)

    def check_ready(self) -> None:
        self._check_set()
        self._check_vocabulary_sizes()
        if self.length_unit == "subwords" and self.units != "subword":
            raise UserError(
                f"task.length_unit=subwords counts pieces of words, and task.units={self.units} makes none: "
                "expected task.length_unit=words or characters, or task.units=subword."
            )
        self._check_header()
        super().check_ready()

    def _check_header(self) -> None:
        sources = [path for path in (self.source, self.validation_source, self.test_source) if path]
        if self.header is not None and not any(map(is_tab_separated, sources)):
            raise UserError(
                f"task.header={str(self.header).lower()} speaks of the first line of a .tsv, and none is named: "
                f"got task.source={self.source}. Leave task.header out."
            )

    def _check_vocabulary_sizes(self) -> None:
        smallest = SMALLEST_SUBWORD_VOCABULARY if self.units == "subword" else len(SPECIAL_TOKENS) + 1
        for side in ("source", "target"):
            size = getattr(self, f"{side}_vocabulary_size")
            if size < smallest:
                raise UserError(
                    f"task.{side}_vocabulary_size={size} is too small for task.units={self.units}: "
                    f"expected at least {smallest}."
                )
